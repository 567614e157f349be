"""The recommendation: which design to take, by rules fixed before the test split is looked at, and why, in words."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from dse import formats
from dse.design import DISAGREEMENT, DIVERGENCE, DROP, Figure, Role
from dse.report.designs import Choice, Evidence, choices, limit_in_words, uniform_name
from dse.store import StudyFacts, StudyResults

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Recommendation:
    """The recommendation of a study, with its reasons.

    Attributes:
        margin_pp: non-inferiority margin of the study.
        resolvable_margin_pp: smallest margin that the test split can resolve.
        front_size: designs on the front.
        tested: designs on the front, other than int32, with a test score.
        only_int32: whether int32 and its fine-tuned control are the only designs on the front.
        knee: the knee point of the front, or None.
        knee_reason: why this design, or why none.
        cheapest: the cheapest non-inferior design of the front at the margin, or None.
        cheapest_reason: why this design, or why none.
        cheapest_at_resolvable: the same at the resolvable margin, if that is larger and ``cheapest`` is None.
        ci_high_corrected: upper end of the interval of ``cheapest``, corrected for the number of designs tested
            (Bonferroni, normal approximation).
        int32: the baseline.
        control: int32 with fine-tuning, the second baseline of fine-tuned designs.
        best_uniform: the cheapest non-inferior uniform width, or the most accurate one if none is non-inferior.
        all_absorb: the design with one-bit multipliers, whose weights absorb the rounding.
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
    def recommended(self) -> dict[str, Choice]:
        """The designs that are recommended, by what they are; one design may stand twice."""
        named = {
            "cheapest non-inferior": self.cheapest,
            "cheapest at resolvable margin": self.cheapest_at_resolvable,
            "knee": self.knee,
        }
        return {name: choice for name, choice in named.items() if choice is not None}

    @property
    def non_inferior(self) -> Choice | None:
        """The cheapest design that is non-inferior at the margin; if there is none, at the resolvable margin."""
        return self.cheapest or self.cheapest_at_resolvable

    @property
    def chosen(self) -> Choice | None:
        """The design that the report describes in detail."""
        return self.non_inferior or self.knee


def recommendation(results: StudyResults) -> Recommendation:
    """Recommends the knee point and the cheapest non-inferior design of a study, and explains them."""
    bare = _selected(results)
    return replace(
        bare,
        headline=_headline(bare, results.facts),
        text=" ".join(_sentences(bare, results.facts)),
        cautions=tuple(_cautions(bare, results.facts)),
    )


def _selected(results: StudyResults) -> Recommendation:
    """Selects the designs, without words."""
    front = choices(results, results.front)
    baselines = choices(results, results.baselines)
    tested = [c for c in front if not c.role.is_int32 and c.evidence is not Evidence.UNTESTED]
    cheapest, cheapest_reason = _cheapest(front, tested, results.facts.margin)
    knee, knee_reason = _knee(front, results.facts.loss)
    return Recommendation(
        margin_pp=results.facts.margin_pp,
        resolvable_margin_pp=results.facts.resolvable_margin_pp,
        front_size=len(front),
        tested=len(tested),
        only_int32=bool(front) and all(c.role.is_int32 for c in front),
        knee=knee,
        knee_reason=knee_reason,
        cheapest=cheapest,
        cheapest_reason=cheapest_reason,
        cheapest_at_resolvable=None if cheapest else _at_resolvable(tested, results),
        ci_high_corrected=None if cheapest is None else corrected_upper_end(cheapest, len(tested)),
        int32=next((c for c in baselines if c.role is Role.INT32), None),
        control=next((c for c in baselines if c.role is Role.CONTROL), None),
        best_uniform=_best_uniform(baselines),
        all_absorb=next(
            (c for c in baselines if c.role is Role.UNIFORM_ABSORB and set(c.multiplier_bits) == {1}), None
        ),
    )


