"""Formats numbers and names for people; every function returns plain text without markup."""

import math
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeGuard

# Typographic signs, named because they look like others.
MISSING = EN_DASH = "\N{EN DASH}"  # a dash is shown if a number does not exist
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
# What a terminal obeys instead of showing it: control characters and marks that reorder a line. Halves of surrogates
# stand for bytes of file names that are no text, and cannot be encoded.
_OBEYED = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")


def _exists(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int = 4) -> str:
    """Formats a number with thousands separators and about ``digits`` significant digits."""
    if not _exists(value):
        return MISSING
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(0, min(decimals, 6))}f}"


def area(um2: float | None, digits: int = 3) -> str:
    """Formats an area in µm² with its unit; cost models are not exact to more than three digits."""
    return f"{rounded(um2, digits)} µm²" if _exists(um2) else MISSING


def energy(nj: float | None, digits: int = 3) -> str:
    """Formats an energy in nJ with its unit."""
    return f"{rounded(nj, digits)} nJ" if _exists(nj) else MISSING


def points(pp: float | None, digits: int = 2) -> str:
    """Formats percentage points with their unit and a typographic minus."""
    return f"{signed(pp, digits)} pp" if _exists(pp) else MISSING


def signed(value: float, digits: int = 2) -> str:
    """Formats a number with a typographic minus and no negative zero."""
    if not _exists(value):
        return MISSING
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        return text.lstrip("-")
    return text.replace("-", MINUS)


def change(value: float | None, digits: int = 2) -> str:
    """Formats a change with its sign, also a positive one, and no sign if it is rounded to 0."""
    text = signed(math.nan if value is None else value, digits)
    return f"+{text}" if text[:1].isdigit() and float(text) != 0 else text


def rounded(value: float | None, digits: int = 3) -> str:
    """Formats a number with thousands separators, rounded to ``digits`` significant digits: ``101,000``."""
    if not _exists(value) or value == 0:
        return number(value)
    return number(round(value, digits - 1 - math.floor(math.log10(abs(value)))), digits)


def span(low: float, high: float, formatted: Callable[[float], str]) -> str:
    """Formats a range: ``7.1 to 7.7``, or one number if both ends read alike."""
    ends = formatted(low), formatted(high)
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """Formats a 95% interval: ``[low, high]``."""
    return f"[{signed(low, digits)}, {signed(high, digits)}]" if _exists(low) and _exists(high) else MISSING


def ratio(value: float | None) -> str:
    """Formats how many times smaller than int32's a cost is."""
    if not _exists(value):
        return MISSING
    return f"{value:.1f}{TIMES}" if value >= 1.05 or value < 0.95 else f"{value:.2f}{TIMES}"


def factor(value: float | None) -> str:
    """Formats a factor with two significant digits: ``28x``, ``3.4x``, with a typographic sign."""
    return f"{rounded(value, 2)}{TIMES}" if _exists(value) else MISSING


def times(value: float) -> str:
    """Formats a factor for a sentence, with two significant digits."""
    return f"{rounded(value, 2)} times" if _exists(value) else MISSING


def percent(share: float | None, digits: int = 1) -> str:
    """Formats a share (0..1) as a percentage."""
    return f"{100 * share:.{digits}f}%".replace("-", MINUS) if _exists(share) else MISSING


def share(part: float) -> str:
    """Formats a share (0..1) as a percentage, with a decimal only if it is small."""
    return percent(part, 0 if part >= 0.1 else 1)


def shorten(name: str, length: int) -> str:
    """Cuts the middle out of a name, to at most ``length`` characters: its ends tell layers apart."""
    if len(name) <= length:
        return name
    tail = (length - 1) // 2
    return f"{name[: length - 1 - tail]}…{name[-tail:]}" if tail else name[:length]


def widths(bits: Sequence[int]) -> str:
    """Summarises the multiplier widths of a design."""
    if not bits:
        return MISSING
    low, high = min(bits), max(bits)
    if low == high:
        return f"all {low}"
    return f"{low}{EN_DASH}{high}, mean {sum(bits) / len(bits):.1f}"


def rescaler(bits: int, shift_bits: int | None) -> str:
    """Formats width and shift window: ``4``, or ``1s2`` for one bit with a window of 2 bits (``s0``: constant)."""
    return str(bits) if shift_bits is None else f"{bits}s{shift_bits}"


def windows(shift_bits: Sequence[int | None]) -> str:
    """Summarises the shift windows of a design: ``constant 3, 2 bits 10, natural 4``."""
    known = sorted({window for window in shift_bits if window is not None})
    counts = [f"{'constant' if w == 0 else count(w, 'bit')} {list(shift_bits).count(w)}" for w in known]
    natural = [f"natural {list(shift_bits).count(None)}"] if None in shift_bits else []
    return ", ".join([*counts, *natural])


def runs(cells: Sequence[str]) -> str:
    """Writes equal neighbours once, with their number: ``12x1as2 4a``."""
    groups = ((cell, len(list(equal))) for cell, equal in groupby(cells))
    return " ".join(cell if length == 1 else f"{length}{TIMES}{cell}" for cell, length in groups)


def methods(names: Sequence[str]) -> str:
    """Summarises the methods of a design: ``absorb 4, round 2``."""
    return ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names)) if name)


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """Formats a number of things: ``1 design``, ``3 designs``."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"


def printable(text: str, *, lines: bool = False) -> str:
    r"""Escapes what a terminal would obey (``\u001b``): text from files must not clear, colour or forge what is shown.

    The escapes are those of JSON, so that JSON stays the same document.

    Args:
        text: a message, or a part of one.
        lines: whether the text may have several lines; if not, their ends are escaped, too.
    """
    return _OBEYED.sub(lambda found: found[0] if lines and found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)
