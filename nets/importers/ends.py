"""Where the networks of files end: at their logits, without the function behind them, or where they are cut."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nets.errors import NetworkError

Cut = Sequence[str | int]  # names or indices of tensors


@dataclass(frozen=True, slots=True)
class DroppedEnd:
    """The function behind the logits that a network is read without.

    Attributes:
        kind: the operator's kind in the file.
        logits: the tensor of the logits, as a cut names it: its index in the file, or its name if it has none.
        behind: what the function makes of them, likewise; None if that is not int8.
    """

    kind: str
    logits: str | int
    behind: str | int | None = None


def named_tensors(cut: Cut, made: Iterable[str], others: Iterable[str]) -> list[str]:
    """Returns the tensors of a cut in a format whose tensors have names alone.

    Args:
        cut: what a user names.
        made: names of the results of operators.
        others: names of inputs and constants.

    Raises:
        NetworkError: one of them is no result of an operator.
    """
    known, given = set(made), set(others)
    for name in map(str, cut):
        if name in given:
            raise NetworkError(f"cut: {name!r} is an input or a constant; cut at the result of an operator")
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), 3)
            hint = f"; similar names: {', '.join(map(repr, near))}" if near else ""
            raise NetworkError(f"cut: {name!r} is no tensor; give the name of one that an operator makes{hint}")
    return [str(name) for name in cut]
