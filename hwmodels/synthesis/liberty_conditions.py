"""Conditions (``when``) of a Liberty cell, and the share of its states that they hold for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hwmodels.errors import HardwareError
from hwmodels.synthesis.functions import Words, compile_function

_MOST_NAMES: Final = 16  # 65,536 states
_LONGEST_CHAIN: Final = 100  # of pins whose functions read each other


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition in Liberty syntax, '' if it always holds, and the place that an error message begins with."""

    text: str
    place: str


class CellStates:
    """The states of a cell: all of its inputs and its stored bit are equally likely to be 0 or 1.

    Args:
        functions: function of each pin, '' of an input.
        stored: names of the stored bit and its inverse, empty for a gate.
    """

    def __init__(self, functions: Mapping[str, str], stored: Sequence[str]) -> None:
        inverse = {stored[1]: f"!{stored[0]}"} if len(stored) > 1 else {}
        outputs = {name: text for name, text in functions.items() if text and name not in stored}
        self._functions = outputs | inverse

    def shares(self, conditions: Sequence[Condition]) -> list[float]:
        """Returns the share of the states that each condition holds for.

        One without a text holds in the states that no other one names.

        Raises:
            HardwareError: if a condition is not a Boolean function.
        """
        texts = list(dict.fromkeys(condition.text for condition in conditions if condition.text))
        if not texts:
            return [1.0] * len(conditions)
        place = next(condition.place for condition in conditions if condition.text)
        held = dict(zip(texts, self._held(texts, place), strict=True))
        rest = 1.0 - float(np.mean(np.any(list(held.values()), axis=0)))
        return [float(np.mean(held[condition.text])) if condition.text else rest for condition in conditions]

    def _held(self, texts: Sequence[str], place: str) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """Returns per condition whether it holds in each state of what the conditions read."""
        try:
            compiled = [compile_function(text) for text in texts]
            free = list(self._free([read for _, names in compiled for read in names]))
            if len(free) > _MOST_NAMES:
                raise HardwareError(f"its conditions read {len(free)} pins; at most {_MOST_NAMES} are supported")
            states = np.arange(1 << len(free), dtype=np.uint64)
            known: dict[str, Words] = {
                name: (states >> np.uint64(place_of)) & np.uint64(1) for place_of, name in enumerate(free)
            }
            values = [function({name: self._value(name, known) for name in names}) for function, names in compiled]
        except HardwareError as error:
            raise HardwareError(f"{place}: when: {error}") from None
        return [np.broadcast_to(value & np.uint64(1), states.shape).astype(np.bool_) for value in values]

    def _free(self, names: Iterable[str]) -> dict[str, None]:
        """Returns the inputs and stored bits that names depend on, in the order in which they are read."""
        free: dict[str, None] = {}
        visited = set[str]()

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in above:
                raise HardwareError(f"the function of {name} reads itself")
            if len(above) > _LONGEST_CHAIN:
                raise HardwareError(f"the function of {above[0]} reads others over more than {_LONGEST_CHAIN} pins")
            if name in visited:
                return
            visited.add(name)
            if name not in self._functions:
                free[name] = None
                return
            for read in compile_function(self._functions[name])[1]:
                visit(read, (*above, name))

        for name in names:
            visit(name, ())
        return free

    def _value(self, name: str, known: dict[str, Words]) -> Words:
        """Returns the value of a name in every state, and adds it to what is known."""
        if name not in known:
            function, names = compile_function(self._functions[name])
            known[name] = function({read: self._value(read, known) for read in names})
        return known[name]
