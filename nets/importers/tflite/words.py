"""How operators and tensors of a file are listed in messages, of bounded length."""

from collections import Counter
from collections.abc import Iterable

from nets.importers.tflite.graph import RawGraph, RawOperator

_KINDS, _TENSORS = 10, 4  # listed at most
_NAME = 60  # characters of a tensor's or custom operator's name


def kinds_of(operators: Iterable[RawOperator]) -> str:
    """Lists kinds of operators with their numbers, most frequent first: ``3 CONV_2D, 1 ADD``."""
    counts = Counter(operator.kind for operator in operators).most_common()
    shown = ", ".join(f"{count} {_short(kind)}" for kind, count in counts[:_KINDS])
    rest = sum(count for _, count in counts[_KINDS:])
    return f"{shown} and {rest} of other kinds" if rest else shown


def tensors_of(graph: RawGraph, indices: list[int]) -> str:
    """Lists tensors by index and name: ``tensor 3 'x'``."""
    shown = ", ".join(f"tensor {index} {_short(graph.tensors[index].name)!r}" for index in indices[:_TENSORS])
    return f"{shown} and {len(indices) - _TENSORS} more" if len(indices) > _TENSORS else shown


def _short(text: str) -> str:
    return text if len(text) <= _NAME else f"{text[: _NAME - 3]}..."
