"""The verdict in words: one sentence, a few more, and what a reader should know before acting on it."""

import math
from enum import StrEnum

from dse import formats
from dse.design import DISAGREEMENT, DIVERGENCE, DROP, METRIC_LOSS, Figure, Role
from dse.store import StudyFacts, StudyResults
from dse.verdict.designs import Choice, choices, uniform_name
from dse.verdict.outcome import Comparison, Gain, Outcome, Power, Reference, Test, Verdict


class Obstacle(StrEnum):
    """Why there is no verdict at all."""

    NO_TRIAL = "no trial is complete"
    NO_INT32 = "the int32 baseline is not complete"
    NO_MARGIN = "outputs that are no classes have no margin; choose a design of the front by its cost and loss"
    AT_CHANCE = "int32 itself is right at most as often as always naming the most frequent class"


def headline_of(verdict: Verdict, facts: StudyFacts, obstacle: Obstacle | None) -> str:
    """Returns the verdict in one sentence."""
    if obstacle:
        return f"No verdict: {obstacle.value}."
    choice, margin = verdict.recommended, formats.points(verdict.margin_pp)
    if choice is None and verdict.tested:
        return f"Not shown: every design that might be lost more than {margin} on the test split."
    if choice is None:
        return "No verdict: no design that the study allows costs less than int32 and is not beaten by a baseline."
    design = f"trial {choice.trial}, {saving(choice, facts)}"
    if verdict.outcome is Outcome.SHOWN:
        return f"Take {design}: shown to lose at most {margin} on the test split."
    if verdict.outcome is Outcome.NOT_SHOWN:
        return f"Not shown: no design is shown to lose at most {margin}. Best guess: {design}."
    if verdict.outcome is Outcome.TOO_LITTLE_DATA:
        return f"Too little data: {_chance(verdict.power, margin, facts)} Best guess: {design}."
    return f"No verdict yet: the test split has not been read. Best guess on validation: {design}."


def _chance(power: Power | None, margin: str, facts: StudyFacts) -> str:
    if power is None:
        return ""
    return (
        f"a design as accurate as int32 would be shown at {margin} with a chance of only "
        f"{formats.percent(power.chance, 0)}; about {_test_samples(power, facts)} would do."
    )


def _test_samples(power: Power, facts: StudyFacts) -> str:
    """Returns how many test samples give the wanted chance; the networks of a portfolio need as many each."""
    return f"{power.samples:,} test samples{' of each network' if facts.members else ''}"


def saving(choice: Choice, facts: StudyFacts) -> str:
    """Returns what a design costs, and how much less that is than int32 and int16."""
    things = "rescalers" if facts.costed == "rescaler" else "accelerator"
    whole = f"{formats.area(choice.area_um2)} of {things}"
    if not math.isfinite(choice.area_ratio):
        return whole
    areas, energies = [f"{_times(choice.area_ratio, 'less')} than int32"], [_times(choice.energy_ratio, "less")]
    if math.isfinite(choice.area_ratio_int16):
        areas.append(f"{_times(choice.area_ratio_int16, 'less')} than int16")
        energies.append(_times(choice.energy_ratio_int16, "less"))
    if all(ratio >= 1 for ratio in (choice.energy_ratio, choice.energy_ratio_int16)):
        energies[0] = energies[0].removesuffix(" times less")
    area, energy = (" and ".join(each) for each in (areas, energies))
    return f"{whole}, {area}, and {formats.energy(choice.energy_nj)} per inference, {energy}"


def _times(ratio: float, less: str) -> str:
    if not math.isfinite(ratio):
        return "an unknown factor"
    return f"{formats.times(ratio)} {less}" if ratio >= 1 else f"{formats.times(1 / ratio)} more"


def text_of(verdict: Verdict, facts: StudyFacts) -> list[str]:
    """Returns the sentences after the headline."""
    if verdict.recommended is None:
        return _tests(verdict)
    choice = verdict.recommended
    sentences = [shares_of(choice, facts), *_accuracy(verdict, facts), *_tests(verdict)]
    sentences = [each for each in (*sentences, *_gain(verdict, choice)) if each]
    return [*sentences, *_stability(verdict), *_power(verdict, facts)]


def shares_of(choice: Choice, facts: StudyFacts) -> str:
    """Returns which part of the accelerator its rescalers are, with buffers and without; empty if it is not known."""
    shares = {"area": choice.area_shares.in_words, "energy": choice.energy_shares.in_words}
    known = [f"{name} {words}" for name, words in shares.items() if words]
    return f"The rescalers' part: {'; '.join(known)} ({facts.accelerator})." if known else ""


