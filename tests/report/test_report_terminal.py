from dataclasses import replace

import pytest
from rich.console import Console
from synthetic_study import HOSTILE, Maker

from dse.errors import StudyError
from dse.report import front_table, recommendation, show
from dse.report.layers import layer_lines
from dse.report.terminal import choices_in_short
from dse.store.results import StudyResults
from dse.verdict.designs import choices


def printed(results: StudyResults, width: int = 100, trial: int | None = None) -> str:
    console = Console(width=width, record=True, force_terminal=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    show(results, recommendation(results), console, trial)
    return console.export_text()


def test_table_is_a_screenful_and_holds_the_recommended_and_int32(make: Maker) -> None:
    results = make(front=500, trials=30)
    rec = recommendation(results)
    assert front_table(results, recommendation(results)).row_count <= 13
    text = printed(results)
    ((name, choice),) = rec.recommended.items()
    assert f" {choice.trial} " in text
    assert name in text
    assert "int32 (Q31)" in text
    assert "500 designs on the front, 10 of them in this table" in text


def test_best_uniform_stands_below_the_front(make: Maker) -> None:
    results = make(front=30, trials=30)
    best = recommendation(results).best_uniform
    assert best is not None
    assert best.trial not in set(results.front["trial"])
    label = f"{best.role.value.replace('_', ' ')}: all {best.multiplier_bits[0]}"
    assert label in printed(results).split("int32 (Q31)")[-1]


def test_stars_stand_for_the_margin_that_was_tested(make: Maker) -> None:
    """The study file asks for another margin than the one for which the test split was read."""
    results = make(front=10, trials=30)
    tested = results.facts.margin_pp
    strict = replace(results, facts=replace(results.facts, margin_pp=tested / 8))
    assert f"starred: shown to lose at most {tested:g} pp" in " ".join(printed(strict, 200).split())
    assert f"at most {tested / 8:g} pp" not in printed(strict, 200)


def test_brackets_in_names_are_no_markup(make: Maker) -> None:
    assert "[bold]" in printed(make(names=HOSTILE, study="[bold]x[/bold]"))


def test_every_study_prints_at_80_columns(any_study: StudyResults) -> None:
    text = printed(any_study, width=80)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "nan" not in text


def test_choices_of_many_rescalers_are_counted(make: Maker) -> None:
    results = make(trials=20)
    some = choices(results, results.int32)[0]
    few = replace(some, multiplier_bits=(1, 4, 1), methods=("absorb",) * 3, shift_bits=(0, None, 2))
    assert choices_in_short(few) == "1s0 4 1s2"
    assert choices_in_short(replace(few, shift_bits=(0,) * 3, multiplier_bits=(1,) * 3)) == "all 1s0"
    many = replace(few, multiplier_bits=(1,) * 30, methods=("absorb",) * 30, shift_bits=(0,) * 20 + (None,) * 10)
    assert choices_in_short(many) == "20 of 1s0, 10 of 1"


def test_a_study_of_divergences_with_labels_shows_the_accuracy_too(make: Maker) -> None:
    results = make(trials=30)
    objectives = ("val_divergence", *results.facts.objectives[1:])
    diverging = replace(results, facts=replace(results.facts, objectives=objectives))
    for plain, choice in zip(choices(results, results.baselines), choices(diverging, diverging.baselines), strict=True):
        assert "test accuracy drop" not in plain.also
        assert f"test accuracy drop {plain.amount(plain.test_loss)} {plain.interval}" in choice.also
    assert "div." in printed(diverging)
    assert "within the margin" not in printed(diverging)


def test_int32s_accuracy_is_shown(make: Maker) -> None:
    results = make(trials=30)
    int32 = results.int32.iloc[0]
    text = printed(results)
    assert (
        f"int32 has an accuracy of {int32['val_accuracy']:.2f}% on validation, {int32['test_accuracy']:.2f}% on test."
        in text
    )


def test_every_layer_of_a_wide_network_is_named_at_80_columns(make: Maker) -> None:
    names = tuple(f"{'depthwise' if index % 3 else 'conv'}_{index}" for index in range(63))
    results = make(rescalers=63, names=names, trials=40)
    searched = next(c for c in choices(results, results.complete) if len(set(c.rescalers)) > 2)
    text = printed(results, width=80, trial=searched.trial)
    layers = text.partition(f"Trial {searched.trial}:")[2]
    for name, bits, method in zip(names, searched.multiplier_bits, searched.methods, strict=True):
        line = next(part for part in layers.split(" bit")[1:] if name in part.replace(",", " ").split())
        assert line.removeprefix("s").startswith(f", {method}"), (name, bits)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_layers_of_equal_choice_share_a_line(make: Maker) -> None:
    results = make(trials=20)
    some = choices(results, results.int32)[0]
    names = ("a", "b", "c", "d")
    mixed = replace(some, multiplier_bits=(1, 4, 1, 1), methods=("absorb",) * 4, shift_bits=(0, None, 0, 2))
    assert layer_lines(names, mixed) == [
        "1 bit, absorb, one constant shift (2): a, c",
        "4 bits, absorb (1): b",
        "1 bit, absorb, shifts of 2 bits (1): d",
    ]
    alike = replace(mixed, multiplier_bits=(2,) * 4, shift_bits=(1,) * 4)
    assert layer_lines(names, alike) == ["all 4 rescalers: 2 bits, absorb, shifts of 1 bit"]


def test_a_trial_that_is_not_complete_is_refused(make: Maker) -> None:
    with pytest.raises(StudyError, match=r"--trial is 999, which is not a complete trial of synthetic; it has \d+"):
        printed(make(trials=20), trial=999)


def test_a_study_without_any_trial_is_shown(make: Maker) -> None:
    text = printed(make(trials=0, roles=(), failed=0, complete=False))
    assert "0 designs on the front" in text
    assert "No verdict: no trial is complete." in text
