"""The schema of the table of trials: every column, in order, with its heading and the source of its value."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from functools import partial

import pandas as pd
from optuna.trial import FrozenTrial

from dse.design import (
    VAL_ACCURACY,
    DesignPoint,
    Figure,
    Section,
    TestScore,
    bits_key,
    method_key,
    metrics,
    paired_counts,
    paired_interval,
    shift_key,
    value_of,
)
from dse.store.records import LayerRecord, TrialRecord
from dse.store.trials import error_in, role_of

_NAN = math.nan


@dataclass(frozen=True, slots=True)
class TrialRow:
    """The data from which a row of the table is made.

    Attributes:
        trial: the trial in storage.
        record: its result, if it is complete.
        test: its score on the test split, if there is one.
        on_test: losses on test with their intervals (:func:`losses_on_test`); empty without a score.
        control: the result of int32 that was trained like this design, if the design was trained.
        on_test_alike: the accuracy drop on test against that control, and the ends of its interval; NaN if not known.
        on_front: whether no other contender dominates the design.
        expected_drop: accuracy drop that is expected on other samples (:mod:`dse.store.shrinkage`); NaN if unknown.
        feasible: whether the design keeps the study's constraints.
    """

    trial: FrozenTrial
    record: TrialRecord | None
    test: TestScore | None
    on_test: Mapping[str, float]
    control: TrialRecord | None
    on_test_alike: tuple[float, float, float]
    on_front: bool
    expected_drop: float
    feasible: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of trials.

    Attributes:
        name: name in files.
        heading: name for people, unit included.
        section: place in front.csv.
        value: computes the column's value in a row.
    """

    name: str
    heading: str
    section: Section
    value: Callable[[TrialRow], object]


def trial_columns() -> tuple[Column, ...]:
    """Returns the columns that every study has, in the order of trials.parquet."""
    return (
        Column("trial", "Trial", Section.DESIGN, lambda row: row.trial.number),
        Column("state", "State", Section.BOOKKEEPING, lambda row: row.trial.state.name),
        Column("role", "Role", Section.DESIGN, lambda row: role_of(row.trial).value),
        Column("on_front", "On the front", Section.BOOKKEEPING, lambda row: row.on_front),
        Column("feasible", "Keeps the constraints", Section.OTHER, lambda row: row.feasible),
        Column(
            "finetune", "Fine-tuning", Section.DESIGN,
            _of(lambda record: DesignPoint.from_json(record.design).finetune.value, ""),
        ),
        Column("fidelity", "Fidelity of the accuracy", Section.DESIGN, _of(lambda record: record.fidelity.value, "")),
        Column(
            "val_accuracy_drop_vs_control_pp", "Validation accuracy drop against the fine-tuned int32 (pp)",
            Section.CONTROL, _drop_against_control,
        ),
        *_figures(Section.VALIDATION),
        Column(
            "expected_accuracy_drop_pp", "Accuracy drop expected on other samples (pp)", Section.VALIDATION,
            lambda row: row.expected_drop,
        ),
        Column(
            "val_accuracy_integer", "Validation accuracy before fine-tuning (%)", Section.OTHER,
            _of(lambda record: record.val_accuracy_integer),
        ),
        *_figures(Section.RESCALERS, Section.PARAMETERS),
        Column("seconds", "Evaluation time (s)", Section.BOOKKEEPING, _of(lambda record: record.seconds)),
        *_figures(Section.ACCELERATOR, Section.OTHER),
        Column("test_accuracy", "Test accuracy (%)", Section.TEST, lambda row: _accuracy(row.test)),
        *_tested(metrics.DROP),
        *_against_control(),
        *_tested(metrics.DISAGREEMENT),
        *_tested(metrics.DIVERGENCE),
        *_tested(metrics.METRIC_LOSS),
        Column("finished", "Finished (UTC)", Section.BOOKKEEPING, _finished),
        Column("error", "Error", Section.BOOKKEEPING, lambda row: error_in(row.trial)),
    )  # fmt: skip


# The columns of what a design chose, and those that the table of layers adds to its records.
_CHOSEN = {
    "contract": "Rounding contract",
    "style": "Accelerator style",
    "lanes": "Rescaler lanes",
    "calibration": "Calibration samples",
    "multiplier_bits": "Multiplier width (bits)",
    "shift_bits": "Shift window (bits; empty: natural)",
    "method": "Method",
}
_CHOSEN_BY_RESCALER = {
    "multiplier_bits": "multiplier width (bits)",
    "weight_bits": "weight width (bits)",
    "shift_bits": "shift window (bits; empty: natural)",
    "method": "method",
}


