"""Rows of the front's table: designs of equal figures once, and what distinguishes rows that look alike."""

import math
from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from dse import formats
from dse.verdict import Choice

MOST_LISTED = 24  # rescalers that are listed in order; of more, their choices are counted
MOST_NAMED = 4  # rescalers that are named if two rows count alike


@dataclass(frozen=True)
class FrontRow:
    """A row of the front's table.

    Attributes:
        choice: the design.
        alike: trials of other designs with the same figures.
        cells: width, method and window of the rescalers in short; with each text whether it differs from the row above.
    """

    choice: Choice
    alike: tuple[int, ...]
    cells: tuple[tuple[str, bool], ...]


def front_rows(front: list[Choice], rescalers: tuple[str, ...]) -> list[FrontRow]:
    """Returns the front's table.

    Args:
        front: the designs, cheapest first.
        rescalers: their rescalers' names.
    """
    groups: dict[tuple[object, ...], list[Choice]] = {}
    for choice in front:
        groups.setdefault(_figures(choice), []).append(choice)
    rows: list[FrontRow] = []
    for first, *others in groups.values():
        above = rows[-1].choice.cells if rows else first.cells
        cells = (
            _listed(first.cells, above) if len(rescalers) <= MOST_LISTED else _counted(first.cells, above, rescalers)
        )
        rows.append(FrontRow(first, tuple(c.trial for c in others), cells))
    return rows


def _figures(choice: Choice) -> tuple[object, ...]:
    """Returns what a reader can see of a design besides its widths."""
    tested = (choice.test_loss, choice.ci_low, choice.ci_high) if math.isfinite(choice.test_loss) else ()
    return (*choice.objectives, *tested, choice.finetune, choice.fidelity, choice.also)


def _listed(cells: tuple[str, ...], above: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    """Returns the rescalers in order, equal neighbours together."""
    marked = [(cell, cell != before) for cell, before in zip(cells, above, strict=True)]
    groups = ((differs, [cell for cell, _ in group]) for differs, group in groupby(marked, key=lambda one: one[1]))
    return tuple((formats.runs(equal), differs) for differs, equal in groups)


def _counted(cells: tuple[str, ...], above: tuple[str, ...], names: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    """Returns how many rescalers made each choice; if these are as many as in the row above, which of them differ."""
    counts = Counter(cells)
    texts = [f"{count}{formats.TIMES}{cell}" for cell, count in counts.most_common()]
    known = {f"{count}{formats.TIMES}{cell}" for cell, count in Counter(above).items()}
    changed = [f"{name} {cell}" for name, cell, before in zip(names, cells, above, strict=True) if cell != before]
    marked = tuple((text, text not in known) for text in texts)
    if not changed or any(differs for _, differs in marked):
        return marked
    more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
    return *marked, (", ".join(changed[:MOST_NAMED]) + more, True)
