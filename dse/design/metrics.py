"""Figures of a design: each is declared once; files, tables, reports and study files derive from the declaration.

A new figure is one more declaration in ``FIGURES``, and the code that computes it for an evaluation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Protocol

from hwmodels import NetworkCost
from hwmodels.accelerator import AcceleratorCost


class Evaluated(Protocol):
    """What figures are computed from; :class:`dse.design.evaluation.Evaluation` describes the attributes."""

    @property
    def val_accuracy(self) -> float | None: ...  # noqa: D102 -- the class that has it documents it
    @property
    def val_accuracy_drop_pp(self) -> float | None: ...  # noqa: D102 -- likewise
    @property
    def val_disagreement_pp(self) -> float | None: ...  # noqa: D102 -- likewise
    @property
    def val_divergence(self) -> float | None: ...  # noqa: D102 -- likewise
    @property
    def val_cross_entropy_increase(self) -> float | None: ...  # noqa: D102 -- likewise
    @property
    def val_metric(self) -> float | None: ...  # noqa: D102 -- likewise
    @property
    def val_metric_loss(self) -> float | None: ...  # noqa: D102 -- likewise
    @property
    def accelerator(self) -> AcceleratorCost: ...  # noqa: D102 -- likewise
    @property
    def other_cost(self) -> NetworkCost: ...  # noqa: D102 -- likewise
    @property
    def other_style_area_um2(self) -> float | None: ...  # noqa: D102 -- likewise


class Direction(Enum):
    """The better direction: less, more, or neither, for a figure that only informs."""

    MINIMIZE = auto()
    MAXIMIZE = auto()
    NONE = auto()


class Section(IntEnum):
    """A group of columns in front.csv and baselines.csv, which keep this order of groups."""

    DESIGN = 0
    VALIDATION = 1
    CONTROL = 2
    TEST = 3
    RESCALERS = 4
    ACCELERATOR = 5
    PARAMETERS = 6
    OTHER = 7  # after the widths and methods of the rescalers
    BOOKKEEPING = 8  # only in the tables of all trials


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a design.

    Attributes:
        name: name in study files, storages and tables, unit included.
        title: name for people.
        unit: unit for people.
        section: place among the columns of front.csv.
        direction: studies may minimise and limit figures with ``Direction.MINIMIZE``.
        measured: returns the figure of an evaluation, in its unit; None if it is not known.
        reference: end of the hypervolume, as a multiple of int32's value (of a loss: in its unit).
        word: what a loss is called for short.
        on_test: columns of the same figure on the test split and of the ends of its 95% interval; empty if it has none.
    """

    name: str
    title: str
    unit: str
    section: Section
    direction: Direction
    measured: Callable[[Evaluated], float | None]
    reference: float = 1.0
    word: str = ""
    on_test: tuple[str, ...] = ()

    @property
    def has_margin(self) -> bool:
        """Whether the study's margin, in percentage points of accuracy or agreement, is one of this loss."""
        return self.unit == "pp"

    @property
    def in_words(self) -> str:
        """Title of a loss without the split, for sentences."""
        return self.title.removeprefix("Validation ")

    @property
    def heading(self) -> str:
        """Title with the unit."""
        return f"{self.title} ({self.unit})"


