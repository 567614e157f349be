"""Synthesis of the corpus on a cell library: area, delay, leakage and energy of every design."""

import math
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from hwmodels.errors import HardwareError
from hwmodels.gates import random_words
from hwmodels.synthesis.activity import measure_energy
from hwmodels.synthesis.circuit import Circuit, build_circuit
from hwmodels.synthesis.corpus.datapaths import datapath_designs
from hwmodels.synthesis.corpus.design import TOP, CorpusDesign
from hwmodels.synthesis.corpus.operators import operator_designs
from hwmodels.synthesis.csv_rows import append_row, read_rows
from hwmodels.synthesis.liberty import Library
from hwmodels.synthesis.yosys import synthesize

DATAPATHS: Final = 120
_ORDER: Final = 1  # seed of the order, in which a part of the corpus is a sample of it


@dataclass(frozen=True, slots=True)
class CorpusMeasurement:
    """One design of the corpus on one library; ``energy_pj`` is that of a clock cycle with random inputs."""

    library: str
    design: str
    digest: str
    cells: int
    area_um2: float
    energy_pj: float
    delay_ns: float
    leakage_uw: float


_ROWS: Final = TypeAdapter(list[CorpusMeasurement])


def corpus(datapaths: int = DATAPATHS) -> list[CorpusDesign]:
    """Returns the operators and so many datapaths, in an order of which every beginning is a sample."""
    designs = [*operator_designs(), *datapath_designs(range(datapaths))]
    random.Random(_ORDER).shuffle(designs)  # noqa: S311
    return designs


def measure_design(design: CorpusDesign, library: Library) -> CorpusMeasurement:
    """Synthesizes a design of the corpus and measures it."""
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        path = Path(folder) / "design.v"
        path.write_text(design.text, encoding="utf-8")
        measured = measure_module((path,), TOP, {}, library)
    return replace(measured, design=design.name, digest=design.digest)


def measure_module(
    files: Sequence[Path], top: str, parameters: Mapping[str, int], library: Library
) -> CorpusMeasurement:
    """Synthesizes a module, and measures it with random inputs."""
    circuit = build_circuit(synthesize(files, top, parameters, library), library)
    return CorpusMeasurement(
        library=library.name,
        design=top,
        digest="",
        cells=circuit.cells,
        area_um2=round(circuit.area_um2, 3),
        energy_pj=round(measure_energy(circuit, _stimulus(circuit)).delayed_pj, 5),
        delay_ns=round(circuit.delay_ns, 4),
        leakage_uw=round(circuit.leakage_uw, 6),
    )


def _stimulus(circuit: Circuit) -> dict[str, npt.NDArray[np.int64]]:
    return random_words({name: len(nets) for name, nets in circuit.inputs.items() if name != "clk"})


def run_corpus(path: Path, library: Library, designs: Sequence[CorpusDesign]) -> Iterator[CorpusMeasurement]:
    """Measures the designs that a file lacks, and appends them; an interrupted run resumes."""
    done = {(row.library, row.design, row.digest) for row in read_corpus(path)}
    for design in designs:
        if (library.name, design.name, design.digest) not in done:
            measurement = measure_design(design, library)
            append_corpus(path, measurement)
            yield measurement


def read_corpus(path: Path) -> list[CorpusMeasurement]:
    """Returns the measurements of a file, none if it does not exist.

    Raises:
        HardwareError: if a row does not fit, or a figure is negative or no number.
    """
    rows = read_rows(path, _ROWS, "the corpus")
    for number, row in enumerate(rows):
        if not all(0 <= value < math.inf for value in (row.area_um2, row.energy_pj, row.delay_ns, row.leakage_uw)):
            raise HardwareError(f"{path}: row {number + 1}: a figure is negative or no number")
    return rows


def append_corpus(path: Path, measurement: CorpusMeasurement) -> None:
    """Adds one row to a file, with a header if it is new."""
    append_row(path, asdict(measurement))
