"""Timing of a rescaler: the longest path between its registers, from the delays of its components."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from hwmodels.components import Part
from hwmodels.costs import total
from hwmodels.technologies import Technology

_SKEWING: Final = ("adder", "multiplier")  # whose low bits settle before the high ones


def paths(parts: Iterable[Part]) -> Iterator[tuple[Part, ...]]:
    """Yields the components between two registers, in data order, for each stage of a pipeline.

    An adder or comparator behind another adder or a multiplier is not ``aligned`` (see ``TERMS``).
    """
    path: list[Part] = []
    for part in parts:
        if part.ends_path:
            yield tuple(path)
            path = []
        elif not part.off_path and part.kind != "register":
            behind = any(each.kind in _SKEWING for each in path)
            skewed = behind and "aligned" in part.quantities
            path.append(replace(part, quantities={**part.quantities, "aligned": 0}) if skewed else part)
    yield tuple(path)


def longest_path_ns(parts: Iterable[Part], technology: Technology) -> float | None:
    """Returns the longest delay between two registers without their own, in ns; None if the table lacks one."""
    delays = [
        total([_driven_ns(path[0], technology) if behind and path else 0.0, *(_delay_ns(p, technology) for p in path)])
        for behind, path in enumerate(paths(parts))
    ]
    known = [delay for delay in delays if delay is not None]
    return max(known) if len(known) == len(delays) else None


def _driven_ns(part: Part, technology: Technology) -> float:
    """Returns what a register takes longer to drive the first component behind it, in ns.

    An amount drives a multiplexer for every bit of a shifter, and a bit of a multiplier a gate for every bit of the
    operand. The first components of all have inputs that are driven from outside.
    """
    if technology.clocking is None:
        return 0.0
    driven = {"shifter": "bits", "multiplier": "a"}.get(str(part.kind))
    return technology.clocking.fanout_ns * part.quantities[driven] if driven else 0.0


def _delay_ns(part: Part, technology: Technology) -> float | None:
    return None if part.kind is None else technology.evaluate(part.kind, "delay_ns", part.quantities)


def period_ns(delay_ns: float | None, technology: Technology) -> float | None:
    """Returns the shortest clock period of a unit whose longest path is known: flip-flop, path and setup, in ns."""
    if delay_ns is None or technology.clocking is None:
        return None
    return technology.clocking.clock_to_q_ns + delay_ns + technology.clocking.setup_ns
