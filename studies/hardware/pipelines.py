"""Synthesizes the pipelines that are chosen for target clocks, and compares period, area and energy with the estimates.

Written by ``python -m studies.hardware.pipelines LIBERTY docs/results/hardware/pipelines_<technology>.csv``; the name
of the file says which technology table chooses them.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from hwmodels import CalibratedRescalerModel, Clock, ClockedModel, RescalerWorkload, load_technology
from hwmodels.architectures import ADD, ARRAY, SHIFT, Architecture
from hwmodels.orders import DEFAULT_ORDER
from hwmodels.synthesis import Library, build_circuit, load_liberty, measure_energy, synthesize
from hwmodels.traces import AccumulatorTrace, load_recording
from hwmodels.workload import Pipeline
from studies.hardware.scripts import run_script, write_rows

# Speeds relative to that of the unit without a pipeline.
SPEEDS: Final = (0.9, 1.2, 1.6, 2.0)
UNITS: Final = ((ARRAY, 31, 20), (ARRAY, 16, 20), (ARRAY, 8, 32), (ARRAY, 1, 20), (SHIFT, 3, 20), (ADD, 8, 30))


@dataclass(frozen=True, slots=True)
class PipelineCost:
    """One lane at one clock: as estimated, and as synthesized.

    Attributes:
        width: ``k``, or the window of a folded shift, in bits.
        pipeline: places and numbers of its registers.
        meets: whether the estimate meets the clock.
        energy_pj: energy of a rescale, with gate delays, glitches counted.
    """

    unit: str
    width: int
    acc_bits: int
    mhz: float
    depth: int
    pipeline: str
    meets: bool
    estimated_period_ns: float
    period_ns: float
    estimated_area_um2: float
    area_um2: float
    estimated_energy_pj: float
    energy_pj: float


def measure_pipelines(table: str, library: Library, trace: AccumulatorTrace) -> Iterator[PipelineCost]:
    """Yields every unit at every speed, each pipeline once."""
    model = CalibratedRescalerModel(load_technology(table))
    for architecture, width, acc_bits in UNITS:
        workload = architecture.sweep_workload(architecture.sweep_point(trace, width, acc_bits))
        alone, done = model.unit_cost(workload).period_ns or 0.0, set[Pipeline]()
        for speed in SPEEDS:
            clocked = ClockedModel(model, Clock(round(1000.0 * speed / alone, 1), gating=False))
            pipelined = clocked.pipelined(workload)
            if pipelined.pipeline not in done:
                done.add(pipelined.pipeline)
                yield _measured(architecture, width, pipelined, clocked, library, trace)


def _measured(
    architecture: Architecture,
    width: int,
    workload: RescalerWorkload,
    clocked: ClockedModel,
    library: Library,
    trace: AccumulatorTrace,
) -> PipelineCost:
    unit, clocking = clocked.unit_cost(workload), clocked.technology.clocking
    netlist = synthesize(architecture.files, architecture.top, architecture.parameters(workload), library)
    circuit = build_circuit(netlist, library)
    energy = measure_energy(circuit, architecture.stimulus(trace, workload))
    places = {each.name: getattr(workload.pipeline, each.name) for each in fields(Pipeline)}
    return PipelineCost(
        unit=architecture.name,
        width=width,
        acc_bits=workload.stages[-1].operand_bits,
        mhz=clocked.clock.mhz,
        depth=workload.pipeline.depth,
        pipeline=" ".join(f"{name}={count}" for name, count in places.items() if count),
        meets=(unit.period_ns or 0.0) <= clocked.clock.period_ns,
        estimated_period_ns=round(unit.period_ns or 0.0, 3),
        period_ns=round(circuit.delay_ns + (clocking.setup_ns if clocking else 0.0), 3),
        estimated_area_um2=round(unit.area_um2 or 0.0, 1),
        area_um2=round(circuit.area_um2, 1),
        estimated_energy_pj=round(unit.energy_pj or 0.0, 3),
        energy_pj=round(energy.delayed_pj, 3),
    )


def measure(liberty: Path, path: Path) -> None:
    """Measures with a library, and writes the file."""
    table = path.stem.removeprefix("pipelines_")
    trace = load_recording().in_order(DEFAULT_ORDER)
    write_rows(path, [asdict(cost) for cost in measure_pipelines(table, load_liberty(liberty), trace)])


if __name__ == "__main__":
    sys.exit(run_script("pipelines", "LIBERTY FILE.csv", measure))
