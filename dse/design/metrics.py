"""What a study can minimise or limit, by name: accuracy lost, and costs with their units."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol


class Metric(StrEnum):
    """A figure of a design; the value is its name in study files, tables and storages, unit included."""

    DROP = "val_accuracy_drop_pp"
    RESCALER_AREA = "rescaler_area_um2"
    RESCALER_ENERGY = "rescaler_energy_nj"
    ACCELERATOR_AREA = "accelerator_area_um2"
    ACCELERATOR_ENERGY = "accelerator_energy_nj"
    LATENCY = "latency_cycles"
    PARAMETER_BITS = "parameter_bits"


DEFAULT_OBJECTIVES = (Metric.DROP, Metric.RESCALER_AREA, Metric.RESCALER_ENERGY)


class Measured(Protocol):
    """Anything that was found of a design: an evaluation, a level of a record, a record."""

    @property
    def val_accuracy_drop_pp(self) -> float:
        """Baseline minus design on the validation split, percentage points."""

    @property
    def rescaler_area_um2(self) -> float | None:
        """Rescalers and their parameter memory, um2."""

    @property
    def rescaler_energy_nj(self) -> float | None:
        """Rescaling of one inference, nJ."""

    @property
    def accelerator_area_um2(self) -> float | None:
        """Rescalers and MACs, um2."""

    @property
    def accelerator_energy_nj(self) -> float | None:
        """Rescales and MACs of one inference, nJ."""

    @property
    def latency_cycles(self) -> int | None:
        """Clock cycles of one inference (shared) or between two (streaming)."""

    @property
    def parameter_bits(self) -> int | None:
        """Bits of per-channel rescaler parameters."""


def value_of(found: Measured, metric: Metric) -> float:
    """A metric of what was found, in its own unit; NaN where it is not known."""
    value: float | None = getattr(found, metric.value)
    return float("nan") if value is None else float(value)


def values_of(found: Measured, metrics: Sequence[Metric]) -> tuple[float, ...]:
    """Metrics of what was found, each in its own unit."""
    return tuple(value_of(found, metric) for metric in metrics)
