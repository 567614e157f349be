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
from hwmodels.traces import SHIFT_BITS, AccumulatorTrace, load_recording
from studies.hardware.scripts import run_script, write_rows

HARDWARE_BITS: Final = 31
LAYER_BITS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 31)


@dataclass(frozen=True, slots=True)
class SharedEnergy:
    """Energies of one rescale, in pJ, glitches counted.

    Attributes:
        layer_bits: ``k`` of the layer.
        own_pj: in a unit of its own width.
        left_pj: in the wide unit, multiplier left-aligned (its low bits zero, the shift larger by as much).
        right_pj: in the wide unit, multiplier right-aligned (its high bits zero).
    """

    layer_bits: int
    own_pj: float
    left_pj: float
    right_pj: float


def characterise_sharing(
    library: Library, trace: AccumulatorTrace, acc_bits: int = 20, layers: Sequence[int] = LAYER_BITS
) -> list[SharedEnergy]:
    """Synthesizes the wide unit and the narrow ones, and measures each layer width in both.

    The wide unit's shifter reaches from the smallest shift of a right-aligned 1-bit multiplier to the largest of a
    left-aligned one, as that of a shared unit must.
    """
    lowest = ARRAY.sweep_point(trace, 1, acc_bits).shift_min
    span = HARDWARE_BITS - 1 + (1 << SHIFT_BITS) - 1
    wide = _unit(library, acc_bits, HARDWARE_BITS, lowest, span.bit_length())
    return [_measure(library, trace, wide, lowest, k, acc_bits) for k in layers]


def _unit(library: Library, acc_bits: int, k: int, shift_min: int, shift_bits: int) -> Circuit:
    parameters = {"ACC_WIDTH": acc_bits, "MULT_WIDTH": k, "SHIFT_WIDTH": shift_bits, "SHIFT_MIN": shift_min}
    return build_circuit(synthesize(ARRAY.files, ARRAY.top, parameters, library), library)


def _measure(
    library: Library, trace: AccumulatorTrace, wide: Circuit, lowest: int, k: int, acc_bits: int
) -> SharedEnergy:
    point = ARRAY.sweep_point(trace, k, acc_bits)
    columns = ARRAY.stimulus(trace, ARRAY.sweep_workload(point))
    own = _unit(library, acc_bits, k, point.shift_min, point.shift_bits)
    right_shift = columns["shift"] + (point.shift_min - lowest)
    up = HARDWARE_BITS - k
    left = {**columns, "mult": columns["mult"] << np.int64(up), "shift": right_shift + up}
    right = {**columns, "shift": right_shift}
    energies = (measure_energy(circuit, c) for circuit, c in ((own, columns), (wide, left), (wide, right)))
    return SharedEnergy(k, *(energy.delayed_pj for energy in energies))


def measure(liberty: Path, path: Path) -> None:
    """Measures with a library, and writes the file."""
    points = [
        asdict(point) for point in characterise_sharing(load_liberty(liberty), load_recording().in_order(DEFAULT_ORDER))
    ]
    write_rows(path, [{name: round(value, 3) for name, value in point.items()} for point in points])


if __name__ == "__main__":
    sys.exit(run_script("sharing", "LIBERTY FILE.csv", measure))
