"""Technology tables: what a component costs in a process, with source, conditions and error of every figure."""

import functools
import math
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from hwmodels.errors import HardwareError
from hwmodels.orders import DEFAULT_ORDER, OUTPUT_ORDERS, OutputOrder
from hwmodels.toml_files import parse_toml, read_text

ComponentKind = Literal["multiplier", "adder", "comparator", "shifter", "mux", "logic", "register", "memory"]
Metric = Literal["area_um2", "energy_pj", "delay_ns", "leakage_uw"]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)

# Quantities that a figure may be linear in. A term's coefficient multiplies the quantity of the same name. `depth` is
# the number of gate levels in front of the component: glitches, and so energy, grow with it.
TERMS: Final[Mapping[str, tuple[str, ...]]] = {
    # a: operand bits, b: multiplier bits, ab: partial product bits, rows: full adders that reduce them to two rows.
    # An operand wider than the multiplier is added up in rows whose signs are extended: signed_ab are their bits, and
    # extension the bits that repeat a sign. Of a narrower one, the multiplier is added up instead, which has no sign.
    "multiplier": (
        "unit",
        "a",
        "b",
        "ab",
        "rows",
        "signed_ab",
        "extension",
        "a_log2_b",
        "log2_a",
        "log2_b",
        "ab_depth",
    ),
    # overlap: bits at which both operands carry information; halves: at which one is constant; carries: at which one
    # repeats its sign; subtracted: bits that are inverted first
    # aligned, of a delay: bits if no adder or multiplier comes before it on its path. Behind one, whose low bits settle
    # first, its own carries run at the same time.
    "adder": ("unit", "bits", "overlap", "carries", "halves", "subtracted", "log2_bits", "aligned", "bits_depth"),
    "comparator": ("unit", "bits", "log2_bits", "aligned", "bits_depth"),
    "shifter": ("unit", "bits", "mux_bits", "stages", "bits_depth"),  # mux_bits: bits times stages of multiplexers
    "mux": ("unit", "bits", "signals", "bits_depth"),  # signals: bits neither side of which is a constant
    "logic": ("unit", "bits", "bits_depth"),
    "register": ("unit", "bits"),
    "memory": ("unit", "bits"),
}

DELAY_TERMS: Final[Mapping[str, tuple[str, ...]]] = {
    "multiplier": ("unit", "a", "b", "log2_a", "log2_b"),
    "adder": ("unit", "overlap", "carries", "halves", "aligned"),
    "comparator": ("unit", "bits", "log2_bits", "aligned"),
    "shifter": ("unit", "bits", "stages"),
    "mux": ("unit", "bits", "signals"),
    "logic": ("unit", "bits"),
}

# Gates of a design whose logic is known bit by bit, by what reads them: a mapper joins a gate that one other gate reads
# with it. Halves of a full adder that are needed alone are `sum` and `carry`.
GateKind = Literal[
    "and", "and_into_and", "and_into_or", "and_into_mux", "and_into_flop", "and_shared", "mux", "mux_into_mux",
    "xor", "xor_shared", "xor_of_xor", "xor_into_and", "xor_into_flop", "full_adder", "sum", "carry",
    "flip_flop", "flip_flop_with_reset",
]  # fmt: skip
# Single operators; datapaths of several; and redundant ones, over a tenth of whose gates never switch.
DesignClass = Literal["operator", "datapath", "redundant"]
GATE_KINDS: Final[tuple[GateKind, ...]] = get_args(GateKind)

_FOLDER: Final = Path(__file__).parent
_MOST_BYTES: Final = 10_000_000  # a calibrated table has 150 kB


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number, got {value}")
    return value


Finite = Annotated[float, Strict(), AfterValidator(_finite)]  # a number, not a text of one
NotNegative = Annotated[Finite, Field(ge=0)]  # no part of a circuit costs less than nothing
Positive = Annotated[Finite, Field(gt=0)]
Width = Annotated[int, Strict(), Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Record):
    """One metric of a component, linear in its terms.

    Attributes:
        terms: coefficient per term (see ``TERMS``), in the metric's unit.
        error: relative error of the figure as stated by its source or by calibration (0.1 is 10 %).
        source: origin of the coefficients.
    """

    terms: Mapping[str, NotNegative] = Field(min_length=1)
    error: NotNegative
    source: str = Field(min_length=1)


