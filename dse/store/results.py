"""The results of a study as tables: the form in which every report, picture and file reads them."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
from optuna.trial import TrialState

from dse.design import (
    ACCELERATOR_AREA,
    ACCELERATOR_ENERGY,
    RESCALER_ENERGY,
    CostSource,
    Figure,
    Level,
    Role,
    TestScore,
    area_of,
    bits_key,
    cost_of,
    figure_named,
    method_key,
    shift_key,
)
from dse.store.looks import Look
from dse.store.records import TrialRecord

SHIFT_WINDOWS = "shift windows"  # in StudyFacts.varying


@dataclass(frozen=True)
class StudyFacts:
    """What a reader has to know besides the numbers.

    Attributes:
        study, network, dataset: names of the study, its network and its data.
        samples: samples of each split (``finetune``, ``validation``, ``test``).
        contract: rounding contract.
        weight_bits: width of the weights in bits; in a portfolio, all widths that its networks have.
        style: ``streaming`` or ``shared``.
        lanes: rescalers side by side.
        objective_cost, other_cost: the cost model of the objectives, and the one that is shown for comparison.
        margin_pp: non-inferiority margin, percentage points.
        complete: whether all trials of the study are complete.
        provenance: seed, versions, data hashes, git revision, times; key to printable value.
        objectives: names of the figures that the study minimises, the loss first.
        members: networks of a portfolio; empty in a study of one network.
        architecture: architecture of the rescalers.
        varying: which of shift windows, weight bits, contract, style and lanes the designs choose, in words; the
            attributes above are then the baseline's.
        calibration: number of unlabelled samples that narrowed networks are calibrated with; 0: they are not.
        accelerator: shape of the accelerator around the rescalers, in words.
        output_order: order in which a lane rescales outputs.
        looks_before: looks at test samples of the same data that earlier runs in the folder took.
        clock_mhz: frequency of the target clock, MHz; None without one.
        clock_gating: whether clock gates stop the clocks of rescalers that wait; None without a clock.
    """

    study: str
    network: str
    dataset: str
    samples: dict[str, int]
    contract: str
    weight_bits: str
    style: str
    lanes: int
    objective_cost: CostSource
    other_cost: CostSource
    margin_pp: float
    complete: bool
    provenance: dict[str, str]
    objectives: tuple[str, ...]
    architecture: str
    varying: tuple[str, ...]
    members: tuple[str, ...]
    calibration: int
    accelerator: str
    output_order: str
    looks_before: int = 0
    clock_mhz: float | None = None
    clock_gating: bool | None = None

    @property
    def clocked(self) -> str:
        """The target clock for a list of what the hardware is, a comma in front; empty without one."""
        return "" if self.clock_mhz is None else f", {self.clock_mhz:g} MHz"

    @property
    def windows_vary(self) -> bool:
        """Whether some designs have other shifts than the natural ones."""
        return SHIFT_WINDOWS in self.varying

    @property
    def loss(self) -> Figure:
        """What designs lose against int32: the first objective."""
        return figure_named(self.objectives[0])

    @property
    def margin(self) -> float | None:
        """The margin in the unit of the loss, percentage points; None for a loss that has none."""
        return self.margin_pp if self.loss.has_margin else None

    @property
    def cost(self) -> Figure:
        """What the cheapest design has least of (:func:`dse.design.metrics.cost_of`)."""
        return cost_of(self.objectives)

    @property
    def costed(self) -> str:
        """The unit whose costs are shown: ``accelerator`` if its area or energy is an objective, else ``rescaler``."""
        return "accelerator" if self.area is ACCELERATOR_AREA else "rescaler"

    @property
    def area(self) -> Figure:
        """The area that reports show."""
        return area_of(self.objectives)

    @property
    def energy(self) -> Figure:
        """The energy that reports show."""
        return {"accelerator": ACCELERATOR_ENERGY, "rescaler": RESCALER_ENERGY}[self.costed]


@dataclass(frozen=True)
class StudyResults:
    """Everything that reports are made of.

    Attributes:
        facts: what a reader has to know besides the numbers.
        rescalers: names of the rescalers, in order of execution.
        trials: a row per trial, with the columns of :func:`dse.store.columns.trial_columns`; then, in a portfolio,
            ``<member>.`` with ``val_accuracy``, every loss on validation and test, and ``regret_pp``
            (:func:`dse.store.collection.with_regret`); then what the design chose: ``<layer>.weight_bits``,
            ``contract``, ``style`` and ``lanes`` if they vary, ``calibration``, and
            ``<rescaler>.multiplier_bits``, ``<rescaler>.method`` and ``<rescaler>.shift_bits`` (empty: natural shifts;
            no such column if all are). The accuracy of a portfolio is that of its members together; its test figures
            are those of the member whose interval reaches highest.
        layers: a row per complete trial and rescaler: ``trial``, ``rescaler``, ``multiplier_bits``, ``method`` and the
            other fields of :class:`dse.store.records.LayerRecord`.
        records: the results of the complete trials, by number.
        scores: the test scores, by number of the trial.
        looks: what was fixed before each reading of the test split, in order.
    """

    facts: StudyFacts
    rescalers: tuple[str, ...]
    trials: pd.DataFrame
    layers: pd.DataFrame
    records: Mapping[int, TrialRecord] = field(default_factory=dict)
    scores: Mapping[int, TestScore] = field(default_factory=dict)
    looks: tuple[Look, ...] = ()

    @property
    def bits_columns(self) -> list[str]:
        """Columns of ``trials`` with the multiplier widths, in bits."""
        return [bits_key(name) for name in self.rescalers]

    @property
    def method_columns(self) -> list[str]:
        """Columns of ``trials`` with the methods."""
        return [method_key(name) for name in self.rescalers]

    @property
    def shift_columns(self) -> list[str]:
        """Columns of the shift windows, in bits; ``trials`` lacks those of rescalers that have natural shifts only."""
        return [shift_key(name) for name in self.rescalers]

    @cached_property
    def complete(self) -> pd.DataFrame:
        """The complete trials."""
        return self.trials[self.trials["state"] == TrialState.COMPLETE.name]

    @cached_property
    def judged(self) -> pd.DataFrame:
        """The trials that may be on the front: scored on the whole validation split, feasible if any of them is."""
        whole = self.complete[self.complete["fidelity"] != Level.PART]
        feasible = whole[whole["feasible"].astype(bool)]
        return whole if feasible.empty else feasible

    @cached_property
    def front(self) -> pd.DataFrame:
        """The non-dominated designs, cheapest first."""
        return self.trials[self.trials["on_front"]].sort_values([self.facts.area.name, self.facts.loss.name])

    @cached_property
    def baselines(self) -> pd.DataFrame:
        """The complete baselines: int32, its fine-tuned control, the uniform widths."""
        return self.complete[self.complete["role"] != Role.SEARCH]

    @cached_property
    def int32(self) -> pd.DataFrame:
        """The int32 baseline; no row before it is complete."""
        return self.complete[self.complete["role"] == Role.INT32]

    @cached_property
    def int16_row(self) -> Mapping[Hashable, object]:
        """The row of the int16 baseline, by column; empty before it is complete."""
        rows = self.complete[self.complete["role"] == Role.INT16]
        return next(iter(rows.to_dict(orient="records")), {})

    @cached_property
    def int32_row(self) -> Mapping[Hashable, object]:
        """The row of the int32 baseline, by column; empty before it is complete."""
        return next(iter(self.int32.to_dict(orient="records")), {})
