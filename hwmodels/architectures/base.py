"""The plug-in point for rescaler architectures, and what most of them have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from hwmodels.components import Part
from hwmodels.errors import HardwareError
from hwmodels.traces import AccumulatorTrace, Streams, cut_streams
from hwmodels.workload import OutputConstants, RescalerWorkload, RescaleStage

RTL_FOLDER: Final = Path(__file__).parents[1] / "rtl"
OUTPUT_STAGE: Final = "rescaler_output.v"
CLAMP: Final = "rescaler_clamp.v"  # which that instantiates
DELAY: Final = "rescaler_delay.v"  # likewise
STAGED_PRODUCT: Final = "rescaler_product.v"
REGISTER: Final = "rescaler_register.v"  # of every module
OUTPUT_BITS: Final = 8  # of every design of the sweep
CONTROLS: Final = {"reset": 0, "enable": 1}  # ports of every module, and their values while it works
MAX_WIDTH: Final = 512  # bits; a wider workload is a mistake
MOST_SLICES: Final = 8  # of a product; with more, the adder behind each slice is all that is left of its delay
Place = Literal["input_product", "input_sum", "product", "shift", "sum"]  # the fields of a Pipeline
PLACES: Final[tuple[Place, ...]] = get_args(Place)
Columns = dict[str, npt.NDArray[np.int64]]
SweptWidth = Literal["multiplier_bits", "shift_bits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """One design of the synthesis sweep, as the published datasets identify it.

    Attributes:
        multiplier_bits: width ``k`` of the multiplier, in bits.
        acc_bits: width of the signed operand, in bits.
        shift_bits: width of the variable part of the shift, in bits.
        shift_min: smallest right shift, in bits.
        constant: the multiplier itself, for an architecture that is built for one constant.
    """

    multiplier_bits: int
    acc_bits: int
    shift_bits: int
    shift_min: int
    constant: int = 1


class Architecture(ABC):
    """One way to build a rescaler, and everything that the project knows about it.

    Adding one takes its Verilog in ``hwmodels/rtl``, one module with one subclass, and its entry in the registry. Cost
    models, synthesis, calibration and export read the attributes below and name no architecture;
    ``tests/hwmodels/test_architectures.py`` checks every registered one: its RTL parses and equals ``outputs``, its
    components cost what the parsed RTL costs (within 8 %), its stimulus drives its ports, its export elaborates.

    Implementations have no state. They are deterministic, and raise ``HardwareError`` on what cannot be built.

    Attributes:
        name: short name, the same in published tables and in the corrections of technology tables.
        top: name of the Verilog module.
        sources: names of its files in ``hwmodels/rtl``, its own first.
        contract: rounding contract that it obeys.
        multiplier_bits: smallest and largest ``k`` that its module takes.
        stages: multiply-and-shift stages of the workloads that it serves.
        folded: whether it serves the workloads whose accumulator holds rounding constant and zero point, or the others.
        registers: parameter of its module for each place of a pipeline that it has.
        choice: value of ``hardware.architecture`` in a study file under which it serves a study's rescalers; None if
            it serves under every value, empty if no study can choose it.
        narrows: whether, in a wide unit, a narrow multiplier costs less energy than a wide one.
        own_activity: whether its nets switch differently from those of a single-cycle rescaler on accumulators, so that
            calibration fits one factor for its energies instead of fitting components to them.
        calibrated: whether a calibrated technology table must hold its corrections.
        exported: whether the Verilog export can instantiate it.
        programmable: whether zero points and bounds can be ports, and not only constants.
        sweep_widths: operand widths of its sweep in bits, empty if it takes those of the whole sweep.
        held: input ports that belong to the layer: pipelined modules take them to be constant while operands pass.
        swept: the width that its sweep varies: ``multiplier_bits``, or ``shift_bits`` of a pure shift.
        sweep_values: values of that width, of ``k`` those of the whole sweep that it takes; empty if it takes all.
    """

    name: ClassVar[str]
    top: ClassVar[str]
    sources: ClassVar[tuple[str, ...]]
    contract: ClassVar[str] = "half_up"
    multiplier_bits: ClassVar[tuple[int, int]] = (1, 64)
    stages: ClassVar[int] = 1
    folded: ClassVar[bool] = False
    choice: ClassVar[str | None] = ""
    registers: ClassVar[Mapping[Place, str]] = {}
    narrows: ClassVar[bool] = True
    own_activity: ClassVar[bool] = False
    calibrated: ClassVar[bool] = False
    exported: ClassVar[bool] = False
    programmable: ClassVar[bool] = True
    sweep_widths: ClassVar[tuple[int, ...]] = ()
    held: ClassVar[tuple[str, ...]] = ("zero_point", "q_min", "q_max")
    swept: ClassVar[SweptWidth] = "multiplier_bits"
    sweep_values: ClassVar[tuple[int, ...]] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Paths of the Verilog sources."""
        return tuple(RTL_FOLDER / source for source in self.sources)

    def obeys(self, contract: str) -> bool:
        """Returns whether it serves workloads of a rounding contract."""
        return contract == self.contract

    def serves(self, workload: RescalerWorkload) -> bool:
        """Returns whether it obeys the contract of a workload; ``check`` decides whether it can be built so wide."""
        return workload.folded == self.folded and self.obeys(workload.contract)

    def check(self, workload: RescalerWorkload) -> None:
        """Raises HardwareError if it cannot be built for a workload."""
        check_workload(workload)
        low, high = self.multiplier_bits
        if not low <= workload.multiplier_bits <= high:
            raise HardwareError(
                f"rescaler {workload.name!r}: the {self.name} architecture takes multipliers of {low} to {high} bits, "
                f"not {workload.multiplier_bits}"
            )
        if workload.folded != self.folded:
            state = "folded" if self.folded else "not folded"
            raise HardwareError(f"rescaler {workload.name!r}: the {self.name} architecture takes workloads {state}")
        most = self.most_registers(workload)
        for place in PLACES:
            if not 0 <= (registers := getattr(workload.pipeline, place)) <= most.get(place, 0):
                raise HardwareError(
                    f"rescaler {workload.name!r}: {registers} registers at {place!r} of its pipeline; the {self.name} "
                    f"architecture takes at most {most.get(place, 0)}"
                )
        products = (workload.pipeline.input_product, workload.pipeline.product)
        for registers, stage in zip(products[-len(workload.stages) :], workload.stages, strict=True):
            if registers > 1 and 0 in slices(stage.multiplier_bits, registers):
                raise HardwareError(
                    f"rescaler {workload.name!r}: {stage.multiplier_bits} bits cannot be cut into {registers} slices"
                )

    @abstractmethod
    def parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        """Returns the parameters of the module that serves a workload; enable and reset are none of them."""

    def pipeline_parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        """Returns the parameters of the module that a workload's pipeline sets."""
        return {parameter: getattr(workload.pipeline, place) for place, parameter in self.registers.items()}

    def most_registers(self, _workload: RescalerWorkload, /) -> dict[Place, int]:
        """Returns the most registers at each place of a pipeline that can be built for a workload; none by default."""
        return {}

    @abstractmethod
    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        """Yields the components of one lane in data order, each with the gate levels in front of it.

        Those that do not lie beside it (``off_path``) form the longest path, which pipeline registers (``ends_path``)
        cut.
        """

    @abstractmethod
    def outputs(self, parameters: Mapping[str, int], inputs: Mapping[str, int]) -> dict[str, int]:
        """Returns what the module computes, in exact integers, from its parameters and input ports without the clock.

        The result has the value of each output port after one interval; a port that is left out keeps its value.
        """

    def input_range(self, port: str, bits: int, signed: bool) -> tuple[int, int]:
        """Returns the smallest and the largest legal value of an input port of the given width in bits."""
        if port in CONTROLS:
            return CONTROLS[port], CONTROLS[port]
        if port.startswith("mult"):  # normalised
            return 1 << (bits - 1), (1 << bits) - 1
        return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)

    def stimulus(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
        """Returns the values of every input port but the clock while a trace runs, each of shape (cycles, streams)."""
        columns = self.operands(trace, workload)
        alike = next(iter(columns.values()))
        return {name: np.full_like(alike, value) for name, value in CONTROLS.items()} | columns

    @abstractmethod
    def operands(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
        """Returns the values of the input ports that carry operands or start them while a trace runs."""

    def latency(self, _multiplier_bits: int, /) -> int:
        """Returns the clock cycles from an operand to the output register of a unit without a pipeline."""
        return 1

    def interval(self, _multiplier_bits: int, /) -> int:
        """Returns the clock cycles between two operands."""
        return 1

    def lanes(self, _multiplier_bits: int, /) -> int:
        """Returns the rescales that one unit does in an interval."""
        return 1

    def alignment(self, multiplier_bits: int, widest: int, /) -> int:
        """Returns the bits by which a unit of ``widest`` multiplier bits takes a narrower multiplier shifted left.

        Its right shift grows by as much.
        """
        return widest - multiplier_bits

    def swept_bits(self, workload: RescalerWorkload) -> int:
        """Returns the value of its swept width in a workload, in bits."""
        return workload.multiplier_bits

    def sweep_point(self, trace: AccumulatorTrace, swept_bits: int, acc_bits: int) -> SweepPoint:
        """Returns the design of the sweep that serves a trace at the given widths in bits."""
        cut = cut_streams(trace, swept_bits, acc_bits)
        return SweepPoint(
            multiplier_bits=swept_bits, acc_bits=acc_bits, shift_bits=cut.shift_bits, shift_min=cut.shift_min
        )

    def sweep_workload(self, point: SweepPoint) -> RescalerWorkload:
        """Returns the workload that a design of the sweep is built for; it serves no particular layer."""
        return RescalerWorkload(
            name="sweep", stages=self.sweep_stages(point), output_bits=OUTPUT_BITS, channels=1,
            rescales_per_inference=1, macs_per_inference=0, weight_bits=0, activation_bits=OUTPUT_BITS,
            contract=self.contract, folded=self.folded,
        )  # fmt: skip

    def sweep_stages(self, point: SweepPoint) -> tuple[RescaleStage, ...]:
        """Returns the stages of that workload."""
        return (
            RescaleStage(
                operand_bits=point.acc_bits,
                multiplier_bits=point.multiplier_bits,
                right_shift_min=point.shift_min,
                right_shift_max=point.shift_min + (1 << point.shift_bits) - 1,
            ),
        )


def check_workload(workload: RescalerWorkload) -> None:
    """Raises HardwareError if no rescaler is built for the widths of a workload."""
    if workload.output_bits < 2:
        raise HardwareError(f"rescaler {workload.name!r}: output_bits is {workload.output_bits}; at least 2 are needed")
    for each in workload.stages:
        if max(each.operand_bits, each.multiplier_bits, each.right_shift_max - each.right_shift_min) > MAX_WIDTH:
            raise HardwareError(f"rescaler {workload.name!r}: a width beyond {MAX_WIDTH} bits in {each}")
    if workload.output is not None:
        _check_output(workload, workload.output)


def _check_output(workload: RescalerWorkload, output: OutputConstants) -> None:
    half = 1 << (workload.output_bits - 1)
    for name in ("zero_point", "q_min", "q_max"):
        value = getattr(output, name)
        if not -half <= value < half:
            raise HardwareError(f"rescaler {workload.name!r}: {name} is {value}; use {-half} to {half - 1}")
    if output.q_min > output.q_max:
        raise HardwareError(f"rescaler {workload.name!r}: q_min {output.q_min} exceeds q_max {output.q_max}")


def slices(multiplier_bits: int, stages: int) -> tuple[int, ...]:
    """Returns the widths of the slices of ``rtl/rescaler_product.v``, lowest first; the last ones may be empty."""
    size = -(-multiplier_bits // stages)
    return tuple(max(min(size, multiplier_bits - low), 0) for low in range(0, size * stages, size))


def most_slices(multiplier_bits: int) -> int:
    """Returns the most pipeline stages of a product; a pure shift has none."""
    return 0 if multiplier_bits == 1 else min(multiplier_bits, MOST_SLICES)


def output_parameters(workload: RescalerWorkload) -> dict[str, int]:
    """Returns the parameters that make a module's zero point and bounds constants, or have it read its ports."""
    output = workload.output
    if output is None:
        return {"CONSTANTS": 0, "ZERO_POINT": 0, "Q_MIN": 0, "Q_MAX": 0}
    return {"CONSTANTS": 1, "ZERO_POINT": output.zero_point, "Q_MIN": output.q_min, "Q_MAX": output.q_max}


def output_ports(cut: Streams) -> Columns:
    """Returns the values of the ports of most modules: zero points of a trace, and bounds that never clamp."""
    half = 1 << (OUTPUT_BITS - 1)
    return {
        "zero_point": cut.zero_point,
        "q_min": np.full_like(cut.acc, -half),
        "q_max": np.full_like(cut.acc, half - 1),
    }


def clamped(value: int, parameters: Mapping[str, int], inputs: Mapping[str, int]) -> int:
    """Returns a rescaled value with the zero point added, clamped to the bounds.

    Zero point and bounds are parameters of the module, or inputs; a folded module has no zero point.
    """
    read = {name.lower(): number for name, number in parameters.items()} if parameters["CONSTANTS"] else inputs
    return min(max(read.get("zero_point", 0) + value, read["q_min"]), read["q_max"])
