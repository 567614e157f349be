"""The three figures of the first screen: area, energy and accuracy of one design, each with its range or interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dse import formats
from dse.design import Figure, metrics
from dse.report.losses import ShownLoss, shown_loss
from dse.store import StudyFacts
from dse.verdict import Choice, Gain, Reference, Verdict, refuted_rival, uniform_name

_WITHOUT_BUFFERS = "MACs and rescalers; buffers not counted"
_MEMORY = {
    metrics.ACCELERATOR_AREA: metrics.MEMORY_AREA,
    metrics.ACCELERATOR_ENERGY: metrics.MEMORY_ENERGY,
}
_OTHER_MODEL = {
    metrics.RESCALER_AREA: (metrics.RESCALER_AREA, metrics.OTHER_AREA),
    metrics.ACCELERATOR_AREA: (metrics.RESCALER_AREA, metrics.OTHER_AREA),
    metrics.RESCALER_ENERGY: (metrics.RESCALER_ENERGY, metrics.OTHER_ENERGY),
    metrics.ACCELERATOR_ENERGY: (metrics.RESCALER_ENERGY, metrics.OTHER_ENERGY),
}


@dataclass(frozen=True)
class Tile:
    """One figure of a design.

    Attributes:
        name: what it is.
        before: int32's figure; empty if it is not known.
        after: the design's figure with its unit.
        change: how much that is, with its range or interval.
        condition: what the figure holds for, or leaves out.
    """

    name: str
    before: str
    after: str
    change: str
    condition: str


def tiles(choice: Choice, verdict: Verdict, facts: StudyFacts) -> tuple[Tile, Tile, Tile]:
    """Returns area, energy and accuracy of the recommended design, the accuracy with the intervals of the verdict."""
    loss = shown_loss(facts, verdict.loss)
    return (
        _cost_tile(choice, choice.area, facts, choice.area_shares.in_words),
        _cost_tile(choice, choice.energy, facts, choice.energy_shares.in_words),
        _accuracy_tile(choice, verdict, facts, loss)
        if loss.is_change
        else _agreement_tile(choice, verdict, facts, loss),
    )


def front_tiles(front: Sequence[Choice], facts: StudyFacts, loss: ShownLoss) -> tuple[Tile, ...]:
    """Returns the same figures from end to end of the narrow designs of a front of which none is recommended."""
    narrow = [choice for choice in front if not choice.role.is_int32]
    if not narrow:
        return ()
    return (
        *(_front_cost(narrow, figure, facts) for figure in (narrow[0].area, narrow[0].energy)),
        Tile(
            name=loss.title,
            before="",
            after=_span([loss.value(choice.val_loss) for choice in narrow], loss.digits),
            change=loss.unit,
            condition=f"{_count(facts, 'validation')}; no design is recommended",
        ),
    )


def _front_cost(narrow: Sequence[Choice], figure: Figure, facts: StudyFacts) -> Tile:
    costs = sorted(choice.value(figure) for choice in narrow)
    before = narrow[0].int32.get(figure.name, math.nan)
    known = math.isfinite(before)
    return Tile(
        name=f"{figure.title}, designs of the front",
        before=formats.rounded(before) if known else "",
        after=f"{formats.span(costs[0], costs[-1], formats.rounded)} {figure.unit}",
        change=f"{smaller(before / costs[-1], before / costs[0])} by the {facts.objective_cost.model} model"
        if known
        else "",
        condition=_WITHOUT_BUFFERS if facts.costed == "accelerator" else "",
    )


def _span(values: Sequence[float], digits: int) -> str:
    return formats.span(min(values), max(values), lambda value: formats.signed(value, digits))


def _cost_tile(choice: Choice, figure: Figure, facts: StudyFacts, shares: str) -> Tile:
    before = choice.int32.get(figure.name, math.nan)
    return Tile(
        name=figure.title,
        before=formats.rounded(before) if math.isfinite(before) else "",
        after=f"{formats.rounded(choice.value(figure))} {figure.unit}",
        change=_reduction(choice, figure),
        condition=shares if facts.costed == "rescaler" else _with_buffers(choice, figure),
    )


def _reduction(choice: Choice, figure: Figure) -> str:
    """Returns by which factor a cost is smaller than int32's, by both cost models, and than int16's; or nothing."""
    ratios = sorted(
        before / after
        for before, after in zip(_by_models(choice.int32, figure), _by_models(choice.figures, figure), strict=True)
        if math.isfinite(before) and after > 0
    )
    if not ratios:
        return ""
    models = "both cost models" if len(ratios) > 1 else "one cost model"
    int16 = choice.int16.get(figure.name, math.nan) / choice.value(figure) if choice.value(figure) else math.nan
    beside = f"; {smaller(int16, int16)} than int16" if math.isfinite(int16) else ""
    return f"{smaller(ratios[0], ratios[-1])} than int32 by {models}{beside}"


def _by_models(figures: Mapping[str, float], figure: Figure) -> tuple[float, float]:
    """Returns a cost by the objective's cost model, and with the rescalers' part by the other one."""
    cost = figures.get(figure.name, math.nan)
    own, other = (figures.get(part.name, math.nan) for part in _OTHER_MODEL[figure])
    return cost, cost - own + other


def smaller(low: float, high: float) -> str:
    """Returns a range of factors in words: ``7.1 to 7.7x smaller``; factors below 1 are those of something larger."""
    if low >= 1:
        return f"{formats.span(low, high, formats.factor)} smaller"
    if high <= 1:
        return f"{formats.span(1 / high, 1 / low, formats.factor)} larger"
    return f"between {formats.factor(1 / low)} larger and {formats.factor(high)} smaller"


def _with_buffers(choice: Choice, figure: Figure) -> str:
    """Returns by which factor the accelerator is smaller if its buffers count too."""
    memory = _MEMORY[figure]
    before, after = (
        figures.get(figure.name, math.nan) + figures.get(memory.name, math.nan)
        for figures in (choice.int32, choice.figures)
    )
    if not (math.isfinite(before) and after > 0):
        return _WITHOUT_BUFFERS
    return f"MACs and rescalers; {smaller(before / after, before / after)} with buffers"


def _accuracy_tile(choice: Choice, verdict: Verdict, facts: StudyFacts, loss: ShownLoss) -> Tile:
    """Returns the accuracies on test, or on validation before there are any."""
    tested = _is_tested(choice, loss)
    key = "test_accuracy" if tested else metrics.VAL_ACCURACY.name
    before, after = choice.int32.get(key, math.nan), choice.figures[key]
    known = math.isfinite(before) and math.isfinite(after)
    deployed, *alike = _intervals(choice, verdict, loss)
    return Tile(
        name="Accuracy",
        before=formats.signed(before, loss.digits) if known else "",
        after=f"{formats.signed(after, loss.digits)}%" if known else loss.amount(_value(choice, loss)),
        change=deployed,
        condition="; ".join([_samples(facts, tested=tested), *alike]),
    )


def _agreement_tile(choice: Choice, verdict: Verdict, facts: StudyFacts, loss: ShownLoss) -> Tile:
    """Returns the agreement with int32 of a study without labels, and its disagreement with the interval."""
    return Tile(
        name="Answers as int32 does",
        before="",
        after=f"{formats.signed(100 - _value(choice, loss), loss.digits)}%",
        change=f"{loss.word} {_intervals(choice, verdict, loss)[0]}",
        condition=f"{_samples(facts, tested=_is_tested(choice, loss))}; no labels",
    )


def _is_tested(choice: Choice, loss: ShownLoss) -> bool:
    return math.isfinite(choice.figures[loss.loss.on_test[0]])


def _value(choice: Choice, loss: ShownLoss) -> float:
    """Returns a loss on test, or on validation before it is known there."""
    return choice.figures[loss.loss.on_test[0]] if _is_tested(choice, loss) else choice.value(loss.loss)


def _intervals(choice: Choice, verdict: Verdict, loss: ShownLoss) -> list[str]:
    """Returns the loss on test with its interval against the deployed int32, then against int32 trained alike.

    A design that the verdict tested has the intervals of the test; of several networks, that of the worst.
    """
    if not _is_tested(choice, loss):
        return [loss.amount(choice.value(loss.loss))]
    if (test := verdict.evidence) is None:
        value, low, high = (choice.figures[name] for name in loss.loss.on_test)
        return [f"{loss.amount(value)}, 95% interval {loss.interval(low, high)}"]
    confidence = f"{100 * test.confidence:.3g}%"
    against = [[each for each in test.comparisons if each.reference is reference] for reference in Reference]
    worst = [max(each, key=lambda comparison: comparison.high) for each in against if each]
    return [
        f"{loss.amount(each.loss)}, {confidence} interval {loss.interval(each.low, each.high)}"
        + (f" in {each.member}" if each.member else "")
        + (f" against {each.reference.value}" if each.reference is Reference.TREATED_ALIKE else "")
        for each in worst
    ]


def gain_in_words(gain: Gain, choice: Choice, facts: StudyFacts, verdict: Verdict) -> str:
    """Returns what the search gained over the best uniform design, in a sentence."""
    rival = "int32" if gain.rival.role.is_int32 else uniform_name(gain.rival)
    if gain.rival.trial == choice.trial:
        return f"It is one choice for all layers ({rival}): the search gained nothing."
    if gain.saved <= 0:
        refuted = refuted_rival(gain, verdict)
        return f"The search gained nothing: one choice for all layers ({rival}) costs no more{refuted}."
    saved, low, high = (formats.signed(100 * share, 0) for share in (gain.saved, gain.low, gain.high))
    return (
        f"The search saved {saved}% of {facts.cost.title.lower()} ({low} to {high}%) over the best single choice for "
        f"all layers ({rival})."
    )


def _samples(facts: StudyFacts, *, tested: bool) -> str:
    if tested:
        return _count(facts, "test")
    return f"{_count(facts, 'validation')} that the search has seen; not scored on test"


def _count(facts: StudyFacts, split: str) -> str:
    """Returns the samples of a split in words; the networks of a portfolio have splits of their own sizes."""
    number = f"{facts.samples.get(split, 0):,} {split} samples"
    return f"on at least {number} of each network" if facts.members else f"on {number}"