class Component(_Record):
    """Figures of one kind of component; the energy is that of one operation, dynamic, at the table's activity.

    Attributes:
        energy_pj: energy that holds whatever the order of outputs.
        energy_of_order: energies that hold for one order of outputs each, in place of ``energy_pj``.
        missing: reason for figures that are absent.
    """

    area_um2: Figure | None = None
    energy_pj: Figure | None = None
    energy_of_order: Mapping[OutputOrder, Figure] = Field(default_factory=dict)
    delay_ns: Figure | None = None
    leakage_uw: Figure | None = None
    missing: str = "not in the table"

    @model_validator(mode="after")
    def _has_one_energy(self) -> Self:
        if self.energy_pj is not None and self.energy_of_order:
            raise ValueError("energy_pj holds for either order of outputs, energy_of_order for one; leave one out")
        return self

    def figure(self, metric: Metric, order: OutputOrder) -> Figure | None:
        """Returns the figure of a metric for an order of outputs, None if it is absent."""
        if metric == "energy_pj" and self.energy_of_order:
            return self.energy_of_order.get(order)
        figure: Figure | None = getattr(self, metric)
        return figure


class EnergyCorrection(_Record):
    """Energies of one rescaler architecture with its outputs in one order.

    Attributes:
        activity: factor of the components' energies: how often its nets switch, relative to the designs that those
            energies were fitted to.
        ratios: ratio of measured to fitted energy, which includes the activity, per operand width and swept width.
        error: mean absolute relative error of the corrected energy on points left out.
        worst: largest absolute relative error of it.
    """

    activity: Positive = 1.0
    ratios: tuple[tuple[Positive, ...], ...]
    error: NotNegative
    worst: NotNegative


class Correction(_Record):
    """Ratios of synthesis to component figures for one rescaler architecture, smoothed, on a grid of widths.

    Attributes:
        acc_bits: operand widths, ascending.
        multiplier_bits: values of ``k``, ascending; empty if ``shift_bits`` varies instead.
        shift_bits: widths of the variable part of a pure shift, ascending; empty if ``k`` varies.
        area_um2: ratio of measured to fitted area, per operand width and value of ``k`` or ``shift_bits``.
        area_um2_error: mean absolute relative error of the corrected area on points left out.
        area_um2_worst: largest absolute relative error of it.
        energy_of_order: energies per order of outputs.
        delay_ns: delay by static timing of the mapped netlist, smoothed over ``k``.
        delay_ns_error: mean absolute relative error of it on points left out.
        delay_ns_worst: largest absolute relative error of it.
    """

    acc_bits: tuple[Width, ...] = Field(min_length=1)
    multiplier_bits: tuple[Width, ...] = ()
    shift_bits: tuple[Width, ...] = ()
    area_um2: tuple[tuple[Positive, ...], ...]
    area_um2_error: NotNegative
    area_um2_worst: NotNegative
    energy_of_order: Mapping[OutputOrder, EnergyCorrection] = Field(min_length=1)
    delay_ns: tuple[tuple[NotNegative, ...], ...]
    delay_ns_error: NotNegative
    delay_ns_worst: NotNegative

    @property
    def swept(self) -> tuple[int, ...]:
        """Values of the width that varies: ``k``, or the width of the variable shift."""
        return self.multiplier_bits or self.shift_bits

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.multiplier_bits) == bool(self.shift_bits):
            raise ValueError("either multiplier_bits or shift_bits must have values")
        for grid in (self.acc_bits, self.swept):
            if list(grid) != sorted(set(grid)):
                raise ValueError(f"{grid} must ascend")
        shape = (len(self.acc_bits), len(self.swept))
        energies = (energy.ratios for energy in self.energy_of_order.values())
        for table in (self.area_um2, *energies, self.delay_ns):
            if {(len(table), len(row)) for row in table} != {shape}:
                raise ValueError(f"a table must have {shape[0]} rows of {shape[1]} values")
        return self


