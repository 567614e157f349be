"""Designs to start from: rescalers, or kinds of them, are narrowed alone; losses and costs are assumed to add up.

Accuracy is not monotone in the width and drops do not simply add up, so these designs are only starting points: they
exclude no width from the search.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from dse.design import DesignPoint, Finetune, RescalerVariable, SearchSpace, non_dominated
from nets.narrow import RescalerChoice
from nets.network import FULL_MULTIPLIER_BITS, Method

_PROBED = (1, 2, 3, 4, 6, 8, 12, 16)
_KEPT = 400  # partial designs kept between two rescalers
_FULL = RescalerChoice(FULL_MULTIPLIER_BITS, Method.ROUND)

Values = tuple[float, ...]
_Partial = tuple[float, float, dict[str, RescalerChoice]]  # sums of drops and costs, and the choices so far


@dataclass(frozen=True, slots=True)
class Probe:
    """A design in which the variables of the named group have this choice and every other rescaler is at int32."""

    group: str
    choice: RescalerChoice
    point: DesignPoint


def groups(space: SearchSpace, *, by_kind: bool) -> dict[str, tuple[RescalerVariable, ...]]:
    """Returns the variables that are narrowed together: each one alone, or those of one kind (and network)."""
    found: dict[str, list[RescalerVariable]] = {}
    for variable in space.rescalers:
        kind, _, _ = variable.rescalers[0].rpartition("_")
        found.setdefault(kind if by_kind else variable.name, []).append(variable)
    return {name: tuple(variables) for name, variables in found.items()}


def probes(space: SearchSpace, *, by_kind: bool = False) -> list[Probe]:
    """Returns designs that show the sensitivity of every group alone, at some of its widths and at its windows."""
    designs: dict[str, Probe] = {}
    for name, variables in groups(space, by_kind=by_kind).items():
        for choice in _probed(variables[0]):
            chosen = {v.name: choice if v in variables else _FULL for v in space.rescalers}
            point = space.design(chosen, Finetune.NONE)
            designs.setdefault(point.digest, Probe(name, choice, point))  # a window may have no effect
    return list(designs.values())


def _probed(variable: RescalerVariable) -> Iterator[RescalerChoice]:
    widths = [k for k in variable.multiplier_bits if k in _PROBED] or variable.multiplier_bits[:1]
    windows = variable.shifts.bits if variable.shifts else (None,)
    for k, method, window in product(widths, variable.methods, windows):
        yield RescalerChoice(k, method, window)


def promising(
    space: SearchSpace, measured: Mapping[Probe, Values], baseline: Values, count: int, *, by_kind: bool = False
) -> list[DesignPoint]:
    """Returns designs on the front of summed losses against summed costs, by dynamic programming over the groups.

    Args:
        space: the study's search space.
        measured: the objectives of the evaluated probes, the loss first.
        baseline: the objectives of int32.
        count: largest number of designs; they are spread over the front and include the cheapest one.
        by_kind: whether the probes are those of kinds.
    """
    partial: list[_Partial] = [(0.0, 0.0, {})]
    for name, variables in groups(space, by_kind=by_kind).items():
        options = [
            (max(values[0] - baseline[0], 0.0), _cost(values, baseline), probe.choice)
            for probe, values in measured.items()
            if probe.group == name
        ] or [(0.0, 0.0, _FULL)]
        joined = [
            (drop + more, cost + saved, {**chosen, **{variable.name: choice for variable in variables}})
            for drop, cost, chosen in partial
            for more, saved, choice in options
        ]
        partial = _front(joined)
    designs = (space.design(partial[at][2], space.finetune[-1]) for at in _spread(len(partial), count))
    if not by_kind:
        return list(designs)
    # Rules may allow some of a kind less than others.
    inside = (space.point(space.snapped(space.parameters(design))) for design in designs)
    return list({design.digest: design for design in inside}.values())


def _cost(values: Values, baseline: Values) -> float:
    """Returns the sum of the costs' relative differences from int32."""
    return sum(value / full - 1 for value, full in zip(values[1:], baseline[1:], strict=True))


def _front(designs: Sequence[_Partial]) -> list[_Partial]:
    """Returns the non-dominated designs, cheapest first, at most ``_KEPT`` of them."""
    best = non_dominated(np.array([design[:2] for design in designs]))
    kept = {design[:2]: design for design, on_front in zip(designs, best, strict=True) if on_front}
    ordered = [kept[key] for key in sorted(kept, key=lambda sums: sums[1])]
    return [ordered[index] for index in _spread(len(ordered), _KEPT)]


def _spread(available: int, count: int) -> list[int]:
    """Returns at most ``count`` indices below ``available``, evenly spaced, including both ends."""
    return sorted({int(index) for index in np.linspace(0, available - 1, min(available, count)).round()})
