"""Maps designs of the sweep again, to show how sensitive synthesis is to irrelevant details.

Written by ``python -m studies.hardware.repeat LIBERTY docs/results/hardware/repeat_<technology>.csv``.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from hwmodels.architectures import ADD, ARRAY, CONSTANT
from hwmodels.errors import HardwareError
from hwmodels.synthesis import Library, Measurement, append_measurement, load_liberty, measure_rescaler
from hwmodels.traces import AccumulatorTrace, load_trace

_DESIGNS: Final = {ARRAY.name: (20, 32), CONSTANT.name: (20, 32), ADD.name: ADD.sweep_widths}
_BITS: Final = (2, 4, 8, 16, 31)
_HISTORIES: Final = (3, 6, 9)  # bits of the unrelated design that yosys reads first


def repeated(library: Library, trace: AccumulatorTrace) -> Iterator[Measurement]:
    """Yields the measurements of a sample of the sweep's designs, each after every history."""
    for architecture, widths in _DESIGNS.items():
        for acc_bits in widths:
            for k in _BITS:
                for history in _HISTORIES:
                    yield measure_rescaler(architecture, k, acc_bits, library, trace, history=history)


def main(arguments: Sequence[str]) -> int:
    """Measures with the library, and writes the file, which must be new."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m studies.hardware.repeat LIBERTY FILE.csv\n")
        return 2
    try:
        library, path = load_liberty(Path(arguments[0])), Path(arguments[1])
        if path.exists():
            raise HardwareError(f"{path}: exists already; name a new file")
        for measurement in repeated(library, load_trace()):
            append_measurement(path, measurement)
    except HardwareError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
