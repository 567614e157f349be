"""Studies whose every answer is given, on validation and test, through the real store."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import optuna

from dse.design.answers import Answers
from dse.design.cost_source import CostSource
from dse.design.evaluation import Evaluation, Level, MemberScore, TestScore
from dse.design.metrics import DEFAULT_OBJECTIVES, Figure, cost_of, figure_named
from dse.design.point import Finetune
from dse.design.roles import Role
from dse.design.space import RescalerVariable, SearchSpace
from dse.store.collection import collect
from dse.store.manifest import Manifest
from dse.store.records import record_of
from dse.store.results import StudyResults
from dse.store.trials import StudyStore
from dse.verdict.candidates import candidates_of, entries_of
from dse.verdict.plan import next_look
from nets.narrow.narrowing import RescalerChoice
from nets.network.operators import Method
from tests import stores
from tests.fakes import evaluation, tell
from tests.small_studies import small_spec

BoolArray = npt.NDArray[np.bool_]
INT32_AREA = 1000.0
SPACE = SearchSpace(
    tuple(RescalerVariable(name, tuple(range(1, 32)), tuple(Method)) for name in "abcd"),
    (Finetune.NONE, Finetune.SHORT),
)


def right(samples: int, correct: int, lost: int = 0, gained: int = 0) -> BoolArray:
    """Of int32 the first ``correct`` answers are right; a design loses the first of these, and gains the next."""
    marks = np.arange(samples) < correct
    marks[:lost] = False
    marks[correct : correct + gained] = True
    return marks


@dataclass(frozen=True, eq=False)
class Made:
    """One trial of a study.

    Attributes:
        role: its role.
        area: its area in um2; its energy is proportional.
        val, test: which answers are right on validation and test, of every network.
        trained: whether it was fine-tuned.
    """

    role: Role
    area: float
    val: BoolArray | dict[str, BoolArray]
    test: BoolArray | dict[str, BoolArray]
    trained: bool = False


@dataclass(frozen=True)
class Study:
    """A study: its trials in order, of which the first is int32, and when its test split was read.

    Attributes:
        designs: the trials.
        looks: numbers of complete trials at which the test split was read.
        margin_pp: the margin; later looks may be given another one.
        most_frequent: test samples of the most frequent class.
        constraints: limits on figures.
        disagreement: whether the loss is the disagreement with int32: ``val`` and ``test`` are the same answers.
    """

    designs: Sequence[Made]
    looks: tuple[int, ...] = (-1,)
    margin_pp: float = 1.0
    most_frequent: int = 1
    disagreement: bool = False
    constraints: list[dict[str, object]] = field(default_factory=list)

    def results(self) -> StudyResults:
        store = stores.opened(optuna.storages.InMemoryStorage(), "made", self.objectives)
        for count in [len(self.designs) if look < 0 else look for look in self.looks] or [len(self.designs)]:
            self._record(store, count)
            if self.looks:
                self._look(store)
        return collect(self.manifest, store)

    @property
    def objectives(self) -> tuple[str, ...]:
        loss = "val_disagreement_pp" if self.disagreement else DEFAULT_OBJECTIVES[0]
        return (loss, *DEFAULT_OBJECTIVES[1:])

    @property
    def loss(self) -> Figure:
        return figure_named(self.objectives[0])

    @property
    def manifest(self) -> Manifest:
        spec = small_spec(
            search__trials=len(self.designs),
            search__objectives=list(self.objectives),
            search__constraints=self.constraints,
            report__margin_pp=self.margin_pp,
        )
        source = CostSource("analytic", "aladdin40", 40.0, "source", "error")
        return Manifest(
            spec=spec,
            id="0" * 32,
            folder="runs/made",
            processor="x86_64",
            contents={},
            created="2026-11-21T00:00:00+00:00",
            versions={},
            git_revision="",
            dataset="made",
            data_sha256="0" * 64,
            samples={"validation": _size(self.designs[0].val), "test": _size(self.designs[0].test)},
            stratified=True,
            network="made",
            network_sha256="1" * 64,
            rescalers=tuple("abcd"),
            baseline_val_accuracy=90.0,
            cost_sources=(source, source),
        )

    def _record(self, store: StudyStore, count: int) -> None:
        for number in range(len(store.trials()), count):
            design = self.designs[number]
            chosen = {v.name: RescalerChoice(31 - number % 31, Method.ROUND) for v in SPACE.rescalers}
            point = SPACE.design(chosen, Finetune.SHORT if design.trained else Finetune.NONE)
            store.enqueue(SPACE, point, design.role)
            trial = store.ask(SPACE)
            level = Level.SHORT_FINETUNE if design.trained else Level.INTEGER
            reached = [Level.INTEGER, level] if design.trained else [level]
            tell(store, trial, record_of(point.to_json(), [self._evaluated(design, each) for each in reached]))

    def _evaluated(self, design: Made, level: Level) -> Evaluation:
        members = tuple(self._member(name, design) for name in _names(design.val))
        worst = max(members, key=lambda m: m.val_accuracy_drop_pp or 0.0)
        made = evaluation(SPACE.uniform(1, Method.ROUND, Finetune.NONE), level, (0.0, design.area, design.area / 10))
        return replace(
            made,
            val_accuracy=worst.val_accuracy,
            val_accuracy_drop_pp=worst.val_accuracy_drop_pp,
            val_disagreement_pp=worst.val_disagreement_pp,
            members=() if members[0].name == "" else members,
            answers=members[0].answers if members[0].name == "" else None,
        )

    def _member(self, name: str, design: Made) -> MemberScore:
        own, int32 = _of(design.val, name), _of(self.designs[0].val, name)
        drop = 100.0 * (int32.mean() - own.mean())
        answers = Answers.of(len(own), own, own != int32)
        return MemberScore(name, 100.0 * own.mean(), drop, 100.0 * float((own != int32).mean()), answers=answers)

    def _look(self, store: StudyStore) -> None:
        unread = collect(self.manifest, store)
        rows = unread.complete
        roles = {int(t): Role(role) for t, role in zip(rows["trial"], rows["role"], strict=True)}
        feasible = {int(t): bool(kept) for t, kept in zip(rows["trial"], rows["feasible"], strict=True)}
        entries = entries_of(unread.records, roles, feasible)
        designs = candidates_of(entries, self.objectives, self.loss, cost_of(self.objectives))
        sizes = [len(_of(self.designs[0].test, name)) for name in _names(self.designs[0].test)]
        look = next_look(designs, store.looks(), self.margin_pp, sizes, len(entries))
        if look.sequence:
            store.add_look(look)
        for number in unread.records:
            store.set_test(number, self._score(self.designs[number]))

    def _score(self, design: Made) -> TestScore:
        scores = [(name, self._member_score(name, design)) for name in _names(design.test)]
        worst = max((score for _, score in scores), key=lambda score: score.interval(self.loss)[2])
        return worst if scores[0][0] == "" else replace(worst, members=tuple(scores))

    def _member_score(self, name: str, design: Made) -> TestScore:
        own, int32 = _of(design.test, name), _of(self.designs[0].test, name)
        return TestScore(
            samples=len(own),
            baseline_correct=int(int32.sum()),
            lost=int((int32 & ~own).sum()),
            gained=int((own & ~int32).sum()),
            differing=int((own != int32).sum()),
            answers=Answers.of(len(own), own, own != int32),
            most_frequent=self.most_frequent,
        )


def int32(val: BoolArray, test: BoolArray) -> Made:
    return Made(Role.INT32, INT32_AREA, val, test)


def _names(marks: BoolArray | dict[str, BoolArray]) -> tuple[str, ...]:
    return tuple(marks) if isinstance(marks, dict) else ("",)


def _of(marks: BoolArray | dict[str, BoolArray], name: str) -> BoolArray:
    return marks[name] if isinstance(marks, dict) else marks


def _size(marks: BoolArray | dict[str, BoolArray]) -> int:
    return min(len(_of(marks, name)) for name in _names(marks))