class Clocking(_Record):
    """What a clock asks of a technology.

    Attributes:
        clock_to_q_ns: delay of a flip-flop from its clock to its output, ns.
        setup_ns: time before the clock edge at which its input must be there, ns.
        fanout_ns: delay that every gate adds which the output drives, beyond the few of ``clock_to_q_ns``, ns.
        clock_pj: energy of its clock pin in a cycle, whether it switches or not, pJ.
        gate_area_um2: area of a clock gate, um2; None if there is nothing to build one of.
        gate_pj: energy of the gate's own clock pin in a cycle, pJ; None likewise.
        source: origin of the figures.
    """

    clock_to_q_ns: NotNegative
    setup_ns: NotNegative
    fanout_ns: NotNegative
    clock_pj: NotNegative
    gate_area_um2: NotNegative | None = None
    gate_pj: NotNegative | None = None
    source: str = Field(min_length=1)


class GateErrors(_Record):
    """Errors of one figure on designs of one class, each left out of the fit (0.1 is 10 %).

    Attributes:
        points: number of designs.
        mean: mean absolute relative error.
        worst: largest absolute relative error.
        rank: Spearman's rank correlation with synthesis.
    """

    points: Annotated[int, Strict(), Field(ge=1)]
    mean: NotNegative
    worst: NotNegative
    rank: Finite


class Gates(_Record):
    """Figures of single gates, which price any design.

    Attributes:
        area_um2: area of a gate of each kind.
        leakage_uw: leakage of it.
        settled_pj: energy of a settled transition of it.
        glitch_pj: energy of a transition on top of the settled ones.
        delay_ns: delay of it, inside a path.
        cycle_pj: energy of a flip-flop in every clock cycle, whether it switches or not.
        area_range_um2: smallest and largest area of the designs that the errors hold for.
        errors: per figure and class of designs, the errors on designs left out.
        source: origin of the figures.
    """

    area_um2: Mapping[GateKind, NotNegative] = Field(min_length=1)
    leakage_uw: Mapping[GateKind, NotNegative] = Field(min_length=1)
    settled_pj: Mapping[GateKind, NotNegative] = Field(min_length=1)
    glitch_pj: Mapping[GateKind, NotNegative] = Field(min_length=1)
    delay_ns: Mapping[GateKind, NotNegative] = Field(min_length=1)
    cycle_pj: NotNegative
    area_range_um2: tuple[NotNegative, NotNegative]
    errors: Mapping[Metric, Mapping[DesignClass, GateErrors]]
    source: str = Field(min_length=1)


class Technology(_Record):
    """A technology table: figures of components at a feature size in nanometres and a supply in volts.

    Attributes:
        name: short name, as in a study file.
        conditions: corner, temperature, clock constraint and the like.
        source: publication or tool run that the table comes from.
        activity: switching activity that the energies hold for, and whether glitches are counted.
        output_order: order of outputs that energies are read for; no key of a table's file.
        components: figures per kind of component.
        clocking: delays and energies of flip-flops and clock gates; None if the table does not give them.
        corrections: residuals of whole rescalers per architecture, in a calibrated table.
        gates: figures of single gates, which price parsed RTL that is not a shipped rescaler; None without them.
    """

    name: str = Field(min_length=1)
    node_nm: Positive
    voltage_v: Positive
    conditions: str = Field(min_length=1)
    source: str = Field(min_length=1)
    activity: str = Field(min_length=1)
    output_order: OutputOrder = DEFAULT_ORDER
    components: Mapping[ComponentKind, Component] = Field(min_length=1)
    clocking: Clocking | None = None
    corrections: Mapping[str, Correction] = Field(default_factory=dict)
    gates: Gates | None = None

    def evaluate(self, kind: ComponentKind, metric: Metric, quantities: Mapping[str, float]) -> float | None:
        """Returns a metric of one component in its unit, or None if the table does not give it.

        ``quantities`` has the value of each term that the kind knows, except 'unit', which is 1.
        """
        figure = self._figure(kind, metric)
        if figure is None:
            return None
        return sum([value * (1.0 if term == "unit" else quantities[term]) for term, value in figure.terms.items()])

    def _figure(self, kind: ComponentKind, metric: Metric) -> Figure | None:
        component = self.components.get(kind)
        return None if component is None else component.figure(metric, self.output_order)

    def in_order(self, order: str) -> Self:
        """Returns the table with its energies read for an order of outputs.

        Raises:
            HardwareError: if there is no such order.
        """
        if order not in OUTPUT_ORDERS:
            raise HardwareError(f"output_order is {order!r}; use one of {', '.join(OUTPUT_ORDERS)}")
        return self.model_copy(update={"output_order": order})

    @property
    def energy_order(self) -> OutputOrder | None:
        """The order of outputs that the energies hold for, None if there is one energy for both orders."""
        return self.output_order if any(each.energy_of_order for each in self.components.values()) else None

    @property
    def order_note(self) -> str:
        """What the energies say about the order of outputs, in words."""
        if self.energy_order is None:
            return f"{self.name} has one energy for both orders of outputs"
        return f"outputs in {self.energy_order} order"

    def error(self, kind: ComponentKind, metric: Metric) -> float:
        """Returns the relative error of a figure as the table states it, 0 for an absent figure."""
        figure = self._figure(kind, metric)
        return 0.0 if figure is None else figure.error

    def activity_of(self, forms: Sequence[str]) -> float:
        """Returns the factor of component energies in the first of these forms of architectures that the table has."""
        known = next((self.corrections[form] for form in forms if form in self.corrections), None)
        energy = known.energy_of_order.get(self.output_order) if known is not None else None
        return 1.0 if energy is None else energy.activity

    def reason(self, kind: ComponentKind, metric: Metric) -> str:
        """Returns why a figure is absent."""
        if kind not in self.components:
            return f"{self.name} has no {kind}"
        if metric == "energy_pj" and self.components[kind].energy_of_order:
            return f"{self.name} gives no {metric} of a {kind} with outputs in {self.output_order} order"
        return f"{self.name} gives no {metric} of a {kind} ({self.components[kind].missing})"