# fmt: off
VAL_ACCURACY = Figure(
    "val_accuracy", "Validation accuracy", "%", Section.VALIDATION, Direction.MAXIMIZE,
    lambda evaluation: evaluation.val_accuracy,
)
DROP = Figure(
    "val_accuracy_drop_pp", "Validation accuracy drop", "pp", Section.VALIDATION, Direction.MINIMIZE,
    lambda evaluation: evaluation.val_accuracy_drop_pp, reference=5.0, word="drop",
    on_test=("test_accuracy_drop_pp", "ci_low", "ci_high"),
)
DISAGREEMENT = Figure(  # at least as large as the accuracy drop
    "val_disagreement_pp", "Validation disagreement with int32", "pp", Section.VALIDATION, Direction.MINIMIZE,
    lambda evaluation: evaluation.val_disagreement_pp, reference=5.0, word="disagreement",
    on_test=("test_disagreement_pp", "test_disagreement_low", "test_disagreement_high"),
)
DIVERGENCE = Figure(  # classes: mean Kullback-Leibler divergence; values: mean squared error over int32's variance
    "val_divergence", "Validation divergence from int32", "nats, or share of variance", Section.VALIDATION,
    Direction.MINIMIZE, lambda evaluation: evaluation.val_divergence, reference=0.1, word="divergence",
    on_test=("test_divergence", "test_divergence_low", "test_divergence_high"),
)
CROSS_ENTROPY = Figure(  # 0.03 nats a point of accuracy drop (0.022 to 0.042 on digits, kws and resnet8), so 0.15 for 5
    "val_cross_entropy_increase", "Validation cross-entropy above int32's", "nats", Section.VALIDATION,
    Direction.NONE, lambda evaluation: evaluation.val_cross_entropy_increase, reference=0.15, word="cross-entropy",
)
METRIC = Figure(
    "val_metric", "Validation metric", "in its own unit", Section.VALIDATION, Direction.NONE,
    lambda evaluation: evaluation.val_metric,
)
METRIC_LOSS = Figure(  # how much worse than int32, as a share of int32's
    "val_metric_loss", "Validation loss of the metric", "% of int32's", Section.VALIDATION, Direction.MINIMIZE,
    lambda evaluation: evaluation.val_metric_loss, reference=5.0, word="metric loss",
    on_test=("test_metric_loss", "test_metric_loss_low", "test_metric_loss_high"),
)
RESCALER_AREA = Figure(
    "rescaler_area_um2", "Rescaler area", "µm²", Section.RESCALERS, Direction.MINIMIZE,
    lambda evaluation: evaluation.accelerator.rescalers.rescaler_area_um2,
)
RESCALER_ENERGY = Figure(
    "rescaler_energy_nj", "Rescaler energy per inference", "nJ", Section.RESCALERS, Direction.MINIMIZE,
    lambda evaluation: evaluation.accelerator.rescalers.rescaler_energy_nj,
)
OTHER_AREA = Figure(
    "other_rescaler_area_um2", "Rescaler area, other cost model", "µm²", Section.RESCALERS, Direction.NONE,
    lambda evaluation: evaluation.other_cost.rescaler_area_um2,
)
OTHER_ENERGY = Figure(
    "other_rescaler_energy_nj", "Rescaler energy per inference, other cost model", "nJ", Section.RESCALERS,
    Direction.NONE, lambda evaluation: evaluation.other_cost.rescaler_energy_nj,
)
ACCELERATOR_AREA = Figure(
    "accelerator_area_um2", "Accelerator area", "µm²", Section.ACCELERATOR, Direction.MINIMIZE,
    lambda evaluation: evaluation.accelerator.area_um2,
)
ACCELERATOR_ENERGY = Figure(
    "accelerator_energy_nj", "Accelerator energy per inference", "nJ", Section.ACCELERATOR, Direction.MINIMIZE,
    lambda evaluation: evaluation.accelerator.energy_nj,
)
# Of the buffers of weights and activations, which stand beside the accelerator: rescalers change nothing in them.
MEMORY_AREA = Figure(
    "memory_area_um2", "Area of the buffers", "µm²", Section.ACCELERATOR, Direction.NONE,
    lambda evaluation: None if (own := evaluation.accelerator.memories) is None else own.area_um2,
)
MEMORY_ENERGY = Figure(
    "memory_energy_nj", "Energy of the buffers per inference", "nJ", Section.ACCELERATOR, Direction.NONE,
    lambda evaluation: None if (own := evaluation.accelerator.memories) is None else own.energy_nj,
)
MEMORY_LEAKAGE = Figure(
    "memory_leakage_uw", "Leakage of the buffers in their table's process", "µW", Section.ACCELERATOR, Direction.NONE,
    lambda evaluation: None if (own := evaluation.accelerator.memories) is None else own.leakage_uw,
)
LATENCY = Figure(  # narrowing does not change the latency, and a design with int32's latency must count too
    "latency_cycles", "Latency", "cycles", Section.ACCELERATOR, Direction.MINIMIZE,
    lambda evaluation: evaluation.accelerator.latency_cycles, reference=1.1,
)
LATENCY_NS = Figure(  # at the study's clock, which pipelines of another depth make a few cycles longer or shorter
    "latency_ns", "Latency", "ns", Section.ACCELERATOR, Direction.MINIMIZE,
    lambda evaluation: evaluation.accelerator.latency_ns, reference=1.1,
)
PERIOD = Figure(
    "period_ns", "Shortest clock period of the rescalers", "ns", Section.ACCELERATOR, Direction.MINIMIZE,
    lambda evaluation: evaluation.accelerator.period_ns,
)
PARAMETER_BITS = Figure(
    "parameter_bits", "Rescaler parameters", "bits", Section.PARAMETERS, Direction.MINIMIZE,
    lambda evaluation: evaluation.accelerator.rescalers.parameter_bits,
)
OTHER_STYLE_AREA = Figure(
    "other_style_rescaler_area_um2", "Rescaler area, other accelerator style", "µm²", Section.OTHER, Direction.NONE,
    lambda evaluation: evaluation.other_style_area_um2,
)

