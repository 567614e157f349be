"""A study from its spec to its report, as functions: prepare, begin or resume a run, search, collect, report.

:func:`run_study` does all of it. Each stage takes what the earlier ones returned, and needs neither the command line
nor Ray.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from dse.design import Role
from dse.errors import StudyError
from dse.evaluate import CacheKeys, check_objectives, cost_sources, start_evaluator
from dse.report import write_report, write_tables
from dse.search import Driver, Progress, make_sampler
from dse.store import (
    EvaluationCache,
    Manifest,
    RunFolder,
    StudyResults,
    StudyStore,
    collect,
    database,
    git_revision,
    installed_versions,
    now_utc,
    own_journal,
    reporting_storage_failures,
    storage_of,
    without_password,
)
from dse.study import PreparedStudy, Study, fingerprint_of, prepare
from dse.verdict import verdict_of
from dse.workers import CachedPool, EvaluatorPool, SerialPool


def run_study(
    spec: Study,
    folder: RunFolder,
    *,
    fresh: bool = False,
    ray_address: str | None = None,
    storage: str = "",
    cache: EvaluationCache | None = None,
    read_test: bool = True,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> StudyResults:
    """Runs a study to its number of trials, or resumes the one in the folder, and writes its report.

    Args:
        spec: the study; its paths are absolute.
        folder: the run's folder.
        fresh: whether to delete the run in the folder and start over.
        ray_address: address of a running Ray cluster; a local one is started for ``None``.
        storage: URL of a database for the trials of a new run, empty for a journal in the folder. For a run that is
            resumed, it may supply the password, which the run folder does not keep.
        cache: evaluations of earlier runs; none are reused for ``None``.
        read_test: whether to score designs on the test split at the end. Every reading spends a part of the verdict's
            error, so a first check of a few trials should do without.
        on_progress: called after every recorded trial.

    Raises:
        StudyError: bad input; no file was made or changed.
        StorageFailedError: disk or database failed during the study; recorded trials are kept.
        KeyboardInterrupt: after the tables of all recorded trials were written.
    """
    folder.check_free()
    begun = folder.manifest() if folder.exists and not fresh else None
    if begun is not None:
        begun.check_same_study(spec)
        storage = storage_of(begun, storage)
        if results := finished_results(spec, begun, folder, storage, read_test=read_test):
            return results
    study = prepare(spec)
    space = study.space
    check_objectives(study)
    if storage:
        database(storage)
    with folder.locked():
        pool = CachedPool(make_pool(study, ray_address), CacheKeys(study), cache)

        def shown(progress: Progress) -> None:
            on_progress(replace(progress, reused=pool.reused))

        try:
            with reporting_storage_failures(storage, folder.path):
                if fresh:
                    folder.clear()
                manifest = begin_run(study, folder, begun, storage)
                store = open_store(manifest, folder, storage)
                store.use(make_sampler(spec.search, space, next_seed(spec, store)), space)
                try:
                    sizes = [len(member.splits.test) for member in study.members]
                    driver = Driver(spec, store, space, folder, pool, shown, test_samples=sizes)
                    driver.run(spec.search.trials, read_test=read_test)
                except KeyboardInterrupt:
                    write_tables(collect(manifest, store), folder.path)
                    raise
                results = collect(manifest, store)
                write_report(results, folder.path)
                verdict = verdict_of(results)
                recommended = verdict.recommended.trial if verdict.recommended else None
                store.mark_recommended(recommended, verdict.outcome.value, verdict.headline)
                return results
        finally:
            pool.close()


def default_folder(spec: Study) -> Path:
    """Returns the default run folder: ``runs/<name>`` below the working directory."""
    return Path("runs") / spec.name


def finished_results(
    spec: Study, manifest: Manifest, folder: RunFolder, storage: str, *, read_test: bool = True
) -> StudyResults | None:
    """Returns the results of a run of which nothing is left to do, else None.

    It has all its trials, a report of this very spec, and if they are wanted all its test scores.
    """
    if manifest.spec != spec or not folder.report_path.is_file():
        return None
    results = collect(manifest, StudyStore.of_run(folder, manifest, storage))
    complete = results.complete
    wanted = complete.loc[complete["on_front"] | (complete["role"] != Role.SEARCH), "trial"]
    tested = [trial for look in results.looks for trial in look.sequence]
    scored = not read_test or results.scores.keys() >= {*wanted, *tested}
    finished = len(complete) >= spec.search.trials and scored
    return results if finished else None


def make_pool(study: PreparedStudy, ray_address: str | None = None) -> EvaluatorPool:
    """Returns the pool of evaluators that the study asks for."""
    workers, make_evaluator = study.spec.workers, partial(start_evaluator, study)
    if workers.executor == "serial":
        return SerialPool(make_evaluator)
    from dse.workers.ray_pool import RayPool  # Ray takes half a second to import, and serial studies need none

    return RayPool(
        make_evaluator, workers=workers.count, timeout_s=workers.timeout_s, gpus=workers.gpus, address=ray_address
    )


def begin_run(study: PreparedStudy, folder: RunFolder, begun: Manifest | None, storage: str = "") -> Manifest:
    """Writes the run's manifest and study file, and returns the manifest.

    Args:
        study: the prepared study.
        folder: the run's folder, locked by the caller.
        begun: the manifest of the run that is resumed; None for a new run.
        storage: URL of a database for the trials of a new run; empty for a journal in the folder.

    Raises:
        StudyError: network or data changed since the run began, or another process began a run in the folder.
    """
    manifest = manifest_of(study, storage)
    if begun is not None:
        if (begun.network_sha256, begun.data_sha256) != (manifest.network_sha256, manifest.data_sha256):
            raise StudyError(f"{folder.path}: network or data changed since this run began; use --fresh or --out")
        manifest = begun.model_copy(update={"spec": study.spec})
    elif folder.exists:
        raise StudyError(f"{folder.path}: another dse run began here in the meantime; run the same command again")
    folder.start(manifest)
    return manifest


def manifest_of(study: PreparedStudy, storage: str = "") -> Manifest:
    """Returns the manifest of a new run, which holds all inputs that determine its results."""
    members, spec = study.members, study.spec
    networks = [f"{m.name} ({m.network.name})" if m.name else m.network.name for m in members]
    samples = [
        {
            "calibration": len(m.splits.calibration),
            "finetune": len(m.splits.finetune),
            "validation": len(m.splits.validation),
            "test": len(m.splits.test),
        }
        for m in members
    ]
    return Manifest(
        spec=spec,
        created=now_utc(),
        versions=installed_versions(),
        git_revision=git_revision(),
        dataset=", ".join(dict.fromkeys(m.dataset for m in members)),
        data_sha256=study.data_sha256,
        samples={part: min(each[part] for each in samples) for part in samples[0]},
        stratified=all(m.splits.stratified for m in members),
        network=", ".join(networks),
        network_sha256=fingerprint_of(study.networks),
        rescalers=tuple(operator.name for operator in study.operators),
        baseline_val_accuracy=study.baseline_val_accuracy,
        cost_sources=cost_sources(spec.hardware, spec.contract),
        storage=without_password(storage) if storage else "",
    )


def open_store(manifest: Manifest, folder: RunFolder, storage: str = "") -> StudyStore:
    """Returns the run's trials, opened for writing."""
    url = storage_of(manifest, storage)
    trials = database(url) if url else own_journal(folder.journal_path)
    return StudyStore.create_or_load(trials, manifest.study_name, manifest.spec.search.objectives)


def next_seed(spec: Study, store: StudyStore) -> int:
    """Returns the sampler's seed; it differs at every resumption, which would otherwise repeat the same proposals."""
    return (spec.seed + len(store.trials())) % 2**32
