"""The component sweep: widths at which single components are synthesized, and their operands."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from hwmodels.architectures import RTL_FOLDER
from hwmodels.traces import AccumulatorTrace, cut_streams


@dataclass(frozen=True, slots=True)
class ComponentPoint:
    """A component at given widths: ``first`` of its operand; ``second`` of multiplier or shift amount, else 0."""

    name: str
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class ComponentSweep:
    """The sweep of one component."""

    name: str
    points: tuple[ComponentPoint, ...]
    second_parameter: str = ""
    files: ClassVar[tuple[Path, ...]] = (RTL_FOLDER / "components.v",)

    @property
    def top(self) -> str:
        """Module that holds the component."""
        return f"component_{self.name}"

    def parameters(self, point: ComponentPoint) -> dict[str, int]:
        """Returns the module's parameters at a point."""
        parameters = {"A_WIDTH": point.first}
        if self.second_parameter:
            parameters[self.second_parameter] = point.second
        return parameters

    def operands(self, point: ComponentPoint, trace: AccumulatorTrace) -> dict[str, npt.NDArray[np.int64]]:
        """Returns the input ports' values: accumulators, and multipliers or shifts of their channels."""
        cut = cut_streams(trace, max(point.second, 1), point.first)
        columns = {"a": cut.acc, "b": np.roll(cut.acc, 5, axis=1), "s": cut.shift}
        if self.name == "multiplier":
            columns["b"] = cut.multiplier
        if self.name == "shifter":
            columns["s"] = cut.shift & ((1 << point.second) - 1)
        if self.name == "mux":
            columns["s"] = cut.shift & 1
        return columns


def _sweep(name: str, first: tuple[int, ...], second: tuple[int, ...] = (0,), parameter: str = "") -> ComponentSweep:
    return ComponentSweep(name, tuple(ComponentPoint(name, a, b) for a in first for b in second), parameter)


COMPONENTS: Final[Mapping[str, ComponentSweep]] = {
    sweep.name: sweep
    for sweep in (
        _sweep("multiplier", (9, 20, 32), (2, 8, 16, 31), "B_WIDTH"),
        _sweep("shifter", (12, 20, 40, 64), (1, 3, 5), "S_WIDTH"),
        _sweep("adder", (6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64)),
        _sweep("comparator", (6, 8, 12, 16, 24, 32, 48)),
        _sweep("mux", (4, 8, 16, 32, 64)),
        _sweep("logic", (4, 8, 16, 32, 64)),
        _sweep("register", (4, 8, 16, 32, 64)),
    )
}
