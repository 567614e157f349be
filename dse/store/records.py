"""What is stored of a trial: typed records, written as JSON into the study's storage."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from dse.design import VAL_ACCURACY, Answers, Evaluation, Level, MemberScore, value_of

RECORD_VERSION: Final = 4  # raised by every change after which older records cannot be read


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LayerRecord(_Record):
    """One rescaler of a trial's design, costed by the study's cost source; titles head the columns for people."""

    rescaler: str = Field(title="Rescaler")
    accumulator_bits: int = Field(title="Accumulator width (bits)")
    right_shift_min: int = Field(title="Right shift, smallest (bits)")
    right_shift_max: int = Field(title="Right shift, largest (bits)")
    channels: int = Field(title="Channels")
    rescales: int = Field(title="Rescales per inference")
    macs: int = Field(title="MACs per inference")
    area_um2: float | None = Field(title="Area (µm²)")
    datapath_area_um2: float | None = Field(title="Datapath area (µm²)")
    parameter_area_um2: float | None = Field(title="Parameter memory area (µm²)")
    energy_nj: float | None = Field(title="Energy per inference (nJ)")


class LevelRecord(_Record):
    """The figures of a trial at one level of the fidelity ladder, and how long its evaluation took."""

    level: Level
    figures: Mapping[str, int | float | None]
    seconds: float


class TrialRecord(_Record):
    """The result of a trial.

    Attributes:
        version: format of the record.
        design: canonical JSON of the design point.
        levels: the levels that the design reached, lowest first; the last one is the trial's.
        layers: a record per rescaler.
        network_sha256: fingerprint of the evaluated network.
        heir_of: number of the trial whose trained weights the fine-tune started from, if there was one.
        members: accuracies of the networks of a portfolio; empty in a study of one network.
        answers: the answers to the validation samples at the last level; None for a portfolio, whose members have them.
    """

    version: Literal[4]
    design: str
    levels: tuple[LevelRecord, ...] = Field(min_length=1)
    layers: tuple[LayerRecord, ...]
    network_sha256: str
    heir_of: int | None = None
    members: tuple[MemberScore, ...] = ()
    answers: Answers | None = None

    @property
    def by_member(self) -> tuple[tuple[str, Answers | None], ...]:
        """The answers of every network by its name; of a study of one network its own, without a name."""
        return tuple((member.name, member.answers) for member in self.members) or (("", self.answers),)

    @property
    def figures(self) -> Mapping[str, int | float | None]:
        """Every figure by name, at the highest level reached."""
        return self.levels[-1].figures

    @property
    def fidelity(self) -> Level:
        """The highest level reached."""
        return self.levels[-1].level

    @property
    def val_accuracy_integer(self) -> float:
        """Accuracy before any fine-tuning, calibrated if the design is, percent of the validation split."""
        untrained = [level for level in self.levels if not level.level.is_trained]
        return value_of(untrained[-1], VAL_ACCURACY.name)

    @property
    def seconds(self) -> float:
        """Wall-clock time of all evaluations, seconds."""
        return sum(level.seconds for level in self.levels)

    @property
    def is_trained(self) -> bool:
        """Whether the design ships with fine-tuned weights."""
        return self.fidelity.is_trained


def record_of(design: str, levels: list[Evaluation], heir_of: int | None = None) -> TrialRecord:
    """Returns the record of a trial; the arguments are those of :class:`TrialRecord`, with whole evaluations."""
    last = levels[-1]
    return TrialRecord(
        version=RECORD_VERSION,
        design=design,
        levels=tuple(LevelRecord(level=each.level, figures=each.figures, seconds=each.seconds) for each in levels),
        layers=_layers(last),
        network_sha256=last.network_sha256,
        heir_of=heir_of,
        members=last.members,
        answers=last.answers,
    )


def _layers(evaluation: Evaluation) -> tuple[LayerRecord, ...]:
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
        for workload, layer in zip(evaluation.workloads, evaluation.accelerator.rescalers.layers, strict=True)
    )
