"""What is asked of an evaluator and what it returns: jobs, evaluations at a level of the ladder, test scores."""

from dataclasses import dataclass
from enum import StrEnum

from dse.design.point import DesignPoint
from hwmodels import NetworkCost
from hwmodels.accelerator import AcceleratorCost
from hwmodels.workload import RescalerWorkload
from nets.network.fingerprint import Arrays


class Level(StrEnum):
    """What an evaluation does; all but the last one are fidelities of a design's accuracy, lowest first."""

    PART = "part"  # bit-exact inference on a part of the validation split, weights as narrowed
    INTEGER = "integer"  # bit-exact inference on the validation split, weights as narrowed
    SHORT_FINETUNE = "short_finetune"  # the same after a short rescale-aware fine-tune
    FULL_FINETUNE = "full_finetune"  # the same after a full one, from the narrowed weights
    TEST = "test"  # the shipped weights on the test split, beside the baseline


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation to be done.

    Attributes:
        trial: number of the trial that asks.
        point: the design.
        level: what to do.
        weights: fine-tuned integers: those that ship, where the level is TEST and the design was fine-tuned; those of
            the trained design to inherit from, where there is one.
        network_sha256: fingerprint that the network to be tested must have; empty where it is not known yet.
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
    """Accuracy of one network of a portfolio: percent, and percentage points below its own baseline."""

    name: str
    val_accuracy: float
    val_accuracy_drop_pp: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a design was found to be at one level.

    Attributes:
        level: the fidelity.
        val_accuracy: percent of the validation split.
        val_accuracy_drop_pp: baseline minus design, percentage points, same samples.
        accelerator: cost of rescalers and MACs together by the study's own cost source.
        other_cost: cost of the rescalers by the other cost source.
        workloads: of every rescaler, as certified for these weights.
        network_sha256: fingerprint of the evaluated network.
        weights: the fine-tuned integers, or None where the narrowed weights ship as they are.
        seconds: wall time of the evaluation.
        other_style_area_um2: rescaler area in the accelerator style that the study does not have.
        members: accuracies of the networks of a portfolio; empty in a study of one.
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
    def rescaler_area_um2(self) -> float | None:
        """Area of the rescalers and their parameter memory by the study's cost source."""
        return self.accelerator.rescalers.rescaler_area_um2

    @property
    def rescaler_energy_nj(self) -> float | None:
        """Energy of one inference's rescales by the study's cost source."""
        return self.accelerator.rescalers.rescaler_energy_nj

    @property
    def parameter_bits(self) -> int:
        """Bits of per-channel rescaler parameters."""
        return self.accelerator.rescalers.parameter_bits

    @property
    def accelerator_area_um2(self) -> float | None:
        """Area of rescalers and MACs."""
        return self.accelerator.area_um2

    @property
    def accelerator_energy_nj(self) -> float | None:
        """Energy of rescales and MACs of one inference."""
        return self.accelerator.energy_nj

    @property
    def latency_cycles(self) -> int:
        """Clock cycles of one inference (shared), or between two of them (streaming)."""
        return self.accelerator.latency_cycles


@dataclass(frozen=True, slots=True)
class TestScore:
    """A design beside the baseline on the same samples of the test split, in samples.

    A portfolio's is that of the network with the weakest evidence, and ``members`` has every one by name.
    """

    __test__ = False  # not a test class

    samples: int
    baseline_correct: int
    lost: int
    gained: int
    members: tuple[tuple[str, "TestScore"], ...] = ()
