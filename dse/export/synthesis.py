"""Scripts that synthesize the exported units, and a report of their synthesis beside the costs of the study."""

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from dse.export import render
from dse.export.interface import Interface
from dse.export.units import Unit
from hwmodels import CostModel
from hwmodels.synthesis import AREA_SCRIPT, Library, build_circuit, full_adder_map, synthesize

_MOST_STORED_BITS: Final = 8192  # of parameters that are mapped to gates for the report; larger ones take minutes


@dataclass(frozen=True, slots=True)
class UnitReport:
    """One unit, costed and synthesized; areas in um2.

    Attributes:
        unit: name of its module.
        core: name of the parameterised module in it.
        costed_um2: area of one lane by the study's cost model, None if its table has none.
        core_um2: area of the same module with the same parameters, synthesized.
        unit_um2: area of the exported unit, synthesized: with its flow control, reset and parameters of all channels;
            None if these are too many to be mapped to gates.
    """

    unit: str
    core: str
    costed_um2: float | None
    core_um2: float
    unit_um2: float | None


@dataclass(frozen=True, slots=True)
class SynthesisReport:
    """The synthesis of all units with one library.

    Attributes:
        library: name of the library.
        technology: name of the technology table that the study's costs come from.
        calibrated: whether that table was fitted to this library, so that areas compare; if not, only shares do.
        units: one entry per unit.
    """

    library: str
    technology: str
    calibrated: bool
    units: tuple[UnitReport, ...]

    @property
    def costed_um2(self) -> float | None:
        """Area of all units by the study's cost model."""
        costs = [each.costed_um2 for each in self.units if each.costed_um2 is not None]
        return sum(costs) if len(costs) == len(self.units) else None

    @property
    def core_um2(self) -> float:
        """Area of all cores, synthesized."""
        return sum(each.core_um2 for each in self.units)

    @property
    def deviation(self) -> float | None:
        """Relative deviation of the cost of all units from synthesis, None if areas do not compare."""
        return self.costed_um2 / self.core_um2 - 1 if self.calibrated and self.costed_um2 else None

    def deviation_of(self, unit: UnitReport) -> float | None:
        """Returns the relative deviation of a unit's cost from synthesis, of its share of all units otherwise."""
        if unit.costed_um2 is None or self.costed_um2 is None:
            return None
        scale = 1.0 if self.calibrated else self.core_um2 / self.costed_um2
        return unit.costed_um2 * scale / unit.core_um2 - 1

    def table(self) -> str:
        """Returns the units as CSV."""
        text = io.StringIO()
        names = [each.name for each in fields(UnitReport)]
        writer = csv.DictWriter(text, [*names, "deviation"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(each), "deviation": self.deviation_of(each)} for each in self.units)
        return text.getvalue()


def synthesis_report(
    units: Sequence[Unit], files: Mapping[str, str], model: CostModel, library: Library
) -> SynthesisReport:
    """Returns the report of units whose exported files, text by path, are given.

    Raises:
        HardwareError: yosys is absent, or fails.
    """
    areas: dict[tuple[str, tuple[tuple[str, int], ...]], float] = {}
    with tempfile.TemporaryDirectory(prefix="export-") as name:
        folder = Path(name)
        for path, text in files.items():
            if path.startswith("rtl/") and path.endswith(".v"):
                (folder / Path(path).name).write_text(text, encoding="utf-8")
        made = tuple(_measured(unit, folder, model, library, areas) for unit in units)
    table = model.technology
    calibrated = library.name in table.source
    return SynthesisReport(library.name, table.name, calibrated, made)


def _measured(
    unit: Unit,
    folder: Path,
    model: CostModel,
    library: Library,
    areas: dict[tuple[str, tuple[tuple[str, int], ...]], float],
) -> UnitReport:
    key = (unit.module, tuple(unit.parameters.items()))
    if key not in areas:
        areas[key] = _area(unit.files, unit.module, unit.parameters, library)
    stored = unit.channels * unit.word_bits
    sources = [folder / f"unit_{unit.identifier}.v", *unit.files]
    if unit.fields:
        sources.insert(1, folder / f"parameters_{unit.identifier}.v")
    whole = _area(sources, f"unit_{unit.identifier}", {}, library) if stored <= _MOST_STORED_BITS else None
    costed = model.unit_cost(unit.workload).area_um2
    return UnitReport(f"unit_{unit.identifier}", unit.module, costed, areas[key], whole)


def _area(files: Sequence[Path], top: str, parameters: Mapping[str, int], library: Library) -> float:
    return build_circuit(synthesize(files, top, parameters, library), library).area_um2


def synthesis_files(
    units: Sequence[Unit], interface: Interface, design: str, library: Library | None, clock_mhz: float | None
) -> dict[str, str]:
    """Returns a script for yosys, and constraints for any flow: text by path."""
    return dict(_files(units, interface, design, library, clock_mhz))


def _files(
    units: Sequence[Unit], interface: Interface, design: str, library: Library | None, clock_mhz: float | None
) -> Iterator[tuple[str, str]]:
    adders = None if library is None else full_adder_map(library)
    if adders is not None:
        yield "synthesis/adders.v", adders
    yield "synthesis/yosys.sh", render.synthesis_script(units, design, AREA_SCRIPT, adders is not None)
    yield "synthesis/constraints.sdc", render.constraints(interface, design, clock_mhz)
