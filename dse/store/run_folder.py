"""The folder in which a run is stored, and the lock of the driver that may write there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from dse.errors import StudyError
from dse.store.manifest import Manifest, is_manifest
from nets.files import write_bytes, write_text
from nets.network import Arrays

_LOCK = ".lock"


class RunFolder:
    """The files of one run, in a folder that need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest_path = path / "manifest.json"
        self.study_path = path / "study.toml"
        self.journal_path = path / "journal.log"
        self.weights_path = path / "weights"
        self.report_path = path / "report.html"

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run."""
        return self.manifest_path.is_file()

    def manifest(self) -> Manifest:
        """Reads the manifest.

        Raises:
            StudyError: there is none, another version wrote it, or it cannot be read.
        """
        return Manifest.read(self.manifest_path)

    def start(self, manifest: Manifest) -> None:
        """Writes study.toml, then manifest.json, which makes the folder a run.

        Raises:
            StudyError: the folder cannot be written; a new run leaves no file.
        """
        resumed = self.exists
        try:
            write_text(self.study_path, manifest.spec.to_toml())
            write_text(self.manifest_path, manifest.to_json())
        except OSError as error:
            if not resumed:
                self.study_path.unlink(missing_ok=True)
            raise StudyError(f"{self.path}: cannot be written: {error.strerror}") from None

    def check_free(self) -> None:
        """Refuses a folder that holds something other than a run.

        Raises:
            StudyError: the path is a file, or a folder with other contents.
        """
        if self.path.exists() and not self.path.is_dir():
            raise StudyError(f"{self.path}: is a file; give --out another folder")
        if self.path.is_dir() and not self.exists and any(entry.name != _LOCK for entry in self.path.iterdir()):
            raise StudyError(f"{self.path}: holds files but no run; give --out an empty or new folder")

    def clear(self) -> None:
        """Removes the run in the folder, of any version, but nothing that is not a run.

        Raises:
            StudyError: the folder holds something else.
        """
        self.check_free()
        if not self.exists:
            return
        if not is_manifest(self.manifest_path):
            raise StudyError(f"{self.manifest_path}: not written by dse run; give --out another folder")
        for entry in self.path.iterdir():
            if entry.name == _LOCK:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for one driver.

        Raises:
            StudyError: another driver holds it, or it cannot be written.
        """
        created = not self.path.exists()
        lock = FileLock(self.path / _LOCK)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
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

    def save_weights(self, trial: int, weights: Arrays) -> None:
        """Writes the fine-tuned integers of a trial to weights/TRIAL.safetensors."""
        write_bytes(self._weights(trial), save(dict(weights)))

    def load_weights(self, trial: int) -> Arrays:
        """Reads the fine-tuned integers of a trial.

        Raises:
            StudyError: they are missing or damaged.
        """
        try:
            return load_file(self._weights(trial))
        except (OSError, SafetensorError) as error:
            raise StudyError(f"{self._weights(trial)}: trained weights cannot be read: {error}") from None

    def _weights(self, trial: int) -> Path:
        return self.weights_path / f"{trial}.safetensors"
