"""Jobs for evaluators and their results: evaluations at a level of the fidelity ladder, and test scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dse.design import metrics
from dse.design.point import DesignPoint
from dse.design.statistics import PairedCounts
from hwmodels import NetworkCost
from hwmodels.accelerator import AcceleratorCost
from hwmodels.workload import RescalerWorkload
from nets.network import Arrays


class Level(StrEnum):
    """The kind of an evaluation; all but the last are fidelities of a design's accuracy, lowest first."""

    PART = "part"  # bit-exact inference on a part of the validation split, narrowed, and calibrated if the design is
    INTEGER = "integer"  # bit-exact inference on the validation split, weights as narrowed
    CALIBRATED = "calibrated"  # the same after calibration with unlabelled samples
    SHORT_FINETUNE = "short_finetune"  # the same after a short rescale-aware fine-tune
    FULL_FINETUNE = "full_finetune"  # the same after a full one, from the narrowed (or calibrated) weights
    TEST = "test"  # the shipped weights on the test split, compared with the baseline

    @property
    def is_trained(self) -> bool:
        """Whether an evaluation at this level fine-tunes the weights."""
        return self in (Level.SHORT_FINETUNE, Level.FULL_FINETUNE)


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation that a worker is to do.

    Attributes:
        trial: number of the trial that the evaluation belongs to.
        point: the design.
        level: the kind of evaluation.
        weights: fine-tuned integers: at level TEST those of the design itself, if it was fine-tuned; at a fine-tuning
            level those of the design ``heir_of``.
        network_sha256: fingerprint that the network to be tested must have; empty at other levels.
        heir_of: the trained design that a fine-tune starts from; None to start from the narrowed weights.
    """

    trial: int
    point: DesignPoint
    level: Level
    weights: Arrays | None = None
    network_sha256: str = ""
    heir_of: DesignPoint | None = None


@dataclass(frozen=True, slots=True)
class MemberScore:
    """Validation accuracy of one member of a study: percent, and percentage points below its own baseline."""

    name: str
    val_accuracy: float
    val_accuracy_drop_pp: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy and costs of a design at one level.

    Attributes:
        level: the fidelity.
        val_accuracy: accuracy on the validation split, percent.
        val_accuracy_drop_pp: accuracy of the baseline minus that of the design on the same samples, percentage points.
        accelerator: cost of rescalers and MACs together by the study's own cost source.
        other_cost: cost of the rescalers by the other cost source.
        workloads: workload of every rescaler, as certified for these weights.
        network_sha256: fingerprint of the evaluated networks.
        weights: the fine-tuned integers, or None if the narrowed weights ship as they are.
        seconds: wall-clock time of the evaluation, seconds.
        other_style_area_um2: rescaler area in the accelerator style that the design does not have, um2.
        members: accuracies of the networks of a portfolio; empty in a study of one network.
    """

    level: Level
    val_accuracy: float
    val_accuracy_drop_pp: float
    accelerator: AcceleratorCost
    other_cost: NetworkCost
    workloads: tuple[RescalerWorkload, ...]
    network_sha256: str
    weights: Arrays | None
    seconds: float
    other_style_area_um2: float | None = None
    members: tuple[MemberScore, ...] = ()

    @property
    def figures(self) -> Mapping[str, float | None]:
        """Every figure by name (:mod:`dse.design.metrics`)."""
        return {figure.name: figure.measured(self) for figure in metrics.FIGURES}


@dataclass(frozen=True, slots=True)
class TestScore:
    """A design compared with the baseline on the same samples of the test split; numbers of samples.

    A portfolio's score is that of the member whose 95% interval of the drop reaches highest.

    Attributes:
        samples: samples of the test split.
        baseline_correct: samples that the baseline classifies correctly.
        lost, gained: samples that only the baseline, or only the design, classifies correctly.
        members: the score of every member of a portfolio by its name; empty in a study of one network.
    """

    __test__ = False  # not a test class

    samples: int
    baseline_correct: int
    lost: int
    gained: int
    members: tuple[tuple[str, "TestScore"], ...] = ()

    @property
    def accuracy(self) -> float:
        """Accuracy of the design, percent."""
        return 100.0 * (self.baseline_correct - self.lost + self.gained) / self.samples

    @property
    def counts(self) -> PairedCounts:
        """The counts from which statistics are computed."""
        return PairedCounts(self.samples, self.lost, self.gained)
