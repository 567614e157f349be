"""The user's own Verilog as cost model: its parameters follow the workload by a mapping."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hwmodels.costs import UnitCost, unit_cost
from hwmodels.errors import HardwareError
from hwmodels.geometry import shift_bits
from hwmodels.operators import design_costs
from hwmodels.parsing import Design, parse_files
from hwmodels.technology import Technology
from hwmodels.workload import RescalerWorkload, RescaleStage

# What a parameter can follow, in bits; see hwmodels.workload.
QUANTITIES: Final = (
    "operand_bits",
    "multiplier_bits",
    "shift_bits",
    "right_shift_min",
    "right_shift_max",
    "output_bits",
)


@dataclass(frozen=True)
class MappedRtlModel:
    """Costs a Verilog module of the user's for every stage of a workload.

    A workload of two stages (an elementwise ADD) takes two instances of the module; their sum is its cost.

    Attributes:
        technology: table of component figures.
        files: Verilog files that hold the module and what it instantiates.
        top: the module, one rescaler lane.
        parameters: (name, value) of its parameters; a value is a number, or the name of a quantity of ``QUANTITIES``.
    """

    technology: Technology
    files: tuple[Path, ...]
    top: str
    parameters: tuple[tuple[str, int | str], ...]

    def __post_init__(self) -> None:
        for name, value in self.parameters:
            if isinstance(value, str) and value not in QUANTITIES:
                raise HardwareError(
                    f"parameter {name} = {value!r}: give a whole number or one of {', '.join(QUANTITIES)}"
                )

    @property
    def name(self) -> str:
        """Name of the model in a study."""
        return "rtl"

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Return the cost of one lane that serves ``workload``.

        Raises:
            HardwareError: with file and line, if the module cannot be read for its widths.
        """
        costs = [
            component
            for stage in workload.stages
            for component in design_costs(self._design(stage, workload.output_bits), self.technology)
        ]
        return unit_cost(costs)

    def _design(self, stage: RescaleStage, output_bits: int) -> Design:
        known = _quantities(stage, output_bits)
        values = {name: known[value] if isinstance(value, str) else value for name, value in self.parameters}
        return _parsed(self.files, self.top, tuple(sorted(values.items())))


def _quantities(stage: RescaleStage, output_bits: int) -> Mapping[str, int]:
    values = (
        stage.operand_bits,
        stage.multiplier_bits,
        shift_bits(stage),
        stage.right_shift_min,
        stage.right_shift_max,
        output_bits,
    )
    return dict(zip(QUANTITIES, values, strict=True))


@functools.lru_cache(maxsize=4096)
def _parsed(files: tuple[Path, ...], top: str, parameters: tuple[tuple[str, int], ...]) -> Design:
    return parse_files(files, top, dict(parameters))