def _cheapest(front: list[Choice], tested: list[Choice], margin_pp: float | None) -> tuple[Choice | None, str]:
    if not front:
        return None, "The front is empty: no trial is complete."
    if all(c.role.is_int32 for c in front):
        return None, "int32 is alone on the front."
    if not tested:
        return None, "No design of the front has been scored on the test split yet."
    if margin_pp is None:
        return None, "A divergence has no margin, so no design is called non-inferior."
    passing = [c for c in tested if c.evidence is Evidence.NON_INFERIOR]
    if not passing:
        nearest = min(c.ci_high for c in tested)
        return None, (
            f"None of the {formats.count(len(tested), 'tested design')} is shown non-inferior "
            f"at {formats.points(margin_pp)}: the smallest upper end of a 95% interval is {formats.points(nearest)}."
        )
    return min(passing, key=_cost_order), (
        f"Smallest area among the {formats.count(len(passing), 'design')} of the front "
        f"whose 95% interval of the test {passing[0].loss.word} ends within {formats.points(margin_pp)}."
    )


def _at_resolvable(tested: list[Choice], results: StudyResults) -> Choice | None:
    resolvable = results.facts.resolvable_margin_pp
    if resolvable is None or resolvable <= results.facts.margin_pp:
        return None
    passing = [c for c in tested if c.ci_high <= resolvable]
    return min(passing, key=_cost_order, default=None)


def _knee(front: list[Choice], loss: Figure) -> tuple[Choice | None, str]:
    if not front:
        return None, "There is no knee: the front is empty."
    limit = limit_in_words(loss)
    near = [c for c in front if c.val_loss <= loss.reference]
    if not near:
        return None, f"There is no knee: every design of the front loses more than {limit}."
    if len({c.objectives for c in near}) < 3:
        return None, (
            "There is no knee: that takes three different designs, and the front has "
            f"{len(near)} that {'loses' if len(near) == 1 else 'lose'} at most {limit}."
        )
    scaled = _unit_scaled(np.array([c.objectives for c in near]))
    nearest = int(np.argmin(np.sqrt((scaled**2).sum(axis=1))))
    return near[nearest], (
        "Closest of the front to the best of every objective, with validation "
        f"{loss.word}, area and energy each scaled from 0 to 1 over the {formats.count(len(near), 'front design')} "
        f"that lose at most {limit} on validation."
    )


