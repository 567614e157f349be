"""Sweeps of synthesized designs: area, delay, leakage and energy of rescalers and of single components."""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from hwmodels.architectures import DEFAULT_CHOICE, FORMS, Architecture, Form, SweepPoint
from hwmodels.errors import HardwareError
from hwmodels.orders import OUTPUT_ORDERS, OutputOrder
from hwmodels.synthesis.activity import Trace, measure_energy
from hwmodels.synthesis.circuit import build_circuit
from hwmodels.synthesis.component_sweep import COMPONENTS, ComponentPoint
from hwmodels.synthesis.csv_rows import append_row, read_rows
from hwmodels.synthesis.liberty import Library
from hwmodels.synthesis.yosys import Mapper, Netlist, synthesize
from hwmodels.traces import Recording
from hwmodels.workload import RescalerWorkload

BASELINE_BITS: Final = 31
# Operand widths, and values of k, of the architecture that studies take by default, of its form that is built for
# constants, and of the others. From these the costs at the other widths follow almost as well as from a sweep of all of
# them (docs/results/hardware.md), in a quarter of the time.
_ACC_BITS: Final = (20, 32)
_OTHERS_ACC_BITS: Final = (20,)
_DEFAULT_FORM_BITS: Final = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 31, 32)
_OTHER_FORMS_BITS: Final = (1, 2, 4, 8, 16, 24, 31)
# Between these, values of k of the other forms that no fit sees: they judge it.
_JUDGING_BITS: Final = (3, 6, 12, 20)
_FIGURES: Final = (
    "area_um2",
    "zero_delay_channel_innermost_pj",
    "energy_channel_innermost_pj",
    "zero_delay_channel_outermost_pj",
    "energy_channel_outermost_pj",
    "delay_ns",
    "leakage_uw",
)
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
        zero_delay_channel_innermost_pj: per result, settled transitions only, outputs in this order.
        energy_channel_innermost_pj: per result, with gate delays, glitches counted, outputs in this order.
        zero_delay_channel_outermost_pj: likewise, outputs in the other order.
        energy_channel_outermost_pj: likewise.
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
    zero_delay_channel_innermost_pj: float
    energy_channel_innermost_pj: float
    zero_delay_channel_outermost_pj: float
    energy_channel_outermost_pj: float
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

    def energy_pj(self, order: OutputOrder) -> float:
        """Returns the energy per result with gate delays, outputs in an order."""
        energy: float = getattr(self, f"energy_{order}_pj")
        return energy

    def zero_delay_pj(self, order: OutputOrder) -> float:
        """Returns the energy per result of settled transitions, outputs in an order."""
        energy: float = getattr(self, f"zero_delay_{order}_pj")
        return energy


def _key(library: str, name: str, point: SweepPoint) -> Key:
    return (library, name, point.multiplier_bits, point.acc_bits, point.shift_bits)


_ROWS: Final = TypeAdapter(list[Measurement])


def measure_rescaler(
    form: str,
    swept_bits: int,
    acc_bits: int,
    library: Library,
    recording: Recording,
    *,
    history: int = 0,
) -> Measurement:
    """Synthesizes one rescaler and measures it on a trace.

    Args:
        form: name of a form of an architecture.
        swept_bits: value of the width that its sweep varies, in bits.
        acc_bits: width of its operand, in bits.
        library: the cell library.
        recording: the operands.
        history: see ``synthesize``.
    """
    architecture = FORMS[form].architecture
    point = form_point(form, swept_bits, acc_bits, recording)
    return measure_unit(form, architecture, point, FORMS[form].workload(point), library, recording, history=history)


def form_point(form: str, swept_bits: int, acc_bits: int, recording: Recording) -> SweepPoint:
    """Returns the design of a form at the given widths in bits; both orders of a recording have the same."""
    return FORMS[form].architecture.sweep_point(recording.in_order(OUTPUT_ORDERS[0]), swept_bits, acc_bits)


def measure_unit(
    name: str,
    architecture: Architecture,
    point: SweepPoint,
    workload: RescalerWorkload,
    library: Library,
    recording: Recording,
    *,
    history: int = 0,
    mapper: Mapper = "amap",
) -> Measurement:
    """Synthesizes the unit of a workload, one lane of the widths of a design of the sweep, and measures both orders.

    Raises:
        HardwareError: if the architecture cannot be built for the workload.
    """
    architecture.check(workload)
    parameters = tuple(architecture.parameters(workload).items())
    netlist = _netlist(architecture.files, architecture.top, parameters, library, history, mapper)
    cycles, lanes = (timing(point.multiplier_bits) for timing in (architecture.interval, architecture.lanes))
    columns = {order: architecture.stimulus(recording.in_order(order), workload) for order in OUTPUT_ORDERS}
    return _measure(name, point, netlist, library, columns, cycles, lanes)


def measure_component(point: ComponentPoint, library: Library, recording: Recording) -> Measurement:
    """Synthesizes one component and measures it on operands of a recording."""
    described = COMPONENTS[point.name]
    widths = _widths(point)
    columns = {order: described.operands(point, recording.in_order(order)) for order in OUTPUT_ORDERS}
    netlist = _netlist(described.files, described.top, tuple(described.parameters(point).items()), library, 0, "amap")
    return _measure(point.name, widths, netlist, library, columns, 1, 1)


