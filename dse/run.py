"""A study from its spec to its report, as functions: prepare, begin or resume a run, search, collect, report.

:func:`run_study` does all of it. Each stage takes what the earlier ones returned, and needs neither the command line
nor Ray.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dse.design import DesignPoint, Role
from dse.errors import StudyError
from dse.evaluate import CacheKeys, check_objectives, contents_of, cost_sources, processor, start_evaluator
from dse.report import write_report, write_tables
from dse.search import Driver, Interrupts, Progress, make_sampler
from dse.store import (
    EvaluationCache,
    Manifest,
    RunFolder,
    StudyResults,
    StudyStore,
    collect,
    database,
    front_of,
    git_revision,
    installed_versions,
    looks_before,
    new_id,
    new_storage,
    now_utc,
    record_in,
    reporting_storage_failures,
    role_of,
    seal,
    storage_of,
    storage_to_drive,
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
    accept_changes: bool = False,
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
        fresh: whether to set the run in the folder aside and start over.
        accept_changes: whether to go on although the run in the folder began with other files or another version of
            the program: it is set aside, and a new run begins with the designs of its front.
        ray_address: address of a running Ray cluster; a local one is started for ``None``.
        storage: URL of a database for the trials of a new run, empty for a journal in the folder. For a run that is
            resumed, it may say where its database is today, and supply the password.
        cache: evaluations of earlier runs; none are reused for ``None``.
        read_test: whether to score designs on the test split at the end. Every reading spends a part of the verdict's
            error, also that of later runs in the folder, so a first check of a few trials should do without.
        on_progress: called after every recorded trial.

    Raises:
        StudyError: bad input; no file was made or changed.
        StorageFailedError: disk or database failed during the study; recorded trials are kept.
        Interrupted: a signal came; the tables of all recorded trials were written.
    """
    interrupts = Interrupts()
    with interrupts.caught():
        folder.check_free()
        contents = contents_of(spec)
        begun = folder.manifest() if folder.exists and not fresh else None
        if begun is not None:
            begun.check_same_study(spec)
            storage = storage_of(folder, begun, storage)
            changed = begun.changed(contents)
            check_unchanged(folder, changed, accepted=accept_changes)
            if not changed and (results := finished_results(spec, begun, folder, storage, read_test=read_test)):
                return results
        study = prepare(spec)
        space = study.space
        check_objectives(study)
        plan = planned(study, folder, contents, begun, storage, fresh=fresh, accept_changes=accept_changes)
        with folder.locked():
            pool = CachedPool(make_pool(study, ray_address), CacheKeys(study), cache)

            def shown(progress: Progress) -> None:
                on_progress(replace(progress, reused=pool.reused))

            try:
                with reporting_storage_failures(storage, folder.path):
                    store = begin_run(plan, folder)
                    store.use(make_sampler(spec.search, space, spec.seed_of("search"), study), space)
                    for point in plan.queued:
                        store.enqueue(space, point, Role.SEARCH)
                    try:
                        sizes = [len(member.splits.test) for member in study.members]
                        driver = Driver(
                            spec,
                            store,
                            space,
                            folder,
                            pool,
                            shown,
                            interrupts=interrupts,
                            test_samples=sizes,
                            looks_before=plan.manifest.looks_before,
                        )
                        driver.run(spec.search.trials, read_test=read_test)
                        results = collect(plan.manifest, store)
                        write_report(results, folder.path)
                        verdict = verdict_of(results)
                        recommended = verdict.recommended.trial if verdict.recommended else None
                        store.mark_recommended(recommended, verdict.outcome.value, verdict.headline)
                    except KeyboardInterrupt:
                        write_tables(collect(plan.manifest, store), folder.path)
                        raise
                    return results
            finally:
                pool.close()


@dataclass(frozen=True)
class Plan:
    """How a run begins.

    Attributes:
        manifest: manifest of the run: a new one, or that of the resumed run, brought up to date.
        resumed: whether the run in the folder is resumed.
        replaces: whether the run in the folder, if there is one, is set aside for a new one.
        queued: designs that a new run evaluates first.
        storage: URL of the database with the trials, with its password; empty for the journal.
    """

    manifest: Manifest
    resumed: bool
    replaces: bool
    queued: tuple[DesignPoint, ...]
    storage: str


