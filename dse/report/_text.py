"""Numbers and names as people read them; every function gives plain text, nothing here is markup."""

import math
from collections.abc import Sequence

from dse.design.cost_source import CostSource

# Signs of print, named because they look like others.
MISSING = EN_DASH = "\N{EN DASH}"  # a dash is shown where a number does not exist
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"


def number(value: float | None, digits: int = 4) -> str:
    """A number with thousands separators and about ``digits`` significant digits."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(0, min(decimals, 6))}f}"


def area(um2: float | None) -> str:
    """An area in µm² with its unit."""
    return MISSING if number(um2) == MISSING else f"{number(um2)} µm²"


def energy(nj: float | None) -> str:
    """An energy in nJ with its unit."""
    return MISSING if number(nj) == MISSING else f"{number(nj)} nJ"


def points(pp: float | None, digits: int = 2) -> str:
    """Percentage points with their unit; a minus sign as in print."""
    if pp is None or not math.isfinite(pp):
        return MISSING
    return f"{signed(pp, digits)} pp"


def signed(value: float, digits: int = 2) -> str:
    """A number with a typographic minus and no negative zero."""
    if not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        return text.lstrip("-")
    return text.replace("-", MINUS)


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """A 95% interval: ``[low, high]``."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    return f"[{signed(low, digits)}, {signed(high, digits)}]"


def ratio(value: float | None) -> str:
    """How many times smaller than int32."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.1f}{TIMES}" if value >= 1.05 or value < 0.95 else f"{value:.2f}{TIMES}"


def times(value: float) -> str:
    """A factor in a sentence."""
    return MISSING if not math.isfinite(value) else f"{value:.1f} times"


def percent(share: float | None, digits: int = 1) -> str:
    """A share (0..1) as a percentage."""
    return MISSING if share is None or not math.isfinite(share) else f"{100 * share:.{digits}f}%"


def shorten(name: str, length: int) -> str:
    """A name cut in its middle to at most ``length`` characters: beginning and end tell layers apart."""
    if len(name) <= length:
        return name
    tail = (length - 1) // 2
    return f"{name[: length - 1 - tail]}…{name[-tail:]}" if tail else name[:length]


def widths(bits: Sequence[int]) -> str:
    """Multiplier widths of a design in few words."""
    if not bits:
        return MISSING
    low, high = min(bits), max(bits)
    if low == high:
        return f"all {low}"
    return f"{low}{EN_DASH}{high}, mean {sum(bits) / len(bits):.1f}"


def methods(names: Sequence[str]) -> str:
    """Methods of a design in few words: ``absorb 4, round 2``."""
    return ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names)) if name)


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """``1 design``, ``3 designs``."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"


def cost_source(source: CostSource) -> str:
    """A cost model with its table, node, source and error."""
    return f"{source.model}, table {source.technology} ({source.node_nm:g} nm; {source.source}); error: {source.error}"
