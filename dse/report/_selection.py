"""Which design to take into the meeting, by rules that are fixed before the test split is looked at."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from dse.report import _text
from dse.report._choices import Choice, Evidence, choices
from dse.store.results import StudyResults

REFERENCE_DROP_PP = 5.0  # designs that lose more are no candidates for the knee (the hypervolume's reference point)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Recommendation:
    """What the study recommends, and why.

    Attributes:
        margin_pp: non-inferiority margin asked for.
        resolvable_margin_pp: smallest margin that the test split can resolve.
        front_size: designs on the front.
        tested: designs on the front, int32 apart, with a test score.
        only_int32: whether the front holds nothing but int32 (and its fine-tuned control).
        knee: the knee point of the front, or None.
        knee_reason: why this one, or why none.
        cheapest: the cheapest non-inferior design of the front at the margin, or None.
        cheapest_reason: why this one, or why none.
        cheapest_at_resolvable: the same at the resolvable margin, where that is larger and ``cheapest`` is None.
        ci_high_corrected: upper end of the interval of ``cheapest``, corrected for the number of designs tested
            (Bonferroni, normal approximation).
        int32: the baseline.
        control: int32 with fine-tuning, the other baseline of fine-tuned designs.
        best_uniform: the uniform width to beat.
        all_absorb: the design with every multiplier one bit wide, its weights absorbing the difference.
        headline: one sentence.
        text: the recommendation in a few sentences.
        cautions: what a reader should know before acting on it.
    """

    margin_pp: float
    resolvable_margin_pp: float | None
    front_size: int
    tested: int
    only_int32: bool
    knee: Choice | None
    knee_reason: str
    cheapest: Choice | None
    cheapest_reason: str
    cheapest_at_resolvable: Choice | None
    ci_high_corrected: float | None
    int32: Choice | None
    control: Choice | None
    best_uniform: Choice | None
    all_absorb: Choice | None
    headline: str = ""
    text: str = ""
    cautions: tuple[str, ...] = ()

    @property
    def chosen(self) -> Choice | None:
        """The design that the report describes in detail."""
        return self.cheapest or self.cheapest_at_resolvable or self.knee


def selected(results: StudyResults) -> Recommendation:
    """The knee and the cheapest non-inferior design, still without words."""
    front = choices(results, results.front)
    baselines = choices(results, results.baselines)
    tested = [c for c in front if not _is_int32(c) and c.evidence is not Evidence.UNTESTED]
    cheapest, cheapest_reason = _cheapest(front, tested, results.facts.margin_pp)
    knee, knee_reason = _knee(front)
    return Recommendation(
        margin_pp=results.facts.margin_pp,
        resolvable_margin_pp=results.facts.resolvable_margin_pp,
        front_size=len(front),
        tested=len(tested),
        only_int32=bool(front) and all(_is_int32(c) for c in front),
        knee=knee,
        knee_reason=knee_reason,
        cheapest=cheapest,
        cheapest_reason=cheapest_reason,
        cheapest_at_resolvable=None if cheapest else _at_resolvable(tested, results),
        ci_high_corrected=None if cheapest is None else corrected_upper_end(cheapest, len(tested)),
        int32=next((c for c in baselines if c.role == "int32"), None),
        control=next((c for c in baselines if c.role == "int32_finetuned"), None),
        best_uniform=_best_uniform(baselines),
        all_absorb=next((c for c in baselines if c.role == "uniform_absorb" and set(c.multiplier_bits) == {1}), None),
    )


def _cheapest(front: list[Choice], tested: list[Choice], margin_pp: float) -> tuple[Choice | None, str]:
    if not front:
        return None, "The front is empty: no trial is complete."
    if all(_is_int32(c) for c in front):
        return None, "int32 is alone on the front."
    if not tested:
        return None, "No design of the front has been scored on the test split yet."
    passing = [c for c in tested if c.evidence is Evidence.NON_INFERIOR]
    if not passing:
        nearest = min(c.ci_high for c in tested)
        return None, (
            f"None of the {_text.count(len(tested), 'tested design')} is shown non-inferior "
            f"at {_text.points(margin_pp)}: the smallest upper end of a 95% interval is {_text.points(nearest)}."
        )
    return min(passing, key=_cost_order), (
        f"Smallest area among the {_text.count(len(passing), 'design')} of the front "
        f"whose 95% interval of the test drop ends within {_text.points(margin_pp)}."
    )


def _at_resolvable(tested: list[Choice], results: StudyResults) -> Choice | None:
    resolvable = results.facts.resolvable_margin_pp
    if resolvable is None or resolvable <= results.facts.margin_pp:
        return None
    passing = [c for c in tested if c.ci_high <= resolvable]
    return min(passing, key=_cost_order, default=None)


def _knee(front: list[Choice]) -> tuple[Choice | None, str]:
    if not front:
        return None, "There is no knee: the front is empty."
    near = [c for c in front if c.val_drop_pp <= REFERENCE_DROP_PP]
    if not near:
        return None, f"There is no knee: every design of the front loses more than {REFERENCE_DROP_PP:g} pp."
    if len({_objectives(c) for c in near}) < 3:
        return None, (
            "There is no knee: that takes three different designs, and the front has "
            f"{len(near)} that {'loses' if len(near) == 1 else 'lose'} at most {REFERENCE_DROP_PP:g} pp."
        )
    scaled = _unit_scaled(np.array([_objectives(c) for c in near]))
    nearest = int(np.argmin(np.sqrt((scaled**2).sum(axis=1))))
    return near[nearest], (
        "Closest of the front to the best of every objective, with validation drop, area and energy "
        f"each scaled from 0 to 1 over the {_text.count(len(near), 'front design')} "
        f"that lose at most {REFERENCE_DROP_PP:g} pp on validation."
    )


def _unit_scaled(objectives: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Objectives ``[designs, 3]`` scaled to 0..1 per column; a constant column becomes 0."""
    low = objectives.min(axis=0)
    span = objectives.max(axis=0) - low
    return np.asarray((objectives - low) / np.where(span > 0, span, 1.0))


def _best_uniform(baselines: list[Choice]) -> Choice | None:
    """The cheapest uniform width that is non-inferior; without one, the one with the smallest validation drop."""
    uniform = [c for c in baselines if c.role in {"uniform_round", "uniform_absorb"}]
    passing = [c for c in uniform if c.evidence is Evidence.NON_INFERIOR]
    if passing:
        return min(passing, key=_cost_order)
    return min(uniform, key=lambda c: (c.val_drop_pp, *_cost_order(c)), default=None)


def corrected_upper_end(choice: Choice, tests: int) -> float:
    """Upper end of a design's interval (pp) as it would be with a Bonferroni correction for ``tests`` designs.

    The half width is scaled by the ratio of normal quantiles, so it is an approximation.
    """
    tail = (1 - CONFIDENCE) / 2
    widening = NormalDist().inv_cdf(1 - tail / max(1, tests)) / NormalDist().inv_cdf(1 - tail)
    return choice.test_drop_pp + widening * (choice.ci_high - choice.test_drop_pp)


def _is_int32(choice: Choice) -> bool:
    return choice.role in {"int32", "int32_finetuned"}


def _objectives(choice: Choice) -> tuple[float, float, float]:
    return choice.val_drop_pp, choice.area_um2, choice.energy_nj


def _cost_order(choice: Choice) -> tuple[float, float, float, int]:
    return choice.area_um2, choice.energy_nj, choice.val_drop_pp, choice.trial