def planned(
    study: PreparedStudy,
    folder: RunFolder,
    contents: Mapping[str, str],
    begun: Manifest | None = None,
    storage: str = "",
    *,
    fresh: bool = False,
    accept_changes: bool = False,
) -> Plan:
    """Returns how to begin or resume a run; changes nothing.

    Args:
        study: the prepared study.
        folder: the run's folder.
        contents: digests of what the study depends on (:func:`dse.evaluate.contents_of`).
        begun: manifest of the run in the folder; None for a new run.
        storage: URL of the database for the trials; empty for a journal in the folder.
        fresh: as in :func:`run_study`.
        accept_changes: likewise.

    Raises:
        StudyError: files or program changed since the run began, or the database cannot be opened.
    """
    manifest = manifest_of(study, contents, folder, storage)
    if begun is None:
        if storage:
            database(storage)
        manifest = _after(folder, manifest, storage)
        return Plan(manifest, resumed=False, replaces=fresh, queued=(), storage=storage)
    changed = begun.changed(manifest.contents)
    changed += [key for key in ("network", "data") if _sha256(begun, key) != _sha256(manifest, key)]
    check_unchanged(folder, changed, accepted=accept_changes)
    earlier = StudyStore.of_run(folder, begun, storage)  # a damaged or missing storage is refused here
    if changed:
        queued = front_designs(earlier, study)
        manifest = _after(folder, manifest, storage)
        return Plan(manifest, resumed=False, replaces=True, queued=queued, storage=storage)
    return Plan(begun.resumed_as(manifest), resumed=True, replaces=False, queued=(), storage=storage)


def _after(folder: RunFolder, manifest: Manifest, storage: str) -> Manifest:
    """Returns the manifest of a new run that knows how often earlier ones in its folder looked at its data."""
    return manifest.model_copy(update={"looks_before": looks_before(folder, manifest.data_sha256, storage)})


def _sha256(manifest: Manifest, key: str) -> str:
    return {"network": manifest.network_sha256, "data": manifest.data_sha256}[key]


def check_unchanged(folder: RunFolder, changed: list[str], *, accepted: bool) -> None:
    """Refuses to go on with a run whose files or program changed since it began, unless that is accepted.

    Raises:
        StudyError: names what changed; figures from before and after would be mixed.
    """
    if changed and not accepted:
        raise StudyError(
            f"{folder.path}: {', '.join(changed)} changed since this run began, and its figures would be mixed with "
            "others; undo the change, use --accept-changes to go on in a new front, or --out for another folder"
        )


def front_designs(store: StudyStore, study: PreparedStudy) -> tuple[DesignPoint, ...]:
    """Returns the designs on a run's front that its search proposed and that the study's space still has."""
    trials = {trial.number: trial for trial in store.complete()}
    records = {number: record for number, trial in trials.items() if (record := record_in(trial))}
    front = sorted(front_of(records, study.spec.search))
    points = [DesignPoint.from_json(records[n].design) for n in front if role_of(trials[n]) is Role.SEARCH]
    names = {operator.name for operator in study.operators}
    return tuple(point for point in points if {name for name, _ in point.choices} == names)


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


def begin_run(plan: Plan, folder: RunFolder) -> StudyStore:
    """Opens the storage of a run for its driver, and writes the run's manifest and study file.

    Args:
        plan: how the run begins.
        folder: the run's folder, locked by the caller.

    Raises:
        StudyError: another process began a run in the folder, or the folder cannot be written.
    """
    manifest = plan.manifest
    if plan.resumed:
        if folder.manifest().id != manifest.id:
            raise StudyError(f"{folder.path}: another dse run began here in the meantime; run the same command again")
        storage = storage_to_drive(folder, manifest, plan.storage)
        store = StudyStore.load(storage, manifest.study_name, manifest.id)
        folder.start(manifest)
        return store
    if plan.replaces and (aside := folder.set_aside()) is not None:
        warnings.warn(f"the earlier run is kept in {aside}", stacklevel=2)
    if folder.exists:
        raise StudyError(f"{folder.path}: another dse run began here in the meantime; run the same command again")
    folder.discard_start()
    try:
        storage = new_storage(folder, plan.storage)
        store = StudyStore.create(storage, manifest.study_name, manifest.spec.search.objectives, manifest)
    except OSError as error:
        folder.discard_start()
        raise StudyError(f"{folder.path}: cannot be written: {error.strerror}") from None
    folder.start(manifest)
    return store


def manifest_of(study: PreparedStudy, contents: Mapping[str, str], folder: RunFolder, storage: str = "") -> Manifest:
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
    public, run = without_password(storage) if storage else "", new_id()
    return Manifest(
        id=run,
        spec=spec,
        folder=str(folder.path.absolute()),
        created=now_utc(),
        versions=installed_versions(),
        processor=processor(),
        git_revision=git_revision(),
        contents=dict(contents),
        dataset=", ".join(dict.fromkeys(m.dataset for m in members)),
        data_sha256=study.data_sha256,
        samples={part: min(each[part] for each in samples) for part in samples[0]},
        stratified=all(m.splits.stratified for m in members),
        network=", ".join(networks),
        network_sha256=fingerprint_of(study.networks),
        rescalers=tuple(operator.name for operator in study.operators),
        baseline_val_accuracy=study.baseline_val_accuracy,
        cost_sources=cost_sources(study),
        storage=public,
        seal=seal(run, public) if public else "",
    )
