"""A whole study from a spec: prepare, run or resume, report; callable without the command line."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dse.design.metrics import ACCELERATOR_AREA, ACCELERATOR_ENERGY, RESCALER_AREA, RESCALER_ENERGY
from dse.design.roles import Role
from dse.design.space import SearchSpace
from dse.errors import StudyError
from dse.evaluate.costing import Costing, cost_models
from dse.report import write_report, write_tables
from dse.search.driver import Driver, Progress
from dse.search.sampler import make_sampler
from dse.store.cache import EvaluationCache
from dse.store.collect import results_of
from dse.store.database import database, reporting_storage_failures, without_password
from dse.store.journal import own_journal
from dse.store.manifest import Manifest, git_revision, installed_versions, now_utc
from dse.store.results import CostSource, StudyResults
from dse.store.run_folder import RunFolder
from dse.store.trials import StudyStore, storage_of
from dse.study.space import space_over
from dse.study.spec import Study
from dse.study.subject import Subject, subject_of
from dse.workers import EvaluatorPool, SerialPool
from dse.workers.cached import CachedPool
from hwmodels import CalibratedRescalerModel, CostModel
from hwmodels.technologies.technology import Correction


def run_study(
    spec: Study,
    folder: RunFolder,
    *,
    fresh: bool = False,
    ray_address: str | None = None,
    storage: str = "",
    cache: EvaluationCache | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> StudyResults:
    """Run a study to its number of trials, or resume the one that the folder holds, and write its report.

    Args:
        spec: the study; its paths are absolute.
        folder: of the run.
        fresh: forget the run that the folder holds and start over.
        ray_address: of a running Ray cluster; a local one is started for ``None``.
        storage: URL of a database for the trials of a new run, empty for a journal in the folder; where a run is
            resumed, it may bring the password that the run folder does not keep.
        cache: of evaluations of earlier runs; none is used for ``None``.
        on_progress: called after every told trial.

    Raises:
        StudyError: bad input; nothing was made or changed.
        StorageFailedError: the disk or the database failed during the study; all recorded trials are kept.
        KeyboardInterrupt: after tables of everything told were written.
    """
    folder.check_free()
    if folder.exists and not fresh:
        manifest = folder.manifest()
        manifest.check_same_study(spec)
        storage = storage_of(manifest, storage)
        reported = manifest.spec == spec and folder.report_path.is_file()
        if reported and is_finished(results := results_of(folder, storage), spec):
            return results
    subject = subject_of(spec)
    check_objective(subject)
    if storage:
        database(storage)
    with folder.locked():
        pool = CachedPool(make_pool(subject, ray_address), subject.key, cache)

        def report(progress: Progress) -> None:
            on_progress(replace(progress, reused=pool.reused))

        try:
            with reporting_storage_failures(storage, folder.path):
                _begin(subject, folder, storage, fresh=fresh)
                _search(subject, folder, storage, pool, report)
                results = results_of(folder, storage)
                write_report(results, folder.path)
                return results
        finally:
            pool.close()


def _search(
    subject: Subject,
    folder: RunFolder,
    storage: str,
    pool: EvaluatorPool,
    on_progress: Callable[[Progress], None],
) -> None:
    spec = subject.spec
    space = space_over(subject.operators, spec.search, spec.fidelity.finetune, spec.hardware)
    try:
        Driver(subject.spec, _store(folder, space, storage), space, folder, pool, on_progress).run(spec.search.trials)
    except KeyboardInterrupt:
        write_tables(results_of(folder, storage), folder.path)
        raise


def is_finished(results: StudyResults, spec: Study) -> bool:
    """Whether every trial that the study asks for is there, and scored on the test split where it has to be."""
    complete = results.complete
    scored = complete[complete["on_front"] | (complete["role"] != Role.SEARCH)]
    return len(complete) >= spec.search.trials and bool(scored["test_accuracy"].notna().all())


def check_objective(subject: Subject) -> None:
    """Refuse a technology that cannot give the objectives or what is limited, before anything is written.

    Raises:
        StudyError: names what the table lacks.
        HardwareError: the table or the RTL cannot be used.
    """
    search = subject.spec.search
    cost = Costing(subject.spec.hardware).costs(subject.workloads).accelerator
    given = {
        RESCALER_AREA.name: cost.rescalers.rescaler_area_um2,
        RESCALER_ENERGY.name: cost.rescalers.rescaler_energy_nj,
        ACCELERATOR_AREA.name: cost.area_um2,
        ACCELERATOR_ENERGY.name: cost.energy_nj,
    }
    for metric in (*search.objectives, *(constraint.metric for constraint in search.constraints)):
        if metric in given and given[metric] is None:
            reason = next(iter(cost.missing), f"{subject.spec.hardware.technology} does not give it")
            raise StudyError(f"hardware.technology cannot give {metric}: {reason}")


def make_pool(subject: Subject, ray_address: str | None = None) -> EvaluatorPool:
    """The evaluators that the study asks for."""
    workers, make_evaluator = subject.spec.workers, subject.make_evaluator
    if workers.executor == "serial":
        return SerialPool(make_evaluator)
    from dse.workers.ray_pool import RayPool  # Ray takes half a second to import, and serial studies need none

    return RayPool(
        make_evaluator, workers=workers.count, timeout_s=workers.timeout_s, gpus=workers.gpus, address=ray_address
    )


def default_folder(spec: Study) -> Path:
    """Where a study runs unless told otherwise: ``runs/<name>`` below the working directory."""
    return Path("runs") / spec.name


def _begin(subject: Subject, folder: RunFolder, storage: str, *, fresh: bool) -> None:
    if fresh:
        folder.clear()
    kept = without_password(storage) if storage else ""
    manifest = manifest_of(subject).model_copy(update={"storage": kept})
    if folder.exists:
        before = folder.manifest()
        if (before.network_sha256, before.data_sha256) != (manifest.network_sha256, manifest.data_sha256):
            raise StudyError(f"{folder.path}: network or data changed since this run began; use --fresh or --out")
        manifest = before.model_copy(update={"spec": subject.spec})
    folder.start(manifest)


def manifest_of(subject: Subject) -> Manifest:
    """What makes a run reproducible."""
    objective, other = cost_models(subject.spec.hardware)
    contract = subject.operators[0].rescaler.contract.name
    return Manifest(
        spec=subject.spec,
        created=now_utc(),
        versions=installed_versions(),
        git_revision=git_revision(),
        dataset=subject.dataset,
        data_sha256=subject.data_sha256,
        samples=subject.samples,
        network=subject.network,
        network_sha256=subject.network_sha256,
        rescalers=tuple(operator.name for operator in subject.operators),
        baseline_val_accuracy=subject.baseline_val_accuracy,
        cost_sources=(cost_source(objective, contract), cost_source(other, contract)),
    )


def cost_source(model: CostModel, contract: str) -> CostSource:
    """Where a cost model's figures come from, and how far they can be trusted for rescalers of a contract."""
    table = model.technology
    if isinstance(model, CalibratedRescalerModel):
        held_out = (f"{name}: {_off(correction)}" for name, correction in model.corrections_for(contract).items())
        error = f"mean (worst) error against synthesis on designs left out: {'; '.join(held_out)}"
    else:
        stated = {
            kind: max(f.error for f in (part.area_um2, part.energy_pj) if f is not None)
            for kind, part in table.components.items()
            if part.area_um2 or part.energy_pj
        }
        logic = max((error for kind, error in stated.items() if kind != "memory"), default=0.0)
        memory = f", of memory {stated['memory']:.0%}" if "memory" in stated else ""
        error = f"table figures to within {logic:.0%}{memory}"
    error = f"{error}; activity: {table.activity}"
    return CostSource(model.name, table.name, table.node_nm, table.source, error)


def _off(found: Correction) -> str:
    return (
        f"area {found.area_um2_error:.1%} ({found.area_um2_worst:.0%}), "
        f"energy {found.energy_pj_error:.1%} ({found.energy_pj_worst:.0%})"
    )


def _store(folder: RunFolder, space: SearchSpace, storage: str) -> StudyStore:
    manifest = folder.manifest()
    spec, url = manifest.spec, storage_of(manifest, storage)
    trials = database(url) if url else own_journal(folder.journal_path)
    store = StudyStore.create_or_load(trials, manifest.study_name, spec.search.objectives)
    # Every resumption draws on: the same seed again would propose the same designs again.
    seed = (spec.seed + len(store.trials())) % 2**32
    store.use(make_sampler(spec.search, space, seed), space)
    return store