FIGURES: tuple[Figure, ...] = (
    VAL_ACCURACY, DROP, DISAGREEMENT, DIVERGENCE, CROSS_ENTROPY, METRIC, METRIC_LOSS,
    RESCALER_AREA, RESCALER_ENERGY, OTHER_AREA, OTHER_ENERGY, ACCELERATOR_AREA, ACCELERATOR_ENERGY,
    MEMORY_AREA, MEMORY_ENERGY, MEMORY_LEAKAGE, LATENCY, LATENCY_NS, PERIOD,
    PARAMETER_BITS, OTHER_STYLE_AREA,
)
# fmt: on
LOSSES = (
    DROP,
    DISAGREEMENT,
    DIVERGENCE,
    METRIC_LOSS,
)  # what narrowing costs; one of them is the first objective of a study
_SEARCHED = {DROP.name: CROSS_ENTROPY.name, DISAGREEMENT.name: DIVERGENCE.name}  # a count, and what moves with it
DEFAULT_OBJECTIVES = (DROP.name, RESCALER_AREA.name, RESCALER_ENERGY.name)


class Measured(Protocol):
    """Anything that has figures: an evaluation, a level of a record, a record."""

    @property
    def figures(self) -> Mapping[str, float | None]:
        """Every figure by name; None if it is not known."""


def objective_names() -> tuple[str, ...]:
    """Returns the names of the figures that a study may minimise or limit."""
    return tuple(figure.name for figure in FIGURES if figure.direction is Direction.MINIMIZE)


def objective(name: str) -> str:
    """Returns a name that is one of :func:`objective_names`.

    Raises:
        ValueError: no study can minimise such a figure.
    """
    if name not in (names := objective_names()):
        raise ValueError(f"should be one of {', '.join(names)}")
    return name


def search_objectives(objectives: Sequence[str]) -> tuple[str, ...]:
    """Returns the figures that a search for these objectives minimises.

    The loss becomes a continuous one. Counts of right answers move in steps of one sample and rank similar designs by
    luck; the cross-entropy of the same outputs, or without labels their divergence, is far less noisy.
    """
    return (_SEARCHED.get(objectives[0], objectives[0]), *objectives[1:])


def area_of(objectives: Sequence[str]) -> Figure:
    """Returns the area that is shown of a study: the accelerator's if its area or energy is minimised."""
    return ACCELERATOR_AREA if {ACCELERATOR_AREA.name, ACCELERATOR_ENERGY.name} & set(objectives) else RESCALER_AREA


def cost_of(objectives: Sequence[str]) -> Figure:
    """Returns what the cheapest design of a study has least of: the area shown, or the first cost if that is none."""
    return area if (area := area_of(objectives)).name in objectives else figure_named(objectives[1])


def figure_named(name: str) -> Figure:
    """Returns the figure of a name."""
    return {figure.name: figure for figure in FIGURES}[name]


def value_of(measured: Measured, name: str) -> float:
    """Returns a figure in its own unit; NaN if it is not known."""
    value = measured.figures.get(name)
    return float("nan") if value is None else float(value)


def values_of(measured: Measured, names: Sequence[str]) -> tuple[float, ...]:
    """Returns figures, each in its own unit; NaN for those that are not known."""
    return tuple(value_of(measured, name) for name in names)