def _accuracy(verdict: Verdict, facts: StudyFacts) -> list[str]:
    """Returns the loss against every reference, with the interval of the test."""
    choice, test, loss = verdict.recommended, verdict.evidence, verdict.loss
    if choice is None:
        return []
    if test is None:
        return [f"On validation it {_compared(choice.value(loss), loss, 'int32')}."]
    confidence = formats.percent(test.confidence, 1).removesuffix(".0%").rstrip("%") + "%"
    against = [
        f"{_compared(each.loss, loss, _reference(each))} ({_standing(each.low, loss)} to "
        f"{_standing(each.high, loss)}; {each.samples:,} samples)"
        for each in test.comparisons
        if math.isfinite(each.loss)
    ]
    accuracy, int32 = choice.figures["test_accuracy"], choice.int32.get("test_accuracy", math.nan)
    absolute = (
        f", at {formats.signed(accuracy, 1)}% where int32 has {formats.signed(int32, 1)}%"
        if math.isfinite(accuracy) and math.isfinite(int32) and not facts.members
        else ""
    )
    return [
        f"On test it {', and '.join(against)}, with {confidence} intervals{absolute}; "
        f"on validation it {_compared(choice.value(loss), loss, 'int32')}."
    ]


def _compared(value: float, loss: Figure, reference: str) -> str:
    """Returns a loss against a reference as the rest of a sentence, without a sign that a reader has to interpret."""
    if loss is not DROP:
        return f"differs from {reference} on {_standing(value, loss)} of the samples"
    standing = _standing(value, loss)
    return f"is as accurate as {reference}" if standing == "equal" else f"is {standing} than {reference}"


def _standing(value: float, loss: Figure) -> str:
    """Returns ``0.56 pp worse``, ``1.49 pp better`` or ``equal``; of a disagreement, its percentage."""
    if loss is not DROP:
        return f"{formats.signed(value)}%"
    if float(f"{value:.2f}") == 0:
        return "equal"
    return f"{formats.points(abs(value))} {'worse' if value > 0 else 'better'}"


def _reference(comparison: Comparison) -> str:
    return f"{comparison.reference.value} of {comparison.member}" if comparison.member else comparison.reference.value


def _tests(verdict: Verdict) -> list[str]:
    """Returns how far the sequence of every look went."""
    looks = sorted({test.look for test in verdict.tested})
    return [_look([test for test in verdict.tested if test.look == look], several=len(looks) > 1) for look in looks]


def _look(tests: list[Test], *, several: bool) -> str:
    """Returns how far the sequence of one look went."""
    failed = next((test for test in tests if test.reached and not test.passed), None)
    look = f"At look {tests[0].look}, " if several else ""
    count = formats.count(len(tests), "design")
    begin = f"{look}{count} {'was' if len(tests) == 1 else 'were'} chosen for the test on validation alone, in order"
    if failed is None:
        return f"{begin}; every one passed."
    return f"{begin}; trial {failed.choice.trial} was the first that failed{_why(failed)}."


def _why(test: Test) -> str:
    missing = [each for each in test.comparisons if not each.passed and not math.isfinite(each.high)]
    if missing:
        return f", because {_reference(missing[0])} has no score"
    worst = max((each for each in test.comparisons if not each.passed), key=lambda each: each.high)
    return f": it may lose {formats.points(worst.high)} against {_reference(worst)}"


def _gain(verdict: Verdict, choice: Choice) -> list[str]:
    """Returns what the choice per layer gained."""
    gain = verdict.gain_over_uniform
    if gain is None:
        return []
    rival = "int32" if gain.rival.role.is_int32 else uniform_name(gain.rival)
    if gain.rival.trial == choice.trial:
        return [f"It is the uniform design {rival}: choosing per layer gained nothing here."]
    named = f"{rival} (trial {gain.rival.trial})"
    reference = Reference.TREATED_ALIKE.value if choice.is_finetuned else "int32"
    equal = f"loses no more on validation (being better than {reference} does not count)"
    if gain.saved <= 0:
        refuted = refuted_rival(gain, verdict)
        return [f"Choosing per layer gained nothing here: {named} costs no more and {equal}{refuted}."]
    return [
        f"It needs {formats.percent(gain.saved)} less than {named}, the cheapest uniform design that {equal}; "
        f"{formats.percent(gain.low)} to {formats.percent(gain.high)} over resamples of the validation samples."
    ]


def refuted_rival(gain: Gain, verdict: Verdict) -> str:
    """Returns why a rival that looks as good on validation is not recommended, if it lost more than the margin on test.

    The words end a sentence; there are none if that is not the reason.
    """
    on_test = [gain.rival.figures.get(name, math.nan) for name in verdict.loss.on_test[:1]]
    if gain.rival.is_finetuned:
        on_test.append(gain.rival.figures["test_accuracy_drop_vs_control_pp"])
    worst = max((loss for loss in on_test if math.isfinite(loss)), default=-math.inf)
    if verdict.outcome is Outcome.SHOWN or verdict.margin_pp is None or worst <= verdict.margin_pp:
        return ""
    return f", but lost {formats.points(worst)} on the test split, so it is no better guess"