def technology_names() -> tuple[str, ...]:
    """Returns the names of the technologies that come with the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_technology(name_or_path: str | Path, output_order: OutputOrder = DEFAULT_ORDER) -> Technology:
    """Returns a technology by the name of a shipped table, or reads one from a path that ends in ``.toml``.

    Its energies are those of outputs in the given order; a table that has one energy for both orders keeps that.

    Raises:
        HardwareError: if there is no such table or order, or the table is not valid; the message names file, key and
            value.
    """
    name = str(name_or_path)
    if name in technology_names():
        return _read(_FOLDER / f"{name}.toml").in_order(output_order)
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise HardwareError(
            f"unknown technology {name!r}; use one of {', '.join(technology_names())}, or the path of a .toml table"
        )
    return _read(path.resolve()).in_order(output_order)


def _read(path: Path) -> Technology:
    try:
        text = read_text(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        raise HardwareError(f"{path}: cannot be read ({error})") from None
    return parse_technology(text, str(path))


@functools.lru_cache(maxsize=32)
def parse_technology(text: str, name: str) -> Technology:
    """Returns the technology of a TOML text; error messages call it by ``name``.

    Raises:
        HardwareError: if the text is not TOML, or not a valid table.
    """
    try:
        document = parse_toml(text)
    except ValueError as error:
        raise HardwareError(f"{name}: not valid TOML: {error}") from None
    try:
        technology = Technology.model_validate(document)
    except ValidationError as error:
        raise HardwareError(f"{name}: {_first_problem(error)}") from None
    if "output_order" in document:
        raise HardwareError(f"{name}: output_order is chosen by who reads the table; leave it out")
    for kind, component in technology.components.items():
        _check_terms(name, kind, component)
    return technology


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    given = problem["input"]
    shown = f"a table of {', '.join(map(str, given))}"[:200] if isinstance(given, dict) else reprlib.repr(given)
    return f"{key}: {problem['msg'].removeprefix('Value error, ')} (got {shown})"


def _check_terms(name: str, kind: ComponentKind, component: Component) -> None:
    figures: dict[str, Figure | None] = {metric: getattr(component, metric) for metric in METRICS}
    figures |= {f"energy_of_order.{order}": figure for order, figure in component.energy_of_order.items()}
    for key, figure in figures.items():
        for term in figure.terms if figure is not None else ():
            if term not in TERMS[kind]:
                known = ", ".join(TERMS[kind])
                raise HardwareError(f"{name}: components.{kind}.{key}.terms: unknown term {term!r}; known: {known}")
