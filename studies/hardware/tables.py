"""Makes the calibrated tables and the results page from cell libraries: sweeps, fits, rungs, and the page.

    python -m studies.hardware.tables docs/results/hardware LIBERTY ...

A sweep resumes from the folder's datasets; rungs that are there are kept.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from hwmodels import technologies
from hwmodels.errors import HardwareError
from hwmodels.synthesis import Measurement, calibrate, load_liberty
from hwmodels.traces import load_recording
from nets.files import write_text
from studies.hardware.publish import publish
from studies.hardware.rungs import MAPPERS, measure_rungs, rungs_of
from studies.hardware.scripts import write_rows


@dataclass(frozen=True, slots=True)
class Process:
    """A shipped table: its name, and the feature size in nm, which Liberty does not state."""

    name: str
    node_nm: float


# By the name of the library in its Liberty file.
PROCESSES: Final = {
    "osu018_stdcells": Process("osu018", 180),
    "osu035_stdcells": Process("osu035", 350),
    "NangateOpenCellLibrary": Process("nangate45", 45),
    "sky130_fd_sc_hd__tt_025C_1v80": Process("sky130", 130),
}


def make_table(liberty: Path, folder: Path) -> None:
    """Sweeps a library, and writes its technology table, dataset and rungs.

    Raises:
        HardwareError: if the library is not valid, or none of those that are shipped.
    """
    library = load_liberty(liberty)
    process = PROCESSES.get(library.name)
    if process is None:
        raise HardwareError(f"{liberty}: the library {library.name!r} is none of {', '.join(PROCESSES)}")
    path = folder / f"rungs_{process.name}.csv"
    if not path.exists():
        costs = [c for mapper in MAPPERS for c in measure_rungs(rungs_of(mapper), library, load_recording(), mapper)]
        write_rows(path, [asdict(cost) for cost in costs])
    dataset = folder / f"dataset_{process.name}.csv"
    result = calibrate(liberty, process.name, node_nm=process.node_nm, dataset=dataset, progress=_show)
    write_text(Path(str(technologies.__file__)).with_name(f"{process.name}.toml"), result.text)


def _show(measurement: Measurement) -> None:
    sys.stdout.write(f"{measurement.library} {measurement.architecture} {measurement.acc_bits} ")
    sys.stdout.write(f"{measurement.multiplier_bits}: {measurement.area_um2:,.0f} um2\n")


def main(arguments: Sequence[str]) -> int:
    """Makes the tables of all libraries and the page; returns the exit status."""
    if len(arguments) < 2:
        sys.stderr.write("usage: python -m studies.hardware.tables FOLDER LIBERTY ...\n")
        return 2
    folder, *libraries = map(Path, arguments)
    try:
        for liberty in libraries:
            make_table(liberty, folder)
        publish(folder)
    except HardwareError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
