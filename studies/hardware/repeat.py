"""Maps designs of the sweep again, to show how sensitive synthesis is to irrelevant details.

Written by ``python -m studies.hardware.repeat LIBERTY docs/results/hardware/repeat_<technology>.csv``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hwmodels.architectures import ADD, ARRAY, CONSTANT
from hwmodels.errors import HardwareError
from hwmodels.synthesis import Library, Measurement, append_measurement, load_liberty, measure_rescaler
from hwmodels.traces import Recording, load_recording
from studies.hardware.scripts import run_script

_DESIGNS: Final = {ARRAY.name: (20,), CONSTANT.name: (20,), ADD.name: ADD.sweep_widths}
_BITS: Final = (2, 8, 31)
_HISTORIES: Final = (3, 6, 9)  # bits of the unrelated design that yosys reads first


def repeated(library: Library, recording: Recording) -> Iterator[Measurement]:
    """Yields the measurements of a sample of the sweep's designs, each after every history."""
    for architecture, widths in _DESIGNS.items():
        for acc_bits in widths:
            for k in _BITS:
                for history in _HISTORIES:
                    yield measure_rescaler(architecture, k, acc_bits, library, recording, history=history)


def measure(liberty: Path, path: Path) -> None:
    """Measures with a library, and writes the file.

    Raises:
        HardwareError: if the file exists, or the library is not valid.
    """
    library = load_liberty(liberty)
    if path.exists():
        raise HardwareError(f"{path}: exists already; name a new file")
    for measurement in repeated(library, load_recording()):
        append_measurement(path, measurement)


if __name__ == "__main__":
    sys.exit(run_script("repeat", "LIBERTY FILE.csv", measure))
