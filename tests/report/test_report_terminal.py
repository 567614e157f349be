from dataclasses import replace

from rich.console import Console
from synthetic_study import HOSTILE, Maker

from dse.report import front_table, recommendation, show
from dse.report.terminal import choices_in_short
from dse.store.results import StudyResults
from dse.verdict.designs import choices


def printed(results: StudyResults, width: int = 100) -> str:
    console = Console(width=width, record=True, force_terminal=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    show(results, console)
    return console.export_text()


def test_table_is_a_screenful_and_holds_the_recommended_and_int32(make: Maker) -> None:
    results = make(front=500, trials=30)
    rec = recommendation(results)
    assert front_table(results).row_count <= 12
    text = printed(results)
    ((name, choice),) = rec.recommended.items()
    assert f" {choice.trial} " in text
    assert name in text
    assert "int32 (Q31)" in text
    assert "500 designs on the front, 10 of them shown" in text


def test_best_uniform_stands_below_the_front(make: Maker) -> None:
    results = make(front=30, trials=30)
    best = recommendation(results).best_uniform
    assert best is not None
    assert best.trial not in set(results.front["trial"])
    label = f"{best.role.value.replace('_', ' ')}: all {best.multiplier_bits[0]}"
    assert label in printed(results).split("int32 (Q31)")[-1]


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
