"""Checks a run folder for damage, and repairs what can be repaired without evaluating anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import TrialState

from dse.errors import StudyError
from dse.store.collection import collect
from dse.store.journal import Condition, Journal, cut_to, examine, mark_of
from dse.store.manifest import Manifest
from dse.store.records import TrialRecord
from dse.store.run_folder import RunFolder
from dse.store.trials import StudyStore, record_in
from nets.files import regular, write_text

_DAMAGED = "damaged-"  # followed by a number: folders of files as they were before a repair


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in a run folder.

    Attributes:
        problem: what is wrong, with the name of the file.
        remedy: what to do about it.
    """

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


_REPAIR = "dse repair"
_FRESH = "start over with dse run --fresh"
_TRAIN = "dse repair --train trains them again"


def check(folder: RunFolder, storage: str = "") -> list[Finding]:
    """Returns everything that is wrong in a run folder; reads every file of the run that a result depends on.

    Args:
        folder: the run's folder.
        storage: URL of the run's database, needed if this user did not make the run here, or for its password.

    Raises:
        StudyError: the folder holds no run, or one of another version, or its database has to be named.
    """
    found = list(_check_journal(folder))
    try:
        manifest = folder.manifest()
    except StudyError as error:
        if _kept_manifest(folder) is None:
            raise
        return [*found, Finding(str(error), f"{_REPAIR} restores it from the journal")]
    found += _check_copy(folder, manifest)
    if any(finding.remedy.startswith(_REPAIR) for finding in found) and not manifest.storage:
        return found  # the trials cannot be read before that
    store = StudyStore.of_run(folder, manifest, storage)
    stored = list(_check_trials(store)) or list(_check_tables(manifest, store))
    return [*found, *stored, *_check_weights(folder, store)]


def repair(folder: RunFolder) -> list[str]:
    """Repairs journal, manifest and study file of a run folder, as far as that is possible; returns what was done.

    Files that are replaced are moved into a folder ``damaged-N`` of the run folder first.

    Raises:
        StudyError: nothing can be kept, or the folder cannot be written.
    """
    folder.check_links()
    with folder.locked():
        done = [*_repair_journal(folder), *_repair_manifest(folder)]
        manifest = folder.manifest()
        if _check_copy(folder, manifest):
            write_text(folder.study_path, manifest.spec.to_toml())
            done.append(f"{folder.study_path}: written again from the manifest")
        return done


def without_weights(folder: RunFolder, store: StudyStore) -> dict[int, TrialRecord]:
    """Returns the records of complete trials whose trained weights are missing or damaged, by trial."""
    lost = {}
    for trial in store.complete():
        record = record_in(trial)
        if record is None or not record.is_trained:
            continue
        try:
            folder.load_weights(trial.number, record.network_sha256)
        except StudyError:
            lost[trial.number] = record
    return lost


def _examined(path: Path) -> Condition | None:
    """Returns a journal's condition; None if there is no journal."""
    try:
        return examine(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from None


def _check_journal(folder: RunFolder) -> Iterator[Finding]:
    if (condition := _examined(folder.journal_path)) is None:
        return
    if condition.loss:
        yield Finding(
            f"{folder.journal_path}: {condition.loss}",
            f"{_REPAIR} keeps the {condition.complete} complete trials before",
        )
    elif condition.flaw:
        yield Finding(
            f"{folder.journal_path}: line {condition.good.lines + 1} {condition.flaw}",
            "no recorded trial is lost, the next dse run cuts it off",
        )


def _check_copy(folder: RunFolder, manifest: Manifest) -> list[Finding]:
    try:
        same = regular(folder.study_path).read_text(encoding="utf-8") == manifest.spec.to_toml()
    except (OSError, UnicodeDecodeError):
        same = False
    return (
        [] if same else [Finding(f"{folder.study_path}: is not the study as run", "the next dse run writes it again")]
    )


def _check_trials(store: StudyStore) -> Iterator[Finding]:
    """Yields damage in records and test scores, which a journal's checksums rule out but a database does not."""
    for trial in store.trials():
        try:
            record = record_in(trial)
        except StudyError as error:
            yield Finding(str(error), _FRESH)
            continue
        complete = trial.state is TrialState.COMPLETE
        if complete and (record is None or not store.is_told_of(trial, record)):
            yield Finding(f"trial {trial.number}: its objectives are not its record's", _FRESH)
    try:
        store.tests()
    except StudyError as error:
        yield Finding(str(error), _FRESH)


def _check_tables(manifest: Manifest, store: StudyStore) -> Iterator[Finding]:
    """Yields what else keeps the tables of a study from being made."""
    try:
        collect(manifest, store)
    except StudyError as error:
        yield Finding(str(error), _FRESH)


def _check_weights(folder: RunFolder, store: StudyStore) -> Iterator[Finding]:
    try:
        lost = without_weights(folder, store)
    except StudyError:  # a damaged record, which is reported already
        return
    if lost:
        numbers = ", ".join(map(str, lost))
        yield Finding(f"{folder.weights_path}: trained weights of trial {numbers} are missing or damaged", _TRAIN)


def _repair_journal(folder: RunFolder) -> Iterator[str]:
    path = folder.journal_path
    if (condition := _examined(path)) is None:
        return
    if not condition.loss and not condition.flaw:
        return
    if not condition.has_study:
        raise StudyError(f"{path}: {condition.loss or condition.flaw}; nothing can be kept, use dse run --fresh")
    aside = folder.new_folder(_DAMAGED)
    for file in (path, mark_of(path)):
        if file.exists():
            (aside / file.name).write_bytes(file.read_bytes())
    cut_to(path, condition.good)
    yield f"{path}: {_kept(condition)}; as it was, it is kept in {aside}"


def _kept(condition: Condition) -> str:
    rest = condition.size - condition.good.offset
    return f"cut to its {condition.good.lines} good lines with {condition.complete} complete trials ({rest} bytes less)"


def _repair_manifest(folder: RunFolder) -> Iterator[str]:
    try:
        folder.manifest()
    except StudyError:
        if (kept := _kept_manifest(folder)) is None:
            raise
        if folder.manifest_path.exists():
            aside = folder.new_folder(_DAMAGED)
            folder.manifest_path.rename(aside / folder.manifest_path.name)
        write_text(folder.manifest_path, kept.to_json())
        yield f"{folder.manifest_path}: restored from the journal, as it was when the run began"


def _kept_manifest(folder: RunFolder) -> Manifest | None:
    """Returns the manifest that a journal holds; None if there is none, or one of another version."""
    try:
        return Manifest.parse(_manifest_text(folder.journal_path), str(folder.journal_path))
    except (StudyError, OSError):
        return None


def _manifest_text(path: Path) -> str:
    for log in Journal(path).read_logs(0):
        if "study_id" in log and "manifest" in (attribute := log.get("user_attr", {})):
            return str(attribute["manifest"])
    return ""
