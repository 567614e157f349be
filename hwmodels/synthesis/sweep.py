"""Sweeps of synthesized designs: area, delay, leakage and energy of rescalers and of single components."""

import csv
import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from hwmodels.architectures import FORMS, Architecture, Form, SweepPoint
from hwmodels.errors import HardwareError
from hwmodels.synthesis.activity import Trace, measure_energy
from hwmodels.synthesis.circuit import build_circuit
from hwmodels.synthesis.component_sweep import COMPONENTS, ComponentPoint
from hwmodels.synthesis.liberty import Library
from hwmodels.synthesis.yosys import Netlist, synthesize
from hwmodels.traces import AccumulatorTrace
from hwmodels.workload import RescalerWorkload

BASELINE_BITS: Final = 31
_ACC_BITS: Final = (20, 32)  # operand widths of the sweep
_CONSTANTS_BITS: Final = (*range(1, 9), *range(10, 31, 2), 31)  # k of forms that are built for constants
_FIGURES: Final = ("area_um2", "energy_zero_delay_pj", "energy_pj", "delay_ns", "leakage_uw")
_FORMULAS: Final = ("=", "+", "-", "@")  # what spreadsheets compute; a formula may start a program


Key = tuple[str, str, int, int, int]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One design synthesized on a cell library; area and leakage are sums over its cells.

    Attributes:
        architecture: name of a form of a rescaler architecture, or of a component.
        multiplier_bits: ``k`` (of a component: its second width).
        acc_bits: operand width (of a component: its first width).
        constant: the multiplier of an architecture that is built for one constant, else 1.
        energy_zero_delay_pj: per result, settled transitions only.
        energy_pj: per result, with gate delays, glitches counted.
        delay_ns: longest path.
        cycles: clock cycles per result of one lane.
        lanes: results per interval.
    """

    library: str
    architecture: str
    multiplier_bits: int
    acc_bits: int
    shift_bits: int
    shift_min: int
    constant: int
    cells: int
    area_um2: float
    energy_zero_delay_pj: float
    energy_pj: float
    delay_ns: float
    leakage_uw: float
    cycles: int
    lanes: int

    @property
    def key(self) -> Key:
        """Library, form or component, and widths: what identifies a measurement of a dataset."""
        return _key(self.library, self.architecture, self.point)

    @property
    def point(self) -> SweepPoint:
        """The design of the sweep."""
        return SweepPoint(**{field.name: getattr(self, field.name) for field in fields(SweepPoint)})


def _key(library: str, name: str, point: SweepPoint) -> Key:
    return (library, name, point.multiplier_bits, point.acc_bits, point.shift_bits)


_ROWS: Final = TypeAdapter(list[Measurement])


def measure_rescaler(
    form: str,
    swept_bits: int,
    acc_bits: int,
    library: Library,
    trace: AccumulatorTrace,
    *,
    history: int = 0,
) -> Measurement:
    """Synthesizes one rescaler and measures it on a trace.

    Args:
        form: name of a form of an architecture.
        swept_bits: value of the width that its sweep varies, in bits.
        acc_bits: width of its operand, in bits.
        library: the cell library.
        trace: the operands.
        history: see ``synthesize``.
    """
    architecture = FORMS[form].architecture
    point = architecture.sweep_point(trace, swept_bits, acc_bits)
    return measure_unit(form, architecture, point, FORMS[form].workload(point), library, trace, history=history)


def measure_unit(
    name: str,
    architecture: Architecture,
    point: SweepPoint,
    workload: RescalerWorkload,
    library: Library,
    trace: AccumulatorTrace,
    *,
    history: int = 0,
) -> Measurement:
    """Synthesizes the unit of a workload, one lane of the widths of a design of the sweep, and measures it on a trace.

    Raises:
        HardwareError: if the architecture cannot be built for the workload.
    """
    architecture.check(workload)
    parameters = tuple(architecture.parameters(workload).items())
    netlist = _netlist(architecture.files, architecture.top, parameters, library, history)
    cycles, lanes = (timing(point.multiplier_bits) for timing in (architecture.interval, architecture.lanes))
    return _measure(name, point, netlist, library, architecture.stimulus(trace, workload), cycles, lanes)


def measure_component(point: ComponentPoint, library: Library, trace: AccumulatorTrace) -> Measurement:
    """Synthesizes one component and measures it on operands of a trace."""
    described = COMPONENTS[point.name]
    widths = _widths(point)
    columns = described.operands(point, trace)
    netlist = _netlist(described.files, described.top, tuple(described.parameters(point).items()), library, 0)
    return _measure(point.name, widths, netlist, library, columns, 1, 1)


def _widths(point: ComponentPoint) -> SweepPoint:
    return SweepPoint(multiplier_bits=point.second, acc_bits=point.first, shift_bits=0, shift_min=0)


# A fractured unit is the same for every k: two operand widths in turn are worth keeping.
@functools.lru_cache(maxsize=2)
def _netlist(
    files: tuple[Path, ...], top: str, parameters: tuple[tuple[str, int], ...], library: Library, history: int
) -> Netlist:
    return synthesize(files, top, dict(parameters), library, history=history)


def _measure(
    name: str, point: SweepPoint, netlist: Netlist, library: Library, columns: Trace, cycles: int, lanes: int
) -> Measurement:
    circuit = build_circuit(netlist, library)
    energy = measure_energy(circuit, columns)
    per_result = cycles / lanes
    return Measurement(
        library=library.name,
        architecture=name,
        **asdict(point),
        cells=circuit.cells,
        area_um2=round(circuit.area_um2, 3),
        energy_zero_delay_pj=round(energy.zero_delay_pj * per_result, 5),
        energy_pj=round(energy.delayed_pj * per_result, 5),
        delay_ns=round(circuit.delay_ns, 4),
        leakage_uw=round(circuit.leakage_uw, 6),
        cycles=cycles,
        lanes=lanes,
    )


def rescaler_points(multiplier_bits: Iterable[int]) -> Iterator[tuple[str, int, int]]:
    """Yields (form, value of the swept width, operand width in bits) of a sweep."""
    values = sorted(set(multiplier_bits))
    for form in FORMS.values():
        for swept_bits in _swept_values(form, values):
            for acc_bits in form.architecture.sweep_widths or _ACC_BITS:
                yield form.name, swept_bits, acc_bits


def _swept_values(form: Form, multiplier_bits: Sequence[int]) -> list[int]:
    """Returns the values of a form's swept width; a second form of an architecture takes fewer of them."""
    low, high = form.architecture.multiplier_bits
    values = [k for k in multiplier_bits if low <= k <= high and not (form.constants and k not in _CONSTANTS_BITS)]
    return list(form.architecture.sweep_values) or values


