"""Rescaler cost from RTL: the shipped Verilog is parsed for the workload's parameters, and its operators are costed."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hwmodels.architectures.datapaths import Datapath, architecture_of, check_datapath, in_use
from hwmodels.architectures.geometry import ADD_LEFT_SHIFT, check_workload, fractured_shift_bits, shift_bits
from hwmodels.architectures.registry import ARCHITECTURES
from hwmodels.costs import UnitCost, unit_cost
from hwmodels.errors import HardwareError
from hwmodels.models.operators import design_costs
from hwmodels.parsing import Design, parse_files
from hwmodels.technologies.technology import Technology
from hwmodels.workload import RescalerWorkload


@dataclass(frozen=True, slots=True)
class RtlSource:
    """The user's own rescaler, and how a layer sets its parameters.

    Attributes:
        files: Verilog sources.
        top: module.
        parameters: per parameter of the module, the quantity of the layer that it takes (``LAYER_QUANTITIES``), or a
            number that is the same for every layer.
    """

    files: tuple[Path, ...]
    top: str
    parameters: tuple[tuple[str, str | int], ...]

    def __post_init__(self) -> None:
        for name, quantity in self.parameters:
            if isinstance(quantity, str) and quantity not in LAYER_QUANTITIES:
                known = ", ".join(LAYER_QUANTITIES)
                raise HardwareError(f"parameter {name} of {self.top!r} takes {quantity!r}; a layer has: {known}")

    def resolve(self, workload: RescalerWorkload) -> dict[str, int]:
        """Return the module's parameters for a one-stage workload."""
        return {
            name: quantity if isinstance(quantity, int) else LAYER_QUANTITIES[quantity](workload)
            for name, quantity in self.parameters
        }


LAYER_QUANTITIES: Final[Mapping[str, Callable[[RescalerWorkload], int]]] = {
    "operand_bits": lambda workload: workload.stages[-1].operand_bits,
    "multiplier_bits": lambda workload: workload.stages[-1].multiplier_bits,
    "right_shift_min": lambda workload: workload.stages[-1].right_shift_min,
    "right_shift_max": lambda workload: workload.stages[-1].right_shift_max,
    "shift_bits": lambda workload: shift_bits(workload.stages[-1]),
    "output_bits": lambda workload: workload.output_bits,
}


@dataclass(frozen=True)
class RtlRescalerModel:
    """Costs what RTL says: the shipped one, or the user's.

    One-stage workloads are served by the module of the datapath and of the workload's contract (or by ``source``, one
    rescale per cycle), two-stage ones (ADD) by ``rtl/rescaler_add.v``. Designs are cached per set of parameters, until
    a file changes.

    Attributes:
        technology: table of component figures.
        pipeline: whether a register stands between multiplier and shifter (shipped one-stage rescalers).
        source: the user's rescaler.
        datapath: how the shipped one-stage rescalers are built.
    """

    technology: Technology
    pipeline: bool = False
    source: RtlSource | None = None
    datapath: Datapath = "array"

    def __post_init__(self) -> None:
        check_datapath(self.datapath)
        if self.datapath != "array" and self.pipeline:
            raise HardwareError(f"the {self.datapath} datapath has no pipelined form; use the array")
        if self.datapath != "array" and self.source is not None:
            raise HardwareError(
                f"datapath {self.datapath!r} is of the shipped rescalers; {self.source.top!r} is another"
            )

    @property
    def name(self) -> str:
        """Name of the model in a study."""
        return "rtl"

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Return the cost of one lane that serves ``workload``.

        Raises:
            HardwareError: if no shipped architecture serves it.
        """
        unit = unit_cost(design_costs(self.design(workload), self.technology))
        own = self.source is not None and len(workload.stages) == 1
        architecture = ARCHITECTURES["array"] if own else architecture_of(workload, self.datapath)
        return in_use(unit, architecture, workload.multiplier_bits, self.technology.activity_of(architecture.name))

    def design(self, workload: RescalerWorkload) -> Design:
        """Return the elaborated RTL of one lane that serves ``workload``."""
        check_workload(workload)
        if self.source is not None and len(workload.stages) == 1:
            files, top, parameters = self.source.files, self.source.top, self.source.resolve(workload)
        else:
            top, shipped = rtl_parameters(workload, pipeline=self.pipeline, datapath=self.datapath)
            files, parameters = architecture_of(workload, self.datapath).files, dict(shipped)
        return _design(files, _changed(files), top, tuple(sorted(parameters.items())))


def rtl_parameters(
    workload: RescalerWorkload, *, pipeline: bool = False, datapath: Datapath = "array"
) -> tuple[str, Mapping[str, int]]:
    """Return the shipped module that serves a workload, and its parameters."""
    last, architecture = workload.stages[-1], architecture_of(workload, datapath)
    if pipeline and architecture.name not in ("array", "add"):
        raise HardwareError(f"{architecture.top} has no pipelined form")
    if architecture.name == "tflite_double":
        k = max(last.multiplier_bits, architecture.multipliers[0])  # it takes a shift as a multiplier of two bits
        return architecture.top, {
            "ACC_WIDTH": last.operand_bits,
            "MULT_WIDTH": k,
            "EXPONENT_WIDTH": shift_bits(last),
            "EXPONENT_MIN": last.right_shift_min - last.multiplier_bits,
            "OUT_WIDTH": workload.output_bits,
        }
    if architecture.name in ("array", "floor", "half_away", "serial"):
        common = {
            "ACC_WIDTH": last.operand_bits,
            "MULT_WIDTH": last.multiplier_bits,
            "SHIFT_WIDTH": shift_bits(last),
            "SHIFT_MIN": last.right_shift_min,
            "OUT_WIDTH": workload.output_bits,
        }
        return architecture.top, common | ({"PIPELINE": int(pipeline)} if architecture.name == "array" else {})
    if architecture.name == "fractured":
        return architecture.top, {
            "ACC_WIDTH": last.operand_bits,
            "SHIFT_WIDTH": fractured_shift_bits(last),
            "SHIFT_MIN": last.right_shift_min,
            "OUT_WIDTH": workload.output_bits,
        }
    first = workload.stages[0]
    return architecture.top, {
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


def _changed(files: tuple[Path, ...]) -> tuple[int, ...]:
    """Return when files changed, 0 for one that is not there (reading it gives the error)."""
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files)


@functools.lru_cache(maxsize=4096)
def _design(
    files: tuple[Path, ...], _changed_ns: tuple[int, ...], top: str, parameters: tuple[tuple[str, int], ...]
) -> Design:
    return parse_files(files, top, dict(parameters))