def heading(column: str) -> str:
    """Returns the name of a column for people, unit included; the column itself if it has none."""
    of_layers = {name: field.title or name for name, field in LayerRecord.model_fields.items()}
    declared = {each.name: each.heading for each in trial_columns()} | of_layers | _CHOSEN
    if column in declared:
        return declared[column]
    rescaler, _, quantity = column.rpartition(".")
    return f"{rescaler}: {_CHOSEN_BY_RESCALER[quantity]}" if rescaler and quantity in _CHOSEN_BY_RESCALER else column


def for_people(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the table under headings with units.

    If the names of two rescalers lead to equal headings, these columns keep their own names.
    """
    headings = [heading(str(name)) for name in frame.columns]
    unique = [
        text if headings.count(text) == 1 else str(name) for text, name in zip(headings, frame.columns, strict=True)
    ]
    return frame.set_axis(unique, axis="columns")


def design_table(trials: pd.DataFrame, rescalers: Iterable[str]) -> pd.DataFrame:
    """Returns rows of the table of trials with the columns of front.csv and baselines.csv, rescalers in this order."""
    ordered = sorted(trial_columns(), key=lambda column: column.section)
    leading = [column.name for column in ordered if column.section < Section.OTHER]
    choices = (key(name) for key in (bits_key, method_key, shift_key) for name in rescalers)
    chosen = [name for name in choices if name in trials.columns]
    left_out = {column.name for column in ordered if column.section is Section.BOOKKEEPING}.union(leading, chosen)
    return trials[[*leading, *chosen, *(name for name in trials.columns if name not in left_out)]]


def losses_on_test(test: TestScore) -> dict[str, float]:
    """Returns every loss on the test split and the ends of its 95% interval, by column; NaN if it is not defined."""
    return {
        column: value
        for loss in metrics.LOSSES
        for column, value in zip(loss.on_test, test.interval(loss), strict=True)
    }


def losses_against(control: TestScore | None, test: TestScore | None) -> tuple[float, float, float]:
    """Returns the accuracy drop on test against another design, paired, and the ends of its 95% interval, in pp.

    Of a portfolio it is that of the network whose interval reaches highest. It is NaN if one of them is not known.
    """
    others = dict(control.by_member) if control else {}
    counts = [
        paired_counts(others[name].answers if name in others else None, score.answers)
        for name, score in (test.by_member if test else ())
    ]
    known = [each for each in counts if each is not None]
    if not known or len(known) < len(counts):
        return _NAN, _NAN, _NAN
    return max(((each.drop_pp, *paired_interval(each)) for each in known), key=lambda interval: interval[2])


def _against_control() -> list[Column]:
    """Returns the columns of the drop on the test split against int32 that was trained alike."""
    title = "Test accuracy drop against the fine-tuned int32"
    columns = (
        ("test_accuracy_drop_vs_control_pp", title),
        *(
            (f"test_accuracy_drop_vs_control_{end}_pp", f"{title}, {words} end of the 95% interval")
            for end, words in (("low", "lower"), ("high", "upper"))
        ),
    )
    return [
        Column(name, f"{text} (pp)", Section.TEST, partial(_alike, index)) for index, (name, text) in enumerate(columns)
    ]


def _alike(index: int, row: TrialRow) -> float:
    return row.on_test_alike[index]


def _tested(loss: Figure) -> list[Column]:
    """Returns the columns of a loss on the test split."""
    title = loss.title.replace("Validation", "Test")
    titles = (title, f"{title}, lower end of the 95% interval", f"{title}, upper end of the 95% interval")
    return [
        Column(name, f"{text} ({loss.unit})", Section.TEST, _on_test(name))
        for name, text in zip(loss.on_test, titles, strict=True)
    ]


def _accuracy(test: TestScore | None) -> float:
    return _NAN if test is None or test.accuracy is None else test.accuracy


def _figures(*sections: Section) -> list[Column]:
    chosen = (figure for section in sections for figure in metrics.FIGURES if figure.section is section)
    return [Column(each.name, each.heading, each.section, _of(partial(_figure, each.name))) for each in chosen]


def _figure(name: str, record: TrialRecord) -> float | None:
    return record.figures.get(name)


def _of(get: Callable[[TrialRecord], object], otherwise: object = _NAN) -> Callable[[TrialRow], object]:
    return lambda row: get(row.record) if row.record else otherwise


def _on_test(name: str) -> Callable[[TrialRow], float]:
    return lambda row: row.on_test.get(name, _NAN)


def _drop_against_control(row: TrialRow) -> float:
    """Computes the drop against int32 after the same fine-tuning; NaN if the design was not trained."""
    if row.record is None or row.control is None:
        return _NAN
    return value_of(row.control, VAL_ACCURACY.name) - value_of(row.record, VAL_ACCURACY.name)


def _finished(row: TrialRow) -> str:
    completed = row.trial.datetime_complete
    return completed.astimezone(UTC).isoformat() if completed else ""
