"""Synthesizes one rescaler of every rung, from int32 to a constant shift, by two mappers, on the same accumulators.

Written by ``python -m studies.hardware.rungs LIBERTY docs/results/hardware/rungs_<technology>.csv``.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, get_args

from hwmodels.architectures import ARRAY, SHIFT, Architecture
from hwmodels.orders import OUTPUT_ORDERS, OutputOrder
from hwmodels.synthesis import BASELINE_BITS, Library, Mapper, Measurement, load_liberty, measure_unit
from hwmodels.traces import Recording, load_recording
from hwmodels.workload import OutputConstants
from studies.hardware.scripts import run_script, write_rows

ACC_BITS: Final = 20
NARROW_BITS: Final = (8, 4, 2, 1)  # k of the rungs between int32 and the folded ones
WINDOW_BITS: Final = (3, 2, 1, 0)
SATURATING: Final = OutputConstants(zero_point=-128, q_min=-128, q_max=127)  # a fused ReLU
MAPPERS: Final[tuple[Mapper, ...]] = get_args(Mapper)
CLAMPING: Final = OutputConstants(zero_point=-7, q_min=-100, q_max=90)


@dataclass(frozen=True, slots=True)
class Rung:
    """A design: its name, its unit, the width that is varied, and its constants (None: read from ports)."""

    name: str
    architecture: Architecture
    swept_bits: int
    output: OutputConstants | None


@dataclass(frozen=True, slots=True)
class RungCost:
    """One lane of a rung, synthesized; ratios are those of int32 with constant outputs to it, by the same mapper.

    Attributes:
        mapper: mapper of the synthesis.
        rung: name of the design.
        shifts: right shifts that a lane can take.
        output: ``programmable``, ``saturating`` or ``clamping``; the latter two are constants.
        energy_channel_innermost_pj: energy of a rescale, with gate delays, glitches counted, outputs in this order.
        energy_channel_outermost_pj: likewise, in the other order.
    """

    mapper: Mapper
    rung: str
    multiplier_bits: int
    acc_bits: int
    shifts: int
    output: str
    cells: int
    area_um2: float
    delay_ns: float
    energy_channel_innermost_pj: float
    energy_channel_outermost_pj: float
    area_ratio: float
    energy_channel_innermost_ratio: float
    energy_channel_outermost_ratio: float


def rungs() -> Iterator[Rung]:
    """Yields the designs, the largest first; int32 with constant outputs is the baseline of the ratios."""
    for output in (None, SATURATING):
        yield Rung("int32", ARRAY, BASELINE_BITS, output)
    for k in NARROW_BITS:
        yield Rung(f"k = {k}", ARRAY, k, SATURATING)
    yield Rung("k = 1", ARRAY, 1, None)
    for bits in WINDOW_BITS:
        name = f"window of {1 << bits}" if bits else "constant shift"
        for output in (None, CLAMPING, SATURATING):
            yield Rung(name, SHIFT, bits, output)


def rungs_of(mapper: Mapper) -> list[Rung]:
    """Returns the designs that a mapper synthesizes: the first one all, the others those that saturate."""
    return [rung for rung in rungs() if mapper == MAPPERS[0] or rung.output == SATURATING]


def measure_rungs(
    designs: Iterable[Rung], library: Library, recording: Recording, mapper: Mapper = MAPPERS[0]
) -> list[RungCost]:
    """Returns the cost of every design; int32 with constant outputs must be among them."""
    measured = [(rung, _measured(rung, library, recording, mapper)) for rung in designs]
    baseline = next(cost for rung, cost in measured if rung.name == "int32" and rung.output is not None)
    return [_cost(rung, measurement, baseline, mapper) for rung, measurement in measured]


def _measured(rung: Rung, library: Library, recording: Recording, mapper: Mapper) -> Measurement:
    trace = recording.in_order(OUTPUT_ORDERS[0])
    point = rung.architecture.sweep_point(trace, rung.swept_bits, ACC_BITS)
    workload = replace(rung.architecture.sweep_workload(point), output=rung.output)
    return measure_unit(rung.name, rung.architecture, point, workload, library, recording, mapper=mapper)


def _cost(rung: Rung, measurement: Measurement, baseline: Measurement, mapper: Mapper) -> RungCost:
    names = {None: "programmable", SATURATING: "saturating", CLAMPING: "clamping"}
    innermost, outermost = OUTPUT_ORDERS
    return RungCost(
        mapper=mapper,
        rung=rung.name,
        multiplier_bits=measurement.multiplier_bits,
        acc_bits=measurement.acc_bits,
        shifts=1 << measurement.shift_bits,
        output=names[rung.output],
        cells=measurement.cells,
        area_um2=measurement.area_um2,
        delay_ns=measurement.delay_ns,
        energy_channel_innermost_pj=measurement.energy_pj(innermost),
        energy_channel_outermost_pj=measurement.energy_pj(outermost),
        area_ratio=round(baseline.area_um2 / measurement.area_um2, 2),
        energy_channel_innermost_ratio=_ratio(baseline, measurement, innermost),
        energy_channel_outermost_ratio=_ratio(baseline, measurement, outermost),
    )


def _ratio(baseline: Measurement, measurement: Measurement, order: OutputOrder) -> float:
    return round(baseline.energy_pj(order) / measurement.energy_pj(order), 2)


def measure(liberty: Path, path: Path) -> None:
    """Measures with a library, and writes the file."""
    library, recording = load_liberty(liberty), load_recording()
    costs = [cost for mapper in MAPPERS for cost in measure_rungs(rungs_of(mapper), library, recording, mapper)]
    write_rows(path, [asdict(cost) for cost in costs])


if __name__ == "__main__":
    sys.exit(run_script("rungs", "LIBERTY FILE.csv", measure))
