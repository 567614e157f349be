"""The recommendation in words and numbers."""

import math
from dataclasses import replace

from dse.report import _text
from dse.report._choices import Choice, Evidence
from dse.report._selection import Recommendation, selected
from dse.store.results import StudyFacts, StudyResults


def recommendation(results: StudyResults) -> Recommendation:
    """The knee point and the cheapest non-inferior design of a study, with words for people."""
    bare = selected(results)
    return replace(
        bare,
        headline=_headline(bare, results.facts),
        text=" ".join(_sentences(bare, results.facts)),
        cautions=tuple(_cautions(bare, results.facts)),
    )


def _headline(rec: Recommendation, facts: StudyFacts) -> str:
    if rec.front_size == 0:
        return "No recommendation yet: no trial is complete."
    if rec.cheapest:
        return f"Take trial {rec.cheapest.trial}: {_saving(rec.cheapest, facts)}, and non-inferior on the test split."
    if rec.cheapest_at_resolvable:
        choice = rec.cheapest_at_resolvable
        return (
            f"Nothing is shown at {_text.points(rec.margin_pp)}. At {_text.points(rec.resolvable_margin_pp)}, "
            f"the smallest margin that this test split can resolve, take trial {choice.trial}: "
            f"{_saving(choice, facts)}."
        )
    if rec.only_int32:
        return "Keep int32: no narrower design is on the front."
    if rec.tested:
        return f"Keep int32 for now: no narrower design is shown non-inferior at {_text.points(rec.margin_pp)}."
    return "No recommendation yet: the front has no score on the test split."


def _saving(choice: Choice, facts: StudyFacts) -> str:
    things = "rescalers" if facts.costed == "rescaler" else "accelerator"
    whole = f"{_text.area(choice.area_um2)} of {things}"
    if not math.isfinite(choice.area_ratio):
        return whole
    return (
        f"{whole}, {_times(choice.area_ratio, 'less')} than int32, "
        f"and {_text.energy(choice.energy_nj)} per inference, {_times(choice.energy_ratio, 'less')}"
    )


def _times(ratio: float, less: str) -> str:
    if not math.isfinite(ratio):
        return "an unknown factor"
    return f"{_text.times(ratio)} {less}" if ratio >= 1 else f"{_text.times(1 / ratio)} more"


def _sentences(rec: Recommendation, facts: StudyFacts) -> list[str]:
    sentences = [_headline(rec, facts)]
    if choice := rec.cheapest or rec.cheapest_at_resolvable:
        sentences += [_accuracy(choice, facts), _against_control(choice, rec.control), *_accelerator(choice, rec.int32)]
    else:
        sentences.append(rec.cheapest_reason)
    sentences += [_against_uniform(rec), _against_all_absorb(rec), _knee(rec), _margin(rec, facts)]
    return [sentence for sentence in sentences if sentence]


def _accuracy(choice: Choice, facts: StudyFacts) -> str:
    return (
        f"On {facts.samples.get('test', 0):,} test samples its accuracy drop is {_text.points(choice.test_drop_pp)}, "
        f"95% interval {_text.interval(choice.ci_low, choice.ci_high)}; "
        f"on validation it is {_text.points(choice.val_drop_pp)}."
    )


def _against_control(choice: Choice, control: Choice | None) -> str:
    if not choice.is_finetuned or control is None:
        return ""
    if not math.isfinite(choice.val_drop_vs_control_pp):
        return "It was fine-tuned."
    return (
        "It was fine-tuned; against int32 with the same fine-tuning its validation drop is "
        f"{_text.points(choice.val_drop_vs_control_pp)} (narrowing alone, what training gains set aside)."
    )


def _accelerator(choice: Choice, int32: Choice | None) -> list[str]:
    if int32 is None or not math.isfinite(choice.accelerator_area_share):
        return []
    return [
        f"Rescalers fall from {_text.percent(int32.accelerator_area_share)} to "
        f"{_text.percent(choice.accelerator_area_share)} of the accelerator's area and from "
        f"{_text.percent(int32.accelerator_energy_share)} to {_text.percent(choice.accelerator_energy_share)} "
        "of its energy."
    ]


def _against_uniform(rec: Recommendation) -> str:
    choice, uniform = rec.cheapest or rec.cheapest_at_resolvable, rec.best_uniform
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
            f"{_text.percent(-saved)} less area; it is not on the front because its validation drop is larger "
            "than that of a design at least as cheap."
            if saved < 0
            else f"The best uniform width, {name} (trial {uniform.trial}), costs the same area."
        )
    return f"That is {_text.percent(saved)} less area than the best uniform width that is non-inferior, {name}."


