"""Designs of the sweep mapped again: how far a synthesis hangs on what means nothing.

Written by ``python -m studies.hardware.repeat LIBERTY docs/results/hardware/repeat_<technology>.csv``.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from hwmodels.errors import HardwareError
from hwmodels.synthesis.liberty import Library, load_liberty
from hwmodels.synthesis.sweep import Measurement, append_measurement, measure_rescaler
from hwmodels.synthesis.traces import AccumulatorTrace, load_trace

_DESIGNS: Final = {"array": (20, 32), "constant": (20, 32), "add": (30,)}
_BITS: Final = (2, 4, 8, 16, 31)
_HISTORIES: Final = (3, 6, 9)  # bits of the design that yosys reads before


def repeated(library: Library, trace: AccumulatorTrace) -> Iterator[Measurement]:
    """Yield the measurements of a sample of the sweep's designs after every history."""
    for architecture, widths in _DESIGNS.items():
        for acc_bits in widths:
            for k in _BITS:
                for history in _HISTORIES:
                    yield measure_rescaler(architecture, k, acc_bits, library, trace, history=history)


def main(arguments: Sequence[str]) -> int:
    """Measure with the library, and write the file, which must be new."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m studies.hardware.repeat LIBERTY FILE.csv\n")
        return 2
    try:
        library, path = load_liberty(Path(arguments[0])), Path(arguments[1])
        if path.exists():
            raise HardwareError(f"{path}: is there already")
        for measurement in repeated(library, load_trace()):
            append_measurement(path, measurement)
    except HardwareError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
