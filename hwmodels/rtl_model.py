"""Rescaler cost from RTL: the shipped Verilog is parsed for the workload's parameters, and its operators are costed."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hwmodels.costs import UnitCost, unit_cost
from hwmodels.geometry import ADD_LEFT_SHIFT, check_workload, shift_bits
from hwmodels.operators import design_costs
from hwmodels.parsing import Design, parse_files
from hwmodels.technology import Technology
from hwmodels.workload import RescalerWorkload

RTL_FOLDER: Final = Path(__file__).parent / "rtl"
_FILES: Final = {
    "rescaler": (RTL_FOLDER / "rescaler.v",),
    "rescaler_add": (RTL_FOLDER / "rescaler_add.v", RTL_FOLDER / "rescaler.v"),
}


@dataclass(frozen=True)
class RtlRescalerModel:
    """Costs what the shipped RTL says.

    One-stage workloads are served by ``rtl/rescaler.v``, two-stage ones (ADD) by ``rtl/rescaler_add.v``. Designs are
    cached per set of parameters.

    Attributes:
        technology: table of component figures.
        pipeline: whether a register stands between multiplier and shifter (one-stage rescalers).
    """

    technology: Technology
    pipeline: bool = False

    @property
    def name(self) -> str:
        """Name of the model in a study."""
        return "rtl"

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Return the cost of one lane that serves ``workload``.

        Raises:
            HardwareError: if no shipped architecture serves it.
        """
        return unit_cost(design_costs(self.design(workload), self.technology))

    def design(self, workload: RescalerWorkload) -> Design:
        """Return the elaborated RTL of one lane that serves ``workload``."""
        check_workload(workload)
        top, parameters = rtl_parameters(workload, pipeline=self.pipeline)
        return _design(top, tuple(sorted(parameters.items())))


def rtl_parameters(workload: RescalerWorkload, *, pipeline: bool = False) -> tuple[str, Mapping[str, int]]:
    """Return the shipped module that serves a workload, and its parameters."""
    last = workload.stages[-1]
    if len(workload.stages) == 1:
        return "rescaler", {
            "ACC_WIDTH": last.operand_bits,
            "MULT_WIDTH": last.multiplier_bits,
            "SHIFT_WIDTH": shift_bits(last),
            "SHIFT_MIN": last.right_shift_min,
            "OUT_WIDTH": workload.output_bits,
            "PIPELINE": int(pipeline),
        }
    first = workload.stages[0]
    return "rescaler_add", {
        "IN_WIDTH": first.operand_bits - 1,
        "LEFT_SHIFT": ADD_LEFT_SHIFT,
        "MULT_IN_WIDTH": first.multiplier_bits,
        "SHIFT_IN_WIDTH": shift_bits(first),
        "SHIFT_IN_MIN": first.right_shift_min,
        "SUM_WIDTH": last.operand_bits,
        "MULT_OUT_WIDTH": last.multiplier_bits,
        "SHIFT_OUT_WIDTH": shift_bits(last),
        "SHIFT_OUT_MIN": last.right_shift_min,
        "OUT_WIDTH": workload.output_bits,
    }


@functools.lru_cache(maxsize=4096)
def _design(top: str, parameters: tuple[tuple[str, int], ...]) -> Design:
    return parse_files(_FILES[top], top, dict(parameters))
