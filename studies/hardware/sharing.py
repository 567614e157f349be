"""Measures the energy of a narrow layer in a wide shared unit by synthesis, per layer width and alignment.

Outputs are in the order of the default, channel_innermost.

Written by ``python -m studies.hardware.sharing LIBERTY docs/results/hardware/sharing_<technology>.csv``.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from hwmodels.architectures import ARRAY
from hwmodels.orders import DEFAULT_ORDER
from hwmodels.synthesis import Circuit, Library, build_circuit, load_liberty, measure_energy, synthesize
from hwmodels.traces import AccumulatorTrace, load_recording
from studies.hardware.scripts import run_script, write_rows

HARDWARE_BITS: Final = 31
LAYER_BITS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 31)


@dataclass(frozen=True, slots=True)
class SharedEnergy:
    """Energies of one rescale, in pJ, glitches counted.

    Attributes:
        layer_bits: ``k`` of the layer.
        own_pj: in a unit of its own width.
        shared_pj: in the wide unit, its multiplier aligned to the left: low bits zero, right shift larger by as much.
    """

    layer_bits: int
    own_pj: float
    shared_pj: float


def characterise_sharing(
    library: Library, trace: AccumulatorTrace, acc_bits: int = 20, layers: Sequence[int] = LAYER_BITS
) -> list[SharedEnergy]:
    """Synthesizes the wide unit and the narrow ones, and measures each layer width in both.

    Layers of one range of scales have, aligned to the left, one range of shifts.
    """
    wide = _unit(library, trace, HARDWARE_BITS, acc_bits)
    return [_measure(library, trace, wide, k, acc_bits) for k in layers]


def _unit(library: Library, trace: AccumulatorTrace, k: int, acc_bits: int) -> Circuit:
    parameters = ARRAY.parameters(ARRAY.sweep_workload(ARRAY.sweep_point(trace, k, acc_bits)))
    return build_circuit(synthesize(ARRAY.files, ARRAY.top, parameters, library), library)


def _measure(library: Library, trace: AccumulatorTrace, wide: Circuit, k: int, acc_bits: int) -> SharedEnergy:
    columns = ARRAY.stimulus(trace, ARRAY.sweep_workload(ARRAY.sweep_point(trace, k, acc_bits)))
    aligned = {**columns, "mult": columns["mult"] << np.int64(HARDWARE_BITS - k)}
    own = _unit(library, trace, k, acc_bits)
    energies = (measure_energy(circuit, each) for circuit, each in ((own, columns), (wide, aligned)))
    return SharedEnergy(k, *(energy.delayed_pj for energy in energies))


def measure(liberty: Path, path: Path) -> None:
    """Measures with a library, and writes the file."""
    points = [
        asdict(point) for point in characterise_sharing(load_liberty(liberty), load_recording().in_order(DEFAULT_ORDER))
    ]
    write_rows(path, [{name: round(value, 3) for name, value in point.items()} for point in points])


if __name__ == "__main__":
    sys.exit(run_script("sharing", "LIBERTY FILE.csv", measure))
