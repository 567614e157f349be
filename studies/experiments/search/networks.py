"""Searches over the rescalers of networks; every design is evaluated once, on validation and test samples, and kept."""

import json
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from dse.design import (
    CROSS_ENTROPY,
    DIVERGENCE,
    DROP,
    Evaluation,
    Finetune,
    FloatMatrix,
    Job,
    Level,
    SearchSpace,
    TestScore,
    value_of,
    values_of,
)
from dse.evaluate import Evaluator, prices_of
from dse.search import Factors
from dse.study import PreparedStudy, load_study, prepare
from nets.network import Method
from studies.experiments.search.problem import OBJECTIVES, Seen

Parameters = dict[str, str | int]


@dataclass
class Searched:
    """A study's network, its designs evaluated without training.

    Attributes:
        name: name in tables and files.
        study: the prepared study.
        starts: the uniform designs, int32 first.
        kept: file that evaluated designs are appended to.
    """

    name: str
    study: PreparedStudy
    starts: list[Parameters]
    kept: Path
    attainable: float = float("nan")
    _known: dict[str, Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kept.is_file():
            for line in self.kept.read_text(encoding="utf-8").splitlines():
                stored = json.loads(line)
                digest = stored.pop("design")
                self._known[digest] = Seen(**{**stored, "costs": tuple(stored["costs"])})

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return self.study.space

    @cached_property
    def samples(self) -> int:
        """Number of validation samples."""
        return len(self.study.members[0].splits.validation)

    def uniform(self) -> list[Parameters]:
        """Returns the parameters of the uniform designs, int32 first."""
        return self.starts

    def prices(self, factors: Factors) -> FloatMatrix | None:
        """Returns the costs of all values that the cost models give without an evaluation."""
        return prices_of(self.study, factors.choices, OBJECTIVES[1:])

    def evaluate(self, parameters: Parameters) -> Seen:
        """Evaluates a design, or returns what it was evaluated to."""
        digest = self.space.point(parameters).digest
        if digest not in self._known:
            self._known[digest] = self._evaluated(parameters)
            with self.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"design": digest, **asdict(self._known[digest])}) + "\n")
        return self._known[digest]

    def _evaluated(self, parameters: Parameters) -> Seen:
        point = self.space.point(parameters)
        level = Level.CALIBRATED if point.calibration else Level.INTEGER
        seen = self._evaluator.run(Job(0, point, level))
        if not isinstance(seen, Evaluation):
            raise TypeError(f"an evaluation gave {seen}")
        score = self._evaluator.run(Job(0, point, Level.TEST, network_sha256=seen.network_sha256))
        if not isinstance(score, TestScore):
            raise TypeError(f"a test gave {score}")
        costs = np.array(values_of(seen, OBJECTIVES[1:])) / self._int32
        return Seen(
            value_of(seen, CROSS_ENTROPY.name),
            value_of(seen, DIVERGENCE.name),
            (float(costs[0]), float(costs[1])),
            score.interval(DROP)[0],
        )

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self.study)

    @cached_property
    def _int32(self) -> FloatMatrix:
        int32 = self._evaluator.run(Job(0, self.space.point(self.starts[0]), Level.INTEGER))
        if not isinstance(int32, Evaluation):
            raise TypeError(f"an evaluation gave {int32}")
        return np.array(values_of(int32, OBJECTIVES[1:]))


def frozen(path: Path, kept: Path) -> Searched:
    """Returns a study's network with frozen weights: rounding only and no training, so that narrow has its price."""
    spec = load_study(path)
    search = spec.search.model_copy(update={"methods": (Method.ROUND,), "batch": None, "rescalers": ()})
    fidelity = spec.fidelity.model_copy(update={"finetune": Finetune.NONE, "part": 1.0})
    study = prepare(spec.model_copy(update={"search": search, "fidelity": fidelity}))
    widths = sorted(study.space.rescalers[0].multiplier_bits, reverse=True)
    chosen = [width for width in widths if width in (1, 2, 3, 4, 6, 8, 12, 16, 31)]
    designs = [study.space.uniform(width, Method.ROUND, Finetune.NONE) for width in chosen]
    return Searched(f"{spec.name}-frozen", study, [study.space.parameters(design) for design in designs], kept)


def windows(path: Path, kept: Path, samples: int | None) -> Searched:
    """Returns a study's network with one-bit multipliers and a choice of shift windows, calibrated.

    Args:
        path: study file.
        kept: file of evaluated designs.
        samples: validation and test samples, each, evenly spread over their splits; None for all.
    """
    spec = load_study(path)
    study = _fewer(prepare(spec), samples)
    space = study.space
    uniform = [space.uniform(31, Method.ROUND, Finetune.NONE)]
    uniform += [space.uniform(width, Method.ABSORB, Finetune.NONE) for width in (8, 4, 2, 1)]
    uniform += [space.uniform(1, Method.ABSORB, Finetune.NONE, window) for window in (3, 2, 1, 0)]
    return Searched(f"{spec.name}-windows", study, [space.parameters(design) for design in uniform], kept)


def _fewer(study: PreparedStudy, samples: int | None) -> PreparedStudy:
    """Returns the study with fewer validation and test samples."""
    if samples is None:
        return study
    members = []
    for member in study.members:
        validation, test = member.splits.validation, member.splits.test
        which = np.arange(samples) * len(validation) // samples
        splits = replace(
            member.splits,
            validation=validation.take(which),
            test=test.take(np.arange(samples) * len(test) // samples),
        )
        members.append(replace(member, splits=splits, baseline_outputs=member.baseline_outputs[which]))
    return replace(study, members=tuple(members))