def _widths(point: ComponentPoint) -> SweepPoint:
    return SweepPoint(multiplier_bits=point.second, acc_bits=point.first, shift_bits=0, shift_min=0)


# A fractured unit is the same for every k: two operand widths in turn are worth keeping.
@functools.lru_cache(maxsize=2)
def _netlist(
    files: tuple[Path, ...],
    top: str,
    parameters: tuple[tuple[str, int], ...],
    library: Library,
    history: int,
    mapper: Mapper,
) -> Netlist:
    return synthesize(files, top, dict(parameters), library, history=history, mapper=mapper)


def _measure(
    name: str,
    point: SweepPoint,
    netlist: Netlist,
    library: Library,
    columns: Mapping[OutputOrder, Trace],
    cycles: int,
    lanes: int,
) -> Measurement:
    circuit = build_circuit(netlist, library)
    per_result = cycles / lanes
    innermost, outermost = (measure_energy(circuit, columns[order]) for order in OUTPUT_ORDERS)
    return Measurement(
        library=library.name,
        architecture=name,
        **asdict(point),
        cells=circuit.cells,
        area_um2=round(circuit.area_um2, 3),
        zero_delay_channel_innermost_pj=round(innermost.zero_delay_pj * per_result, 5),
        energy_channel_innermost_pj=round(innermost.delayed_pj * per_result, 5),
        zero_delay_channel_outermost_pj=round(outermost.zero_delay_pj * per_result, 5),
        energy_channel_outermost_pj=round(outermost.delayed_pj * per_result, 5),
        delay_ns=round(circuit.delay_ns, 4),
        leakage_uw=round(circuit.leakage_uw, 6),
        cycles=cycles,
        lanes=lanes,
    )


def rescaler_points(multiplier_bits: Iterable[int] | None = None) -> Iterator[tuple[str, int, int]]:
    """Yields (form, value of the swept width, operand width in bits) of a sweep over some values of ``k``."""
    values = None if multiplier_bits is None else sorted(set(multiplier_bits))
    for form in FORMS.values():
        for swept_bits in _swept_values(form, values):
            for acc_bits in form.architecture.sweep_widths or _operand_widths(form):
                yield form.name, swept_bits, acc_bits


def _operand_widths(form: Form) -> tuple[int, ...]:
    return _ACC_BITS if form.architecture.name == DEFAULT_CHOICE else _OTHERS_ACC_BITS


def _swept_values(form: Form, multiplier_bits: Sequence[int] | None) -> list[int]:
    """Returns the values of a form's swept width."""
    architecture = form.architecture
    if architecture.swept == "shift_bits":
        return list(architecture.sweep_values)
    if multiplier_bits is None:
        others = sorted({*_OTHER_FORMS_BITS, *_JUDGING_BITS})
        multiplier_bits = _DEFAULT_FORM_BITS if form.name == DEFAULT_CHOICE else others
    low, high = architecture.multiplier_bits
    high = min(high, BASELINE_BITS) if form.constants else high
    return [k for k in multiplier_bits if low <= k <= high and k in (architecture.sweep_values or (k,))]


def judges(measurement: Measurement) -> bool:
    """Returns whether a measurement judges a fit instead of entering it.

    Of the form that studies take by default all enter, and each is judged by the fit to the others.
    """
    form = FORMS.get(measurement.architecture)
    if form is None or form.name == DEFAULT_CHOICE or form.architecture.swept == "shift_bits":
        return False
    return measurement.multiplier_bits in _JUDGING_BITS


def read_measurements(path: Path) -> list[Measurement]:
    """Returns the measurements of a CSV file, an empty list if there is none.

    Raises:
        HardwareError: if a row does not fit, or a figure is negative or no number.
    """
    measurements = read_rows(path, _ROWS, "measurements")
    for row, measurement in enumerate(measurements):
        for name in _FIGURES:
            value = getattr(measurement, name)
            if not 0 <= value < math.inf:
                raise HardwareError(f"{path}: row {row + 1}: {name} is {value}; a number of at least 0 is needed")
    return measurements


def append_measurement(path: Path, measurement: Measurement) -> None:
    """Adds one row to a CSV file, with a header if it is new."""
    append_row(path, asdict(measurement))


def run_sweep(
    path: Path, library: Library, recording: Recording, multiplier_bits: Sequence[int] | None = None
) -> Iterator[Measurement]:
    """Measures all points that a file lacks, and appends them; an interrupted sweep resumes."""
    if library.name.startswith(_FORMULAS):
        raise HardwareError(
            f"{library.path}: a library named {library.name!r} would be a formula in a table of results"
        )
    done = {measurement.key for measurement in read_measurements(path)}
    for name, swept_bits, acc_bits in rescaler_points(multiplier_bits):
        if _key(library.name, name, form_point(name, swept_bits, acc_bits, recording)) not in done:
            measurement = measure_rescaler(name, swept_bits, acc_bits, library, recording)
            append_measurement(path, measurement)
            yield measurement
    for point in (point for component in COMPONENTS.values() for point in component.points):
        if _key(library.name, point.name, _widths(point)) not in done:
            measurement = measure_component(point, library, recording)
            append_measurement(path, measurement)
            yield measurement
