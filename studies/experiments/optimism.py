"""Measures how much of a front is luck: what its designs promise on validation against what they lose on test.

    python -m studies.experiments.optimism studies/kws.toml --trials 70 --splits 5

Every split of the data has a search of its own, without the cache. All designs of two fronts, that of measured drops
and that of expected ones, are scored on the test split; int32 and designs that lose more than 5 points do not count.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import optuna
import typer

from dse.design import DROP, DesignPoint, Job, Level, Role, TestScore, value_of
from dse.evaluate import Evaluator, start_evaluator
from dse.search import Driver, make_sampler
from dse.store import RunFolder, StudyStore, TrialRecord, expected_drops, front_of, record_in, role_of
from dse.study import Study, load_study, prepare
from dse.workers import SerialPool

_USEFUL_PP = 5.0  # drop beyond which nobody cares by how much it is misjudged


@dataclass(frozen=True)
class Promise:
    """A front's mean drops in percentage points: as promised, and on test."""

    designs: int
    promised: float
    on_test: float

    @property
    def optimism(self) -> float:
        """By how many points the designs lose more on test than was promised."""
        return self.on_test - self.promised


def promises(spec: Study, folder: RunFolder) -> tuple[Promise, Promise]:
    """Searches, and returns the promises of the front of measured drops and of the reported one.

    Args:
        spec: the study; the first objective is the accuracy drop.
        folder: an empty run folder for trained weights.
    """
    study = prepare(spec)
    evaluator = start_evaluator(study)
    store = StudyStore.create(optuna.storages.InMemoryStorage(), spec.name, spec.search.objectives)
    store.use(make_sampler(spec.search, study.space, spec.seed_of("search"), study), study.space)
    Driver(spec, store, study.space, folder, SerialPool(lambda: evaluator)).run(spec.search.trials)
    records = {trial.number: record for trial in store.complete() if (record := record_in(trial))}
    int32 = next(trial.number for trial in store.complete() if role_of(trial) is Role.INT32)
    measured = {number: value_of(record, DROP.name) for number, record in records.items()}
    expected = expected_drops(records, records[int32])
    useful = {number for number, drop in measured.items() if drop < _USEFUL_PP and number != int32}
    drops = {number: on_test(evaluator, folder, number, records[number]) for number in sorted(useful)}
    return (
        promise(front_of(records, spec.search) & useful, measured, drops),
        promise(front_of(records, spec.search, records[int32]) & useful, expected, drops),
    )


def promise(front: Iterable[int], promised: dict[int, float], drops: dict[int, float]) -> Promise:
    """Returns the means of a front's promised drops and of those on test, both by trial."""
    front = sorted(front)
    return Promise(len(front), float(np.mean([promised[n] for n in front])), float(np.mean([drops[n] for n in front])))


def on_test(evaluator: Evaluator, folder: RunFolder, number: int, record: TrialRecord) -> float:
    """Returns the accuracy drop of a trial's design on the test split, percentage points."""
    weights = folder.load_weights(number, record.network_sha256) if record.is_trained else None
    job = Job(number, DesignPoint.from_json(record.design), Level.TEST, weights, record.network_sha256)
    score = evaluator.run(job)
    if not isinstance(score, TestScore) or score.counts is None:
        raise TypeError("the study has no labels")
    return score.counts.drop_pp


def table(rows: list[tuple[Promise, Promise]]) -> str:
    """Returns the means over the splits as a table."""
    lines = ["| front of | designs | promised, pp | on test, pp | optimism, pp |", "|---|---:|---:|---:|---:|"]
    for name, several in zip(("measured drops", "expected drops"), zip(*rows, strict=True), strict=True):
        means = [float(np.mean([getattr(p, key) for p in several])) for key in ("promised", "on_test", "optimism")]
        designs = np.mean([p.designs for p in several])
        lines.append(f"| {name} | {designs:.1f} | {' | '.join(f'{mean:.2f}' for mean in means)} |")
    return "\n".join(lines)


def main(
    study: Annotated[Path, typer.Argument(help="a study of the accuracy drop")],
    trials: Annotated[int, typer.Option(help="trials of every search", min=1)] = 70,
    splits: Annotated[int, typer.Option(help="splits of the data", min=1)] = 5,
) -> None:
    """Prints what fronts promise and what they keep."""
    spec, rows = load_study(study), []
    search = spec.search.model_copy(update={"trials": trials, "batch": None})
    for seed in range(1, splits + 1):
        seeds = spec.seeds.model_copy(update={"data": seed, "search": seed})
        with TemporaryDirectory() as folder:
            own = spec.model_copy(update={"search": search, "seeds": seeds})
            rows.append(promises(own, RunFolder(Path(folder))))
    typer.echo(table(rows))


if __name__ == "__main__":
    typer.run(main)