def _stability(verdict: Verdict) -> list[str]:
    stability = verdict.stability
    if stability is None:
        return []
    return [
        f"{formats.percent(stability.share, 0)} of {stability.resamples} resamples of the validation samples recommend "
        f"the same design; {formats.count(stability.designs, 'design is', 'different designs are')} recommended in all."
    ]


def _power(verdict: Verdict, facts: StudyFacts) -> list[str]:
    power = verdict.power
    if power is None or verdict.outcome is Outcome.TOO_LITTLE_DATA:
        return []
    margin = "at no margin" if power.margin_pp is None else f"at {formats.points(power.margin_pp)}"
    return [
        f"A design exactly as accurate as int32 passes at {formats.points(verdict.margin_pp)} with a chance of "
        f"{formats.percent(power.chance, 0)}, and {margin} with 80%; about {_test_samples(power, facts)} give 80% at "
        f"{formats.points(verdict.margin_pp)}."
    ]


def cautions_of(verdict: Verdict, results: StudyResults) -> list[str]:
    """Returns what a reader should know before acting on the verdict."""
    facts, choice = results.facts, verdict.recommended
    cautions = [] if facts.complete else ["The study is not finished; this may change."]
    cautions += _changed_margin(verdict, facts)
    cautions += _several_looks(facts.looks_before, len(results.looks))
    if verdict.outcome is Outcome.SHOWN and verdict.power and verdict.power.chance < 0.5:
        cautions.append(
            f"The test split is small: {_chance(verdict.power, formats.points(verdict.margin_pp), facts)} "
            "One that is shown with so few has to look better than int32 on them."
        )
    cautions += [*_without_labels(verdict, facts), *_weak_baseline(choice, results), *_inherited(choice, results)]
    if (
        choice
        and choice.is_finetuned
        and not any(role is Role.CONTROL for role in map(Role, results.baselines["role"]))
    ):
        cautions.append(
            "The design was fine-tuned and int32 with the same fine-tuning is missing: the effects of narrowing and of "
            "extra training cannot be separated, and nothing is shown."
        )
    return cautions


def _several_looks(before: int, own: int) -> list[str]:
    """Says how often test samples were read: for earlier runs in the folder, and for this one."""
    if not before and own < 2:
        return []
    folder = "for earlier runs in this folder"
    earlier = f", {before} of them {folder}" if before and own else f" {folder}" if before else ""
    return [
        f"The test split was read {formats.count(before + own, 'time')}{earlier}. The looks share one error of 2.5%, "
        "so later ones need clearer results."
    ]


def _changed_margin(verdict: Verdict, facts: StudyFacts) -> list[str]:
    if verdict.margin_pp is None or verdict.margin_pp == facts.margin_pp:
        return []
    return [
        f"The study file asks for {formats.points(facts.margin_pp)}, but the test split was read for "
        f"{formats.points(verdict.margin_pp)}; a margin that is chosen later shows nothing. To use it, start over with "
        "--fresh and other test samples."
    ]


def _inherited(choice: Choice | None, results: StudyResults) -> list[str]:
    """Says if the recommended design was trained longer than its control."""
    heir_of = None if choice is None else results.records[choice.trial].heir_of
    if choice is None or heir_of is None:
        return []
    return [
        f"The fine-tune of trial {choice.trial} began with the weights of trial {heir_of}, so it was trained longer "
        "than int32 was; part of its accuracy may be that of training."
    ]


def _without_labels(verdict: Verdict, facts: StudyFacts) -> list[str]:
    """Says what stands for the accuracy if the study does not minimise its drop."""
    if not facts.loss.has_margin and verdict.margin_pp is not None:
        return [
            f"Designs are searched by the {facts.loss.in_words}, which has no margin; the verdict is about the "
            f"{verdict.loss.in_words}."
        ]
    if facts.loss is DISAGREEMENT:
        return [
            "Designs are judged by their disagreement with int32, not by labels. The accuracy drop is never larger, "
            "and may be much smaller; without labels the columns of accuracy are empty."
        ]
    if facts.loss is METRIC_LOSS:
        return [
            "Designs are judged by the metric that the study file names. Its loss orders designs and has no margin; "
            "the intervals on the test split show what is known of it."
        ]
    if facts.loss is DIVERGENCE:
        return [
            "Designs are judged by the divergence of their outputs from int32's, not by labels. It orders designs and "
            "has no margin; without labels the columns of accuracy are empty."
        ]
    return []


def _weak_baseline(choice: Choice | None, results: StudyResults) -> list[str]:
    """Warns if training alone beats the deployed int32 by more than the margin."""
    facts = results.facts
    baselines = choices(results, results.baselines)
    control = next((each for each in baselines if choice and each.role is Role.CONTROL), None)
    if choice is None or not choice.is_finetuned or control is None or facts.loss is not DROP:
        return []
    if control.val_loss >= -facts.margin_pp:
        return []
    return [
        f"Training alone lifts int32 by {formats.points(-control.val_loss)} on validation, so most of the accuracy is "
        f"that of training; the comparison with {Reference.TREATED_ALIKE.value} is the one that counts."
    ]