def _against_all_absorb(rec: Recommendation) -> str:
    choice, rival = rec.cheapest or rec.cheapest_at_resolvable, rec.all_absorb
    if choice is None or rival is None or rival.trial in {choice.trial, rec.best_uniform and rec.best_uniform.trial}:
        return ""
    return (
        f"The design to beat, all absorb at 1 bit (trial {rival.trial}), needs {_text.area(rival.area_um2)}; "
        f"its test drop is {_text.points(rival.test_drop_pp)} {_text.interval(rival.ci_low, rival.ci_high)}, "
        f"{rival.evidence.value}."
    )


def _knee(rec: Recommendation) -> str:
    if rec.knee is None:
        return rec.knee_reason if rec.front_size else ""
    if rec.cheapest and rec.knee.trial == rec.cheapest.trial:
        return "It is also the knee of the front."
    return (
        f"The knee of the front is trial {rec.knee.trial}: {_text.area(rec.knee.area_um2)}, "
        f"{_text.energy(rec.knee.energy_nj)}, validation drop {_text.points(rec.knee.val_drop_pp)}, "
        f"{_knee_test(rec.knee)}."
    )


def _knee_test(knee: Choice) -> str:
    if knee.evidence is Evidence.UNTESTED:
        return knee.evidence.value
    interval = _text.interval(knee.ci_low, knee.ci_high)
    return f"test drop {_text.points(knee.test_drop_pp)} {interval}, {knee.evidence.value}"


def _margin(rec: Recommendation, facts: StudyFacts) -> str:
    if rec.resolvable_margin_pp is None or not rec.front_size:
        return ""
    samples = facts.samples.get("test", 0)
    return (
        f"The smallest margin that {samples:,} test samples can resolve is {_text.points(rec.resolvable_margin_pp)} "
        f"(asked: {_text.points(rec.margin_pp)})."
    )


def uniform_name(choice: Choice) -> str:
    """A baseline in words: ``all 4 bits, absorb``."""
    method = choice.role.removeprefix("uniform_")
    bits = max(choice.multiplier_bits, default=0)
    return f"all {bits} bit{'' if bits == 1 else 's'}, {method}"


def _cautions(rec: Recommendation, facts: StudyFacts) -> list[str]:
    cautions = []
    if not facts.complete:
        cautions.append("The study is not finished; this may change.")
    if rec.resolvable_margin_pp is not None and rec.resolvable_margin_pp > rec.margin_pp:
        cautions.append(
            "The test split is small: a design of equal accuracy would pass only "
            f"at {_text.points(rec.resolvable_margin_pp)}. One that passes at {_text.points(rec.margin_pp)} "
            "has to look better than int32 on it."
        )
    cautions += [*_easy_rival(rec), *_multiplicity(rec)]
    if rec.int32 is None:
        cautions.append("The int32 baseline is not complete, so ratios are missing.")
    if rec.chosen and rec.chosen.is_finetuned and rec.control is None:
        cautions.append(
            "The chosen design was fine-tuned and the control (int32 with the same fine-tuning) is missing: "
            "narrowing and extra training cannot be told apart."
        )
    return cautions


def _easy_rival(rec: Recommendation) -> list[str]:
    """Training alone beats the deployed int32 by more than the margin: being no worse than that is no feat."""
    if rec.chosen is None or not rec.chosen.is_finetuned or rec.control is None:
        return []
    if rec.control.val_drop_pp >= -rec.margin_pp:
        return []
    return [
        f"Training alone lifts int32 by {_text.points(-rec.control.val_drop_pp)} on validation, "
        "so the deployed int32 is an easy rival here. Judge by the drop against int32 with the same fine-tuning."
    ]


def _multiplicity(rec: Recommendation) -> list[str]:
    if rec.ci_high_corrected is None or rec.tested < 2:
        return []
    verdict = "still within" if rec.ci_high_corrected <= rec.margin_pp else "beyond"
    return [
        f"{rec.tested} designs of the front were tested and this is the cheapest that passed. Corrected for that "
        f"(Bonferroni), the upper end of its interval is {_text.points(rec.ci_high_corrected)}, {verdict} the margin."
    ]