def read_measurements(path: Path) -> list[Measurement]:
    """Returns the measurements of a CSV file, an empty list if there is none.

    Raises:
        HardwareError: if a row does not fit, or a figure is negative or no number.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            measurements = _ROWS.validate_python(list(csv.DictReader(file)))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise HardwareError(f"{path}: not a table of measurements: {key}: {problem['msg']}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise HardwareError(f"{path}: not a table of measurements: {error}") from None
    for row, measurement in enumerate(measurements):
        for name in _FIGURES:
            value = getattr(measurement, name)
            if not 0 <= value < math.inf:
                raise HardwareError(f"{path}: row {row + 1}: {name} is {value}; a number of at least 0 is needed")
    return measurements


def append_measurement(path: Path, measurement: Measurement) -> None:
    """Adds one row to a CSV file, with a header if it is new."""
    row = asdict(measurement)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def run_sweep(
    path: Path, library: Library, trace: AccumulatorTrace, multiplier_bits: Sequence[int] | None = None
) -> Iterator[Measurement]:
    """Measures all points that a file lacks, and appends them; an interrupted sweep resumes."""
    if library.name.startswith(_FORMULAS):
        raise HardwareError(
            f"{library.path}: a library named {library.name!r} would be a formula in a table of results"
        )
    done = {measurement.key for measurement in read_measurements(path)}
    for name, swept_bits, acc_bits in rescaler_points(multiplier_bits or range(1, 33)):
        if _key(library.name, name, FORMS[name].architecture.sweep_point(trace, swept_bits, acc_bits)) not in done:
            measurement = measure_rescaler(name, swept_bits, acc_bits, library, trace)
            append_measurement(path, measurement)
            yield measurement
    for point in (point for component in COMPONENTS.values() for point in component.points):
        if _key(library.name, point.name, _widths(point)) not in done:
            measurement = measure_component(point, library, trace)
            append_measurement(path, measurement)
            yield measurement
