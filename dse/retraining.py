"""Trains lost weights again: seed, data and design give the same integers, as the network's fingerprint shows."""

from collections.abc import Callable, Iterator
from pathlib import Path

from dse.design import DesignPoint, Evaluation, Job
from dse.errors import StudyError
from dse.evaluate import CacheKeys, located, start_evaluator
from dse.store import EvaluationCache, RunFolder, StudyStore, TrialRecord, record_in, without_weights
from dse.study import Study, prepare
from dse.workers import CachedPool, SerialPool


def retrain(
    folder: RunFolder,
    study: Study | None = None,
    *,
    storage: str = "",
    cache: EvaluationCache | None = None,
    on_trial: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Trains the missing or damaged weights of a run's trials again, and returns for each what came of it.

    Args:
        folder: the run's folder.
        study: the same study with the paths of its files today; None if they did not move, or moved with the run.
        storage: URL of the run's database, needed if this user did not make the run here, or for its password.
        cache: evaluations of earlier runs, which may hold the weights.
        on_trial: called with the number of each trial before it is trained.

    Raises:
        StudyError: the run cannot be read, or a file of its study is missing or changed.
    """
    folder.check_links()
    with folder.locked():
        manifest = folder.manifest()
        store = StudyStore.of_run(folder, manifest, storage)
        records = {trial.number: record for trial in store.complete() if (record := record_in(trial))}
        lost = without_weights(folder, store)
        if not lost:
            return []
        if study is not None:
            manifest.check_same_study(study)
        prepared = prepare(
            located(study or manifest.spec.without_own_code(), manifest.contents, Path(manifest.folder), folder.path)
        )
        pool = CachedPool(SerialPool(lambda: start_evaluator(prepared)), CacheKeys(prepared), cache)
        return [_trained(folder, pool, records, number, on_trial) for number in _ordered(lost)]


def _ordered(lost: dict[int, TrialRecord]) -> Iterator[int]:
    """Yields the trials so that each comes after the one whose weights it started from."""
    done: set[int] = set()
    while waiting := [number for number in lost if number not in done]:
        ready = [number for number in waiting if lost[number].heir_of not in waiting]
        yield from ready or waiting
        done.update(ready or waiting)


def _trained(
    folder: RunFolder, pool: CachedPool, records: dict[int, TrialRecord], number: int, on_trial: Callable[[int], None]
) -> str:
    record = records[number]
    on_trial(number)
    heir_of = records.get(record.heir_of) if record.heir_of is not None else None
    try:
        weights = None
        if record.heir_of is not None and heir_of is not None:
            weights = folder.load_weights(record.heir_of, heir_of.network_sha256)
    except StudyError:
        return f"trial {number}: not trained, it started from the weights of trial {record.heir_of}, which are lost"
    start = DesignPoint.from_json(heir_of.design) if heir_of is not None else None
    pool.submit(Job(number, DesignPoint.from_json(record.design), record.fidelity, weights, heir_of=start))
    completion = pool.next()
    result = completion.result
    if not isinstance(result, Evaluation) or result.weights is None:
        return f"trial {number}: not trained: {completion.error}"
    if result.network_sha256 != record.network_sha256:
        return f"trial {number}: trained, but not to the weights that were scored: another processor or version?"
    folder.save_weights(number, result.weights, record.network_sha256)
    return f"trial {number}: its weights are restored"