def _unit_scaled(objectives: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scales objectives ``[designs, 3]`` to 0..1 per column; a constant column becomes 0."""
    low = objectives.min(axis=0)
    span = objectives.max(axis=0) - low
    return np.asarray((objectives - low) / np.where(span > 0, span, 1.0))


def _best_uniform(baselines: list[Choice]) -> Choice | None:
    """Returns the cheapest non-inferior uniform width; if there is none, that of the smallest validation drop."""
    uniform = [c for c in baselines if c.role.is_uniform]
    passing = [c for c in uniform if c.evidence is Evidence.NON_INFERIOR]
    if passing:
        return min(passing, key=_cost_order)
    return min(uniform, key=lambda c: (c.val_loss, *_cost_order(c)), default=None)


def corrected_upper_end(choice: Choice, tests: int) -> float:
    """Computes the upper end of a design's interval (pp) with a Bonferroni correction for ``tests`` designs.

    The half width is scaled by the ratio of normal quantiles, which is an approximation.
    """
    tail = (1 - CONFIDENCE) / 2
    widening = NormalDist().inv_cdf(1 - tail / max(1, tests)) / NormalDist().inv_cdf(1 - tail)
    return choice.test_loss + widening * (choice.ci_high - choice.test_loss)


def _cost_order(choice: Choice) -> tuple[float, float, float, int]:
    return choice.area_um2, choice.energy_nj, choice.val_loss, choice.trial


def _headline(rec: Recommendation, facts: StudyFacts) -> str:
    if rec.front_size == 0:
        return "No recommendation yet: no trial is complete."
    if rec.cheapest:
        return f"Take trial {rec.cheapest.trial}: {_saving(rec.cheapest, facts)}, and non-inferior on the test split."
    if rec.cheapest_at_resolvable:
        choice = rec.cheapest_at_resolvable
        return (
            f"Nothing is shown at {formats.points(rec.margin_pp)}. At {formats.points(rec.resolvable_margin_pp)}, "
            f"the smallest margin that this test split can resolve, take trial {choice.trial}: "
            f"{_saving(choice, facts)}."
        )
    if rec.knee and facts.margin is None:
        return f"Look at trial {rec.knee.trial}, the knee of the front: {_saving(rec.knee, facts)}."
    if rec.only_int32:
        return "Keep int32: no narrower design is on the front."
    if rec.tested:
        return f"Keep int32 for now: no narrower design is shown non-inferior at {formats.points(rec.margin_pp)}."
    return "No recommendation yet: the front has no score on the test split."


def _saving(choice: Choice, facts: StudyFacts) -> str:
    things = "rescalers" if facts.costed == "rescaler" else "accelerator"
    whole = f"{formats.area(choice.area_um2)} of {things}"
    if not math.isfinite(choice.area_ratio):
        return whole
    return (
        f"{whole}, {_times(choice.area_ratio, 'less')} than int32, "
        f"and {formats.energy(choice.energy_nj)} per inference, {_times(choice.energy_ratio, 'less')}"
    )


def _times(ratio: float, less: str) -> str:
    if not math.isfinite(ratio):
        return "an unknown factor"
    return f"{formats.times(ratio)} {less}" if ratio >= 1 else f"{formats.times(1 / ratio)} more"


def _sentences(rec: Recommendation, facts: StudyFacts) -> list[str]:
    sentences = [_headline(rec, facts)]
    if choice := rec.non_inferior:
        sentences += [_accuracy(choice, facts), _against_control(choice, rec.control), *_accelerator(choice, rec.int32)]
    else:
        sentences.append(rec.cheapest_reason)
    sentences += [_against_uniform(rec), _against_all_absorb(rec), _knee_sentence(rec), _margin(rec, facts)]
    return [sentence for sentence in sentences if sentence]


def _accuracy(choice: Choice, facts: StudyFacts) -> str:
    return (
        f"On {facts.samples.get('test', 0):,} test samples its {choice.loss.in_words} is "
        f"{choice.amount(choice.test_loss)}, 95% interval {choice.interval}; "
        f"on validation it is {choice.amount(choice.val_loss)}."
    )


def _against_control(choice: Choice, control: Choice | None) -> str:
    if not choice.is_finetuned or control is None:
        return ""
    if not math.isfinite(choice.val_drop_vs_control_pp):
        return "It was fine-tuned."
    return (
        "It was fine-tuned; against int32 with the same fine-tuning its validation drop is "
        f"{formats.points(choice.val_drop_vs_control_pp)} (the effect of narrowing without that of training)."
    )


def _accelerator(choice: Choice, int32: Choice | None) -> list[str]:
    if int32 is None or not math.isfinite(choice.accelerator_area_share):
        return []
    return [
        f"Rescalers fall from {formats.percent(int32.accelerator_area_share)} to "
        f"{formats.percent(choice.accelerator_area_share)} of the accelerator's area and from "
        f"{formats.percent(int32.accelerator_energy_share)} to {formats.percent(choice.accelerator_energy_share)} "
        "of its energy."
    ]


def _against_uniform(rec: Recommendation) -> str:
    choice, uniform = rec.non_inferior, rec.best_uniform
    if choice is None or uniform is None:
        return ""
    name = uniform_name(uniform)
    if choice.trial == uniform.trial:
        return f"It is the uniform design {name}: choosing widths per layer gained nothing here."
    if uniform.evidence is not Evidence.NON_INFERIOR:
        return f"No uniform width is shown non-inferior; the most accurate on validation is {name}."
    saved = 1 - choice.area_um2 / uniform.area_um2
    if saved <= 0:
        return (
            f"The best uniform width, {name} (trial {uniform.trial}), is non-inferior too and needs "
            f"{formats.percent(-saved)} less area; it is not on the front because its validation {choice.loss.word} is "
            "larger than that of a design at least as cheap."
            if saved < 0
            else f"The best uniform width, {name} (trial {uniform.trial}), costs the same area."
        )
    return f"Its area is {formats.percent(saved)} smaller than that of the best non-inferior uniform width, {name}."


def _against_all_absorb(rec: Recommendation) -> str:
    choice, rival = rec.non_inferior, rec.all_absorb
    if choice is None or rival is None or rival.trial in {choice.trial, rec.best_uniform and rec.best_uniform.trial}:
        return ""
    return (
        f"The design to beat, all absorb at 1 bit (trial {rival.trial}), needs {formats.area(rival.area_um2)}; "
        f"its test {rival.loss.word} is {rival.amount(rival.test_loss)} {rival.interval}, "
        f"{rival.evidence.value}."
    )


def _knee_sentence(rec: Recommendation) -> str:
    if rec.knee is None:
        return rec.knee_reason if rec.front_size else ""
    if rec.cheapest and rec.knee.trial == rec.cheapest.trial:
        return "It is also the knee of the front."
    return (
        f"The knee of the front is trial {rec.knee.trial}: {formats.area(rec.knee.area_um2)}, "
        f"{formats.energy(rec.knee.energy_nj)}, validation {rec.knee.loss.word} {rec.knee.amount(rec.knee.val_loss)}, "
        f"{_knee_test(rec.knee)}."
    )


def _knee_test(knee: Choice) -> str:
    if knee.evidence is Evidence.UNTESTED:
        return knee.evidence.value
    return f"test {knee.loss.word} {knee.amount(knee.test_loss)} {knee.interval}, {knee.evidence.value}"


def _margin(rec: Recommendation, facts: StudyFacts) -> str:
    if rec.resolvable_margin_pp is None or not rec.front_size:
        return ""
    samples = facts.samples.get("test", 0)
    return (
        f"The smallest margin that {samples:,} test samples can resolve is {formats.points(rec.resolvable_margin_pp)} "
        f"(requested: {formats.points(rec.margin_pp)})."
    )


def _cautions(rec: Recommendation, facts: StudyFacts) -> list[str]:
    cautions = []
    if not facts.complete:
        cautions.append("The study is not finished; this may change.")
    if rec.resolvable_margin_pp is not None and rec.resolvable_margin_pp > rec.margin_pp:
        cautions.append(
            "The test split is small: a design of equal accuracy would pass only "
            f"at {formats.points(rec.resolvable_margin_pp)}. One that passes at {formats.points(rec.margin_pp)} "
            "has to appear better than int32 on it."
        )
    cautions += [*_weak_baseline(rec), *_multiplicity(rec)]
    cautions += _without_labels(facts)
    if rec.int32 is None:
        cautions.append("The int32 baseline is not complete, so ratios are missing.")
    if rec.chosen and rec.chosen.is_finetuned and rec.control is None:
        cautions.append(
            "The chosen design was fine-tuned and the control (int32 with the same fine-tuning) is missing: "
            "the effects of narrowing and of extra training cannot be separated."
        )
    return cautions


def _without_labels(facts: StudyFacts) -> list[str]:
    """Says what stands for the accuracy if the study does not minimise its drop."""
    if facts.loss is DISAGREEMENT:
        return [
            "Designs are judged by their disagreement with int32, not by labels. The accuracy drop is never larger, "
            "and may be much smaller; without labels the columns of accuracy are empty."
        ]
    if facts.loss is DIVERGENCE:
        return [
            "Designs are judged by the divergence of their outputs from int32's, not by labels. It orders designs and "
            "has no margin; without labels the columns of accuracy are empty."
        ]
    return []


def _weak_baseline(rec: Recommendation) -> list[str]:
    """Warns if training alone beats the deployed int32 by more than the margin: matching int32 then means little."""
    if rec.chosen is None or not rec.chosen.is_finetuned or rec.control is None or rec.chosen.loss is not DROP:
        return []
    if rec.control.val_loss >= -rec.margin_pp:
        return []
    return [
        f"Training alone lifts int32 by {formats.points(-rec.control.val_loss)} on validation, "
        "so being as accurate as the deployed int32 shows little. Judge by the drop against int32 with the same "
        "fine-tuning."
    ]


def _multiplicity(rec: Recommendation) -> list[str]:
    if rec.ci_high_corrected is None or rec.tested < 2:
        return []
    verdict = "still within" if rec.ci_high_corrected <= rec.margin_pp else "beyond"
    return [
        f"{rec.tested} designs of the front were tested and this is the cheapest that passed. Corrected for that "
        f"(Bonferroni), the upper end of its interval is {formats.points(rec.ci_high_corrected)}, {verdict} the margin."
    ]
