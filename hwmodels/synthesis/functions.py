"""Boolean functions of Liberty cells, evaluated on words of bits."""

import functools
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hwmodels.errors import HardwareError

Words = npt.NDArray[np.uint64]
BitFunction = Callable[[Mapping[str, Words]], Words]
# From the weakest to the strongest binding; operands side by side are joined by "and", too.
_OPERATORS: Final[tuple[tuple[str, Callable[[Any, Any], Any]], ...]] = (
    ("|+", operator.or_), ("^", operator.xor), ("&*", operator.and_),
)  # fmt: skip
_LONGEST: Final = 100_000
_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[\d+\])?|[()!'&*|+^01]")


@functools.lru_cache(maxsize=1024)
def compile_function(text: str) -> tuple[BitFunction, tuple[str, ...]]:
    """Returns a Liberty function as a function of words, and the names it reads.

    The syntax has ``!`` and postfix ``'`` (not), ``&``, ``*`` and blank (and), ``^``, ``|`` and ``+`` (or), from the
    strongest to the weakest binding, with ``^`` between and and or.

    Raises:
        HardwareError: if the text is not such a function.
    """
    if len(text) > _LONGEST:
        raise HardwareError(f"cell function {text[:40]!r}... has {len(text)} characters; at most {_LONGEST} are read")
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        raise HardwareError(f"cell function {text!r} has a sign that Liberty does not know")
    parser = _Parser(tokens, text)
    names = tuple(dict.fromkeys(sign for sign in tokens if sign[0].isalpha() or sign[0] == "_"))
    try:
        function = parser.expression()
        parser.expect_end()
        function(dict.fromkeys(names, np.zeros(1, np.uint64)))
    except RecursionError:
        raise HardwareError(f"cell function {text[:40]!r}... is nested too deeply") from None
    return function, names


class _Parser:
    def __init__(self, tokens: list[str], text: str) -> None:
        self._tokens = tokens
        self._text = text
        self._at = 0

    def expression(self, level: int = 0) -> BitFunction:
        """Reads operands of one level of ``_OPERATORS``, joined by its signs."""
        if level == len(_OPERATORS):
            return self._factor()
        signs, combine = _OPERATORS[level]
        left = self.expression(level + 1)
        while self._take(*signs) or (combine is operator.and_ and self._starts_factor()):
            left = _joined(combine, left, self.expression(level + 1))
        return left

    def expect_end(self) -> None:
        if self._at != len(self._tokens):
            raise self._error()

    def _factor(self) -> BitFunction:
        if self._take("!"):
            return _not(self._factor())
        function = self._primary()
        while self._take("'"):
            function = _not(function)
        return function

    def _primary(self) -> BitFunction:
        if self._take("("):
            function = self.expression()
            if not self._take(")"):
                raise self._error()
            return function
        sign = self._peek()
        if sign is None or not (sign[0].isalnum() or sign[0] == "_"):
            raise self._error()
        self._at += 1
        return _constant(sign == "1") if sign in ("0", "1") else _name(sign)

    def _starts_factor(self) -> bool:
        sign = self._peek()
        return sign is not None and (sign in "(!" or sign[0].isalnum() or sign[0] == "_")

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *signs: str) -> bool:
        if self._peek() in signs:
            self._at += 1
            return True
        return False

    def _error(self) -> HardwareError:
        return HardwareError(f"cell function {self._text!r} cannot be read")


def _name(name: str) -> BitFunction:
    return lambda pins: pins[name]


def _constant(one: bool) -> BitFunction:
    word = np.array(~np.uint64(0) if one else 0, dtype=np.uint64)
    return lambda pins: np.broadcast_to(word, next(iter(pins.values())).shape) if pins else word


def _not(inner: BitFunction) -> BitFunction:
    return lambda pins: ~inner(pins)


def _joined(combine: Callable[[Words, Words], Words], left: BitFunction, right: BitFunction) -> BitFunction:
    return lambda pins: combine(left(pins), right(pins))
