"""The front as a table in the terminal."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dse import formats
from dse.design import Role
from dse.errors import StudyError
from dse.report.clocks import clock_sentence
from dse.report.layers import layer_lines
from dse.report.recommendations import Recommendation
from dse.store import StudyFacts, StudyResults
from dse.verdict import ROLE_NAMES, Choice, Verdict, choices, loss_digits

_SHORT = {
    "drop": "drop",
    "disagreement": "differs",
    "divergence": "div.",
    "metric loss": "metric",
}  # for narrow columns
MOST_LISTED = 12  # rescalers that are listed one by one; of more, their choices are counted
_ACCURACIES = (("val_accuracy", "validation"), ("test_accuracy", "test"))
FRONT_ROWS = 10  # rows for the front; int32 and the best uniform width come in addition


@dataclass(frozen=True)
class TextRow:
    """A row of the front in short: a text for each column, and whether a reader looks there first."""

    cells: tuple[str, ...]
    dim: bool = False


@dataclass(frozen=True)
class FrontText:
    """The front as texts.

    Attributes:
        title: how many designs it has.
        headings: of the columns.
        front: designs of the front, cheapest first and thinned to a screenful.
        baselines: int32, int16, the best uniform width, and the recommended design, if it is not on the front.
        caption: how to read it.
    """

    title: str
    headings: tuple[str, ...]
    front: tuple[TextRow, ...]
    baselines: tuple[TextRow, ...]
    caption: str


def front_text(results: StudyResults, rec: Recommendation) -> FrontText:
    """Returns the front, cheapest first and thinned to a screenful, then int32, int16 and the best uniform width."""
    front = choices(results, results.front)
    shown = _thinned(front, rec)
    starred = {choice.trial for choice in rec.verdict.shown}

    def row(choice: Choice, *, dim: bool = False) -> TextRow:
        return TextRow(_cells(choice, _mark(choice, rec), shown=choice.trial in starred), dim)

    baselines, on_screen = [], {choice.trial for choice in shown}
    for baseline in (*rec.recommended.values(), rec.int32, rec.int16, rec.best_uniform):
        if baseline is not None and baseline.trial not in on_screen:
            baselines.append(row(baseline, dim=baseline != rec.verdict.recommended))
            on_screen.add(baseline.trial)
    facts, short = results.facts, _SHORT[results.facts.loss.word]
    thinned = f", {len(shown)} of them in this table" if len(shown) < len(front) else ""
    return FrontText(
        title=f"{facts.study}: {formats.count(len(front), 'design')} on the front{thinned}",
        headings=("trial", "area µm²", "less", "nJ", f"val {short}", f"test {short} [95%]", "multiplier bits"),
        front=tuple(map(row, shown)),
        baselines=tuple(baselines),
        caption=f"{facts.objective_cost.model} model, {facts.objective_cost.technology}{facts.clocked}; less: than "
        f"int32's area; {facts.loss.word} against int32 in {facts.loss.unit}{_notes(facts, rec.verdict.margin_pp)}",
    )


def front_table(results: StudyResults, rec: Recommendation) -> Table:
    """Returns the front of :func:`front_text` for the terminal."""
    text = front_text(results, rec)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title=Text(text.title), caption=Text(text.caption))
    *figures, widths = text.headings
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(widths, overflow="fold", min_width=15)  # the one column that may take several lines
    for rows in (text.front, text.baselines):
        for row in rows:
            # Text: brackets are no markup
            table.add_row(*map(Text, row.cells), style="dim" if row.dim else "")
        table.add_section()
    return table


def show(results: StudyResults, rec: Recommendation, console: Console, trial: int | None = None) -> None:
    """Prints the front, int32's accuracy, one design layer by layer, and the recommendation.

    Args:
        results: the study's results.
        rec: their recommendation.
        console: where to print.
        trial: number of the design's trial; None for the recommended one.

    Raises:
        StudyError: the study has no such complete trial.
    """
    shown = rec.verdict.recommended if trial is None else complete_trial(results, trial)
    clock = [Text(sentence)] if (sentence := clock_sentence(results)) else []
    console.print(front_table(results, rec))
    if accuracy := _int32_accuracy(results):
        console.print(Text(accuracy))
    if shown is not None:
        console.print(Text(f"Trial {shown.trial}:"))
        also = [f"also: {shown.also}"] if shown.also else []
        console.print(Padding(Group(*map(Text, [*layer_lines(results.rescalers, shown), *also])), (0, 0, 0, 2)))
    console.print(Group(Text(rec.verdict.text), *clock, notes(rec.verdict)))


def notes(verdict: Verdict) -> Group:
    """Returns what a reader should know before acting on a verdict, a line each."""
    return Group(*(Text(f"Note: {caution}", style="yellow") for caution in verdict.cautions))


def complete_trial(results: StudyResults, trial: int) -> Choice:
    """Returns the design of a complete trial.

    Raises:
        StudyError: the study has no such trial, or it is not complete.
    """
    rows = results.complete[results.complete["trial"] == trial]
    if rows.empty:
        numbers = results.complete["trial"]
        known = f"{len(numbers)} complete ones, {min(numbers)} to {max(numbers)}" if len(numbers) else "none"
        raise StudyError(f"--trial is {trial}, which is not a complete trial of {results.facts.study}; it has {known}")
    return choices(results, rows)[0]


def _int32_accuracy(results: StudyResults) -> str:
    """Returns the accuracy that all drops are against; empty without labels, and before int32 is complete."""
    figures = next((int32.figures for int32 in choices(results, results.int32)), {})
    values = ((figures.get(name, math.nan), split) for name, split in _ACCURACIES)
    known = [f"{value:.2f}% on {split}" for value, split in values if math.isfinite(value)]
    return f"int32 has an accuracy of {', '.join(known)}." if known else ""


def _notes(facts: StudyFacts, margin_pp: float | None) -> str:
    """Returns what the caption explains of the margin that was tested, of windows and of calibration."""
    margin = "" if margin_pp is None else f"; starred: shown to lose at most {margin_pp:g} pp"
    windows = "; 1s2: a multiplier of 1 bit, a window of 2 bits for its shifts" if facts.windows_vary else ""
    return margin + windows + (f"; calibrated with {facts.calibration:,} samples" if facts.calibration else "")


def _thinned(front: list[Choice], rec: Recommendation) -> list[Choice]:
    """Returns at most ``FRONT_ROWS`` designs: the ends, evenly spaced ones between, and always the recommended."""
    if len(front) <= FRONT_ROWS:
        return front
    wanted = {choice.trial for choice in rec.recommended.values()}
    positions = np.linspace(0, len(front) - 1, FRONT_ROWS - len(wanted)).round().astype(int)
    wanted |= {front[position].trial for position in positions}
    return [choice for choice in front if choice.trial in wanted]


def _cells(choice: Choice, mark: str, *, shown: bool) -> tuple[str, ...]:
    digits = loss_digits(choice.loss)
    test = formats.signed(choice.test_loss, digits)
    if pd.notna(choice.ci_high):
        test = f"{test} {choice.interval}"
    star = "*" if shown else " "
    widths = choices_in_short(choice)
    return (
        str(choice.trial),
        formats.number(choice.area_um2),
        formats.ratio(choice.area_ratio),
        formats.number(choice.energy_nj),
        formats.signed(choice.val_loss, digits),
        f"{test}{star}",
        "; ".join(part for part in (f"{mark}: {widths}" if mark else widths, choice.also) if part),
    )


def choices_in_short(choice: Choice) -> str:
    """Returns width and shift window of every rescaler, or counts them if they are many."""
    rescalers = choice.rescalers
    if len(set(rescalers)) == 1:
        return f"all {rescalers[0]}"
    if len(rescalers) <= MOST_LISTED:
        return " ".join(rescalers)
    return ", ".join(f"{count} of {short}" for short, count in Counter(rescalers).most_common())


def _mark(choice: Choice, rec: Recommendation) -> str:
    marks = [name for name, recommended in rec.recommended.items() if recommended.trial == choice.trial]
    return ", ".join([*marks, *([] if choice.role is Role.SEARCH else [ROLE_NAMES[choice.role]])])
