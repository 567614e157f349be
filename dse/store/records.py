"""What is stored of a trial: typed records, written as JSON into the study's storage."""

from dataclasses import asdict

from pydantic import BaseModel, ConfigDict

from dse.design.evaluation import Evaluation, Level, TestScore
from dse.design.statistics import PairedCounts
from hwmodels import NetworkCost


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LayerRecord(_Record):
    """One rescaler of a trial's design; areas in um2, energy in nJ per inference, by the objective's cost source."""

    rescaler: str
    accumulator_bits: int
    right_shift_min: int
    right_shift_max: int
    channels: int
    rescales: int
    macs: int
    area_um2: float | None
    datapath_area_um2: float | None
    parameter_area_um2: float | None
    energy_nj: float | None


class LevelRecord(_Record):
    """What a trial was found to be at one level of the ladder; percent, percentage points, um2, nJ, seconds."""

    level: str
    val_accuracy: float
    val_accuracy_drop_pp: float
    rescaler_area_um2: float | None
    rescaler_energy_nj: float | None
    seconds: float
    accelerator_area_um2: float | None = None
    accelerator_energy_nj: float | None = None
    latency_cycles: int | None = None
    parameter_bits: int | None = None


class MemberRecord(_Record):
    """Accuracy of one network of a portfolio; percent, and percentage points below its own baseline."""

    name: str
    val_accuracy: float
    val_accuracy_drop_pp: float


class TrialRecord(_Record):
    """Everything a trial found; percent, percentage points, um2, nJ per inference, seconds."""

    design: str
    fidelity: str
    val_accuracy: float
    val_accuracy_drop_pp: float
    val_accuracy_integer: float
    rescaler_area_um2: float | None
    rescaler_energy_nj: float | None
    other_rescaler_area_um2: float | None
    other_rescaler_energy_nj: float | None
    parameter_bits: int
    levels: tuple[LevelRecord, ...] = ()
    layers: tuple[LayerRecord, ...]
    network_sha256: str
    seconds: float
    heir_of: int | None = None
    accelerator_area_um2: float | None = None
    accelerator_energy_nj: float | None = None
    other_style_rescaler_area_um2: float | None = None
    latency_cycles: int | None = None
    members: tuple[MemberRecord, ...] = ()

    @property
    def is_trained(self) -> bool:
        """Whether the design ships with fine-tuned weights."""
        return self.fidelity in (Level.SHORT_FINETUNE, Level.FULL_FINETUNE)


class TestRecord(_Record):
    """A design on the test split, paired with the baseline."""

    __test__ = False  # not a test class

    samples: int
    baseline_correct: int
    lost: int
    gained: int
    members: tuple[tuple[str, "TestRecord"], ...] = ()

    @classmethod
    def of(cls, score: TestScore) -> "TestRecord":
        """The record of a score."""
        return cls(**asdict(score))

    def counts(self) -> PairedCounts:
        """As the statistics take it."""
        return PairedCounts(self.samples, self.lost, self.gained)


def record_of(design: str, levels: list[Evaluation], heir_of: int | None = None) -> TrialRecord:
    """The record of a trial that reached these levels, lowest first; the last one is what it is told with.

    Args:
        design: canonical JSON of the design point.
        levels: what was found.
        heir_of: the trial whose trained weights its fine-tune started from, if it did.
    """
    last = levels[-1]
    untrained = [level for level in levels if level.level in (Level.PART, Level.INTEGER)]
    return TrialRecord(
        design=design,
        fidelity=last.level.value,
        val_accuracy=last.val_accuracy,
        val_accuracy_drop_pp=last.val_accuracy_drop_pp,
        val_accuracy_integer=untrained[-1].val_accuracy,
        rescaler_area_um2=last.rescaler_area_um2,
        rescaler_energy_nj=last.rescaler_energy_nj,
        other_rescaler_area_um2=last.other_cost.rescaler_area_um2,
        other_rescaler_energy_nj=last.other_cost.rescaler_energy_nj,
        parameter_bits=last.parameter_bits,
        levels=tuple(_level(level) for level in levels),
        layers=_layers(last, last.accelerator.rescalers),
        network_sha256=last.network_sha256,
        seconds=sum(level.seconds for level in levels),
        heir_of=heir_of,
        accelerator_area_um2=last.accelerator_area_um2,
        accelerator_energy_nj=last.accelerator_energy_nj,
        other_style_rescaler_area_um2=last.other_style_area_um2,
        latency_cycles=last.latency_cycles,
        members=tuple(MemberRecord(**asdict(member)) for member in last.members),
    )


def _level(evaluation: Evaluation) -> LevelRecord:
    return LevelRecord(
        level=evaluation.level.value,
        val_accuracy=evaluation.val_accuracy,
        val_accuracy_drop_pp=evaluation.val_accuracy_drop_pp,
        rescaler_area_um2=evaluation.rescaler_area_um2,
        rescaler_energy_nj=evaluation.rescaler_energy_nj,
        seconds=evaluation.seconds,
        accelerator_area_um2=evaluation.accelerator_area_um2,
        accelerator_energy_nj=evaluation.accelerator_energy_nj,
        latency_cycles=evaluation.latency_cycles,
        parameter_bits=evaluation.parameter_bits,
    )


def _layers(evaluation: Evaluation, cost: NetworkCost) -> tuple[LayerRecord, ...]:
    return tuple(
        LayerRecord(
            rescaler=workload.name,
            accumulator_bits=workload.stages[-1].operand_bits,
            right_shift_min=workload.stages[-1].right_shift_min,
            right_shift_max=workload.stages[-1].right_shift_max,
            channels=workload.channels,
            rescales=workload.rescales_per_inference,
            macs=workload.macs_per_inference,
            area_um2=layer.area_um2,
            datapath_area_um2=layer.datapath_area_um2,
            parameter_area_um2=layer.parameter_area_um2,
            energy_nj=layer.energy_nj,
        )
        for workload, layer in zip(evaluation.workloads, cost.layers, strict=True)
    )
