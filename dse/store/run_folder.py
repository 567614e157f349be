"""The folder in which a run is stored, and the lock of the driver that may write there."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dse.errors import StudyError
from dse.store.journal import examine, mark_of
from dse.store.manifest import Manifest, is_manifest
from nets.digests import digest
from nets.files import is_temporary, regular, sync_folder, write_bytes, write_text
from nets.network import Arrays

_LOCK = ".lock"
_MANIFEST, _STUDY, _JOURNAL, _WEIGHTS = "manifest.json", "study.toml", "journal.log", "weights"
_REPORTS = (
    "report.html", "results.xlsx", "trials.parquet", "front.csv", "baselines.csv", "trials.csv", "layers.csv",
    "figures",
)  # fmt: skip
_TRAIN = "dse repair --train trains them again"
_EARLIER = "earlier-"  # followed by a number: folders of runs that were set aside


class RunFolder:
    """The files of one run, in a folder that need not exist yet; other files in it are the user's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest_path = path / _MANIFEST
        self.study_path = path / _STUDY
        self.journal_path = path / _JOURNAL
        self.weights_path = path / _WEIGHTS
        self.report_path = path / "report.html"

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run."""
        return self.manifest_path.is_file()

    def manifest(self) -> Manifest:
        """Reads the manifest.

        Raises:
            StudyError: there is none, another version wrote it, or it is not as it was written.
        """
        if not self.exists and (trials := self._trials_without_manifest()):
            raise StudyError(
                f"{self.manifest_path}: is missing, but {self.journal_path.name} holds {trials} trials; dse repair "
                "restores it"
            )
        return Manifest.read(self.manifest_path)

    def start(self, manifest: Manifest) -> None:
        """Writes manifest.json, which makes the folder a run, then study.toml.

        Raises:
            StudyError: the folder cannot be written; a new run leaves no file.
        """
        resumed = self.exists
        try:
            write_text(self.manifest_path, manifest.to_json())
            write_text(self.study_path, manifest.spec.to_toml())
        except OSError as error:
            if not resumed:
                self.discard_start()
            raise StudyError(f"{self.path}: cannot be written: {error.strerror}") from None

    def discard_start(self) -> None:
        """Removes what a start that was cut short has left, which holds no trial."""
        for path in (self.manifest_path, self.study_path, self.journal_path, mark_of(self.journal_path)):
            path.unlink(missing_ok=True)

    def check_free(self) -> None:
        """Refuses a folder that a driver must not write into.

        Raises:
            StudyError: the path is a file, a folder with other contents, or a folder with symbolic links in place of
                the run's files; or its name is not UTF-8.
        """
        try:
            str(self.path.absolute()).encode()
        except UnicodeEncodeError:
            raise StudyError(f"{self.path!r}: is not UTF-8; give --out a folder whose path is") from None
        if self.path.exists() and not self.path.is_dir():
            raise StudyError(f"{self.path}: is a file; give --out another folder")
        self.check_links()
        if not self.path.is_dir() or self.exists:
            return
        if trials := self._trials_without_manifest():
            raise StudyError(f"{self.path}: holds {trials} trials but no manifest.json; dse repair restores it")
        names = {entry.name for entry in self.path.iterdir() if not is_temporary(entry)} - {_LOCK}
        was_run = any(name.startswith(_EARLIER) for name in names)
        if not was_run and names - self._names_of_a_start():
            raise StudyError(f"{self.path}: holds files but no run; give --out an empty or new folder")

    def _names_of_a_start(self) -> set[str]:
        """Returns the names of the files that a start that was cut short has left, if they are such."""
        try:
            begun = examine(self.journal_path)
        except OSError:
            return {mark_of(self.journal_path).name}
        own = not begun.size or not begun.loss
        return {_JOURNAL, mark_of(self.journal_path).name} if own else set()

    def _trials_without_manifest(self) -> int:
        """Returns how many trials the journal of a folder without a manifest holds; 0 if there is no journal."""
        try:
            return 0 if self.exists else examine(self.journal_path).trials
        except OSError:
            return 0

    def check_links(self) -> None:
        """Refuses to write into a folder in which symbolic links stand in place of the run's files.

        Raises:
            StudyError: names the first link; what it leads to may lie anywhere.
        """
        for name in (_LOCK, *self._names()):
            if (self.path / name).is_symlink():
                raise StudyError(f"{self.path / name}: is a symbolic link, which dse does not follow; remove it")

    def _names(self) -> tuple[str, ...]:
        """Returns the names of everything that a run writes, the manifest last."""
        return (_JOURNAL, mark_of(self.journal_path).name, _STUDY, _WEIGHTS, *_REPORTS, _MANIFEST)

    def set_aside(self) -> Path | None:
        """Moves the run in the folder, of any version, into a folder inside of it; other files stay where they are.

        Returns:
            The new folder, which holds a whole run; None if there was none.

        Raises:
            StudyError: the folder holds something else, or cannot be written.
        """
        self.check_free()
        present = [self.path / name for name in self._names() if (self.path / name).exists()]
        if not present:
            return None
        if self.exists and not is_manifest(self.manifest_path):
            raise StudyError(f"{self.manifest_path}: not written by dse run; give --out another folder")
        try:
            aside = self.new_folder(_EARLIER)
            for path in present:
                path.rename(aside / path.name)
            sync_folder(aside)
        except OSError as error:
            raise StudyError(f"{self.path}: cannot be written: {error.strerror}") from None
        return aside

    def set_aside_runs(self) -> "list[RunFolder]":
        """Returns the runs that were set aside in the folder."""
        return [RunFolder(path) for path in sorted(self.path.glob(f"{_EARLIER}*")) if path.is_dir()]

    def new_folder(self, prefix: str) -> Path:
        """Makes the first folder in this one whose name is the prefix and a number."""
        for number in itertools.count(1):
            with suppress(FileExistsError):
                (path := self.path / f"{prefix}{number}").mkdir()
                return path
        raise AssertionError

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for one driver; removes temporary files that a driver that was killed has left.

        Raises:
            StudyError: another driver holds it, or it cannot be written.
        """
        created = not self.path.exists()
        self.check_links()
        lock = FileLock(self.path / _LOCK)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
            for folder in (self.path, self.weights_path, self.path / "figures"):
                for entry in folder.glob(".*-*"):
                    if is_temporary(entry):
                        entry.unlink(missing_ok=True)
        except Timeout:
            raise StudyError(f"{self.path}: another dse run works in this folder; wait for it or give --out") from None
        except OSError as error:
            raise StudyError(f"{self.path}: cannot be written: {error.strerror}") from None
        try:
            yield
        finally:
            lock.release()
            if created and not self.exists:
                (self.path / _LOCK).unlink(missing_ok=True)
                self.path.rmdir()

    def save_weights(self, trial: int, weights: Arrays, network_sha256: str) -> None:
        """Writes the fine-tuned integers of a trial to weights/TRIAL.safetensors, bound to the network they make."""
        arrays = dict(weights)
        write_bytes(self._weights(trial), save(arrays, {_SUM: _sum_of(arrays, network_sha256)}))

    def load_weights(self, trial: int, network_sha256: str) -> Arrays:
        """Reads the fine-tuned integers of a trial.

        Args:
            trial: number of the trial.
            network_sha256: fingerprint of the network that they make, as the trial's record holds it.

        Raises:
            StudyError: they are missing, damaged, or those of another network.
        """
        path = self._weights(trial)
        try:
            with safe_open(regular(path), "numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- it is no mapping
                found = (file.metadata() or {}).get(_SUM)
        except (OSError, SafetensorError) as error:
            raise StudyError(
                f"{path}: trained weights cannot be read: {error}; dse repair --train trains them again"
            ) from None
        if found != _sum_of(arrays, network_sha256):
            raise StudyError(f"{path}: not the weights that were scored; {_TRAIN}")
        return arrays

    def _weights(self, trial: int) -> Path:
        return self.weights_path / f"{trial}.safetensors"


_SUM = "sha256"


def _sum_of(arrays: Arrays, network_sha256: str) -> str:
    parts = (
        part
        for name in sorted(arrays)
        for part in (name.encode(), repr((arrays[name].dtype.str, arrays[name].shape)).encode(), arrays[name].tobytes())
    )
    return digest(network_sha256.encode(), *parts).hex()
