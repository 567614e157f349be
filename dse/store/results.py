"""What a study found, as tables: the form in which every report, picture and file reads it."""

from dataclasses import dataclass

import pandas as pd

from dse.design.cost_source import CostSource
from dse.design.metrics import DEFAULT_OBJECTIVES, Metric


@dataclass(frozen=True)
class StudyFacts:
    """What stands beside the numbers.

    Attributes:
        study: name of the study.
        network: name of the network.
        dataset: name of the data.
        samples: samples of each split (``finetune``, ``validation``, ``test``).
        contract: rounding contract.
        weight_bits: width in bits of the weights; of a portfolio, of every network that differs.
        style: ``streaming`` or ``shared``.
        lanes: rescalers side by side.
        objective_cost: the cost model that is the objective.
        other_cost: the one shown beside it.
        margin_pp: non-inferiority margin asked for, percentage points.
        resolvable_margin_pp: smallest margin at which this test split could show a design of equal accuracy
            non-inferior, percentage points (None before any design was scored on it).
        complete: whether all trials asked for are done.
        provenance: seed, versions, data hashes, git revision, times; key to printable value.
        objectives: what the study minimises, the accuracy drop first.
        members: networks of a portfolio; empty in a study of one network.
        architecture: how a rescaler is built.
        varying: what of contract, weight bits, style and lanes the designs choose, in words; above, the baseline's.
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
    resolvable_margin_pp: float | None
    complete: bool
    provenance: dict[str, str]
    objectives: tuple[Metric, ...] = DEFAULT_OBJECTIVES
    architecture: str = "array"
    varying: tuple[str, ...] = ()
    members: tuple[str, ...] = ()

    @property
    def costed(self) -> str:
        """Whose area and energy reports show: ``accelerator`` where one of these is an objective, else ``rescaler``."""
        totals = {Metric.ACCELERATOR_AREA, Metric.ACCELERATOR_ENERGY}
        return "accelerator" if totals & set(self.objectives) else "rescaler"

    @property
    def area(self) -> Metric:
        """The area that reports show."""
        return Metric(f"{self.costed}_area_um2")

    @property
    def energy(self) -> Metric:
        """The energy that reports show."""
        return Metric(f"{self.costed}_energy_nj")


@dataclass(frozen=True)
class StudyResults:
    """All that reports are made of.

    Attributes:
        facts: what stands beside the numbers.
        rescalers: names of the rescalers, in order of execution.
        trials: a row per trial: ``trial``, ``state`` (COMPLETE, FAIL, RUNNING, WAITING), ``role`` (``int32``,
            ``int32_finetuned`` (the control), ``uniform_round``, ``uniform_absorb``, ``search``), ``on_front``,
            ``finetune`` (none, short, full), ``fidelity`` (part, integer, short_finetune, full_finetune; ``part`` is a
            part of the validation split, and such a trial is never on the front), ``val_accuracy`` (percent),
            ``val_accuracy_drop_pp``, ``val_accuracy_integer`` (percent, before any fine-tuning),
            ``val_accuracy_drop_vs_control_pp`` (against the int32 design with the same fine-tuning),
            ``test_accuracy``, ``test_accuracy_drop_pp``, ``ci_low``, ``ci_high`` (paired 95% interval of the test drop,
            pp; scored for front and baselines, else NaN), ``test_accuracy_drop_vs_control_pp`` (against the int32
            design with the same fine-tuning, a point estimate), ``rescaler_area_um2``, ``rescaler_energy_nj`` (the
            objective's source), ``other_rescaler_area_um2``, ``other_rescaler_energy_nj`` (the other source),
            ``parameter_bits``, ``feasible`` (whether the design keeps the study's constraints), ``seconds``,
            ``finished`` (UTC), ``error``, and ``<rescaler>.multiplier_bits`` and ``<rescaler>.method`` for every
            rescaler. Optional, shown where present: ``accelerator_area_um2`` and ``accelerator_energy_nj`` (rescalers
            and MACs), ``latency_cycles`` (of one inference; in streaming style between two),
            ``other_style_rescaler_area_um2`` (in the style that the study has not); and where they vary
            ``<layer>.weight_bits``, ``contract``, ``style`` and ``lanes``. A portfolio's drop and accuracy are those
            of its members together, its test figures those of the member whose interval reaches highest; each
            member's own are in ``<member>.val_accuracy``, ``.val_accuracy_drop_pp``, ``.test_accuracy_drop_pp``,
            ``.ci_low``, ``.ci_high`` and ``.regret_pp`` (:func:`dse.store.collect.with_regret`).
        layers: a row per scored trial and rescaler: ``trial``, ``rescaler``, ``multiplier_bits``, ``method``,
            ``accumulator_bits``, ``right_shift_min``, ``right_shift_max``, ``channels``, ``rescales``, ``macs``,
            ``area_um2``, ``datapath_area_um2``, ``parameter_area_um2``, ``energy_nj``.
    """

    facts: StudyFacts
    rescalers: tuple[str, ...]
    trials: pd.DataFrame
    layers: pd.DataFrame

    @property
    def front(self) -> pd.DataFrame:
        """The non-dominated complete trials, cheapest first."""
        return self.trials[self.trials["on_front"]].sort_values([self.facts.area.value, Metric.DROP.value])

    @property
    def baselines(self) -> pd.DataFrame:
        """The complete baselines: int32, its fine-tuned control, the uniform widths."""
        complete = self.trials["state"] == "COMPLETE"
        return self.trials[complete & (self.trials["role"] != "search")]
