"""The run folder: where a study lives on disk, and who may write there."""

import json
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from dse.design.cost_source import CostSource
from dse.errors import StudyError
from dse.study.loading import describe_errors
from dse.study.spec import StudyDocument
from nets.files import write_bytes, write_text
from nets.network.fingerprint import Arrays

_PACKAGES = ("rescale-dse", "optuna", "ray", "torch", "pyverilog", "pandas", "numpy", "moocore", "scikit-learn")


class Manifest(BaseModel):
    """What makes a run reproducible.

    Attributes:
        spec: the study as run.
        created: UTC, ISO 8601.
        versions: package to version.
        git_revision: of the working directory, or empty where it is no repository.
        data: name and SHA-256 of the samples, and how many each split has.
        network: name and fingerprint of the baseline.
        rescalers: names, in order of execution.
        baseline_val_accuracy: percent.
        cost_sources: of the objective, and of the figures beside it.
        storage: URL of the database that holds the trials, without its password; empty for the journal.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: StudyDocument
    created: str
    versions: dict[str, str]
    git_revision: str
    dataset: str
    data_sha256: str
    samples: dict[str, int]
    network: str
    network_sha256: str
    rescalers: tuple[str, ...]
    baseline_val_accuracy: float
    cost_sources: tuple[CostSource, CostSource]
    storage: str = ""

    @property
    def study_name(self) -> str:
        """Name of the study in its storage; a database may hold many studies of one name, begun at other times."""
        return f"{self.spec.name} {self.created}" if self.storage else self.spec.name


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_revision() -> str:
    """Commit of the repository that the working directory is in, ``+changed`` behind it where files differ."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
        return done.stdout.strip()

    try:
        revision = git("rev-parse", "HEAD")
        return revision + ("+changed" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def now_utc() -> str:
    """The present time, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class RunFolder:
    """Paths of one run, and what is read from and written to them.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest_path = path / "manifest.json"
        self.study_path = path / "study.toml"
        self.journal_path = path / "journal.log"
        self.weights_path = path / "weights"
        self.report_path = path / "report.html"

    @property
    def exists(self) -> bool:
        """Whether a study was ever started here."""
        return self.manifest_path.is_file()

    def manifest(self) -> Manifest:
        """The manifest of the study that was started here.

        Raises:
            StudyError: there is none, or it cannot be read.
        """
        try:
            return Manifest.model_validate_json(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StudyError(
                f"{self.path}: holds no run (no manifest.json); give the folder that dse run made"
            ) from None
        except ValidationError as error:
            raise StudyError(f"{self.manifest_path}: {describe_errors(error)}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(f"{self.manifest_path}: cannot be read: {error}") from None

    def start(self, manifest: Manifest) -> None:
        """Write study.toml and manifest.json; the manifest, which makes a folder a run, comes last.

        Raises:
            StudyError: the folder cannot be written; a folder that held no run holds none of our files either.
        """
        resumed = self.exists
        try:
            write_text(self.study_path, manifest.spec.to_toml())
            write_text(self.manifest_path, json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n")
        except OSError as error:
            if not resumed:
                self.study_path.unlink(missing_ok=True)
            raise StudyError(f"{self.path}: cannot be written: {error.strerror}") from None

    def check_free(self) -> None:
        """Refuse a folder that holds something else than a run.

        Raises:
            StudyError: the path is a file, or a folder with other contents.
        """
        if self.path.exists() and not self.path.is_dir():
            raise StudyError(f"{self.path}: is a file; give --out another folder")
        if self.path.is_dir() and not self.exists and any(p.name != ".lock" for p in self.path.iterdir()):
            raise StudyError(f"{self.path}: holds files but no run; give --out an empty or new folder")

    def clear(self) -> None:
        """Remove the run that is here, and nothing else than a run.

        Raises:
            StudyError: the folder holds something else.
        """
        self.check_free()
        if not self.exists:
            return
        if not self._manifest_is_ours():
            raise StudyError(f"{self.manifest_path}: not written by dse run; give --out another folder")
        for entry in self.path.iterdir():
            if entry.name == ".lock":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _manifest_is_ours(self) -> bool:
        """Whether some version of this project wrote the manifest: other programs use that file name too."""
        try:
            found = json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(found, dict) and {"spec", "created", "network_sha256"} <= found.keys()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one driver.

        Raises:
            StudyError: another driver holds it, or it cannot be written.
        """
        created = not self.path.exists()
        lock = FileLock(self.path / ".lock")
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
                (self.path / ".lock").unlink(missing_ok=True)
                self.path.rmdir()

    def save_weights(self, trial: int, weights: Arrays) -> None:
        """Keep the fine-tuned integers of a trial (weights/<trial>.safetensors)."""
        write_bytes(self._weights(trial), save(dict(weights)))

    def load_weights(self, trial: int) -> Arrays:
        """The fine-tuned integers of a trial.

        Raises:
            StudyError: they are missing or damaged.
        """
        try:
            return load_file(self._weights(trial))
        except (OSError, SafetensorError) as error:
            raise StudyError(f"{self._weights(trial)}: trained weights cannot be read: {error}") from None

    def _weights(self, trial: int) -> Path:
        return self.weights_path / f"{trial}.safetensors"


def difference(wanted: dict[str, Any], found: dict[str, Any], prefix: str = "") -> str | None:
    """The first key at which two study identities differ, with both values; None where they are equal."""
    for key in sorted({*wanted, *found}):
        one, other = wanted.get(key), found.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            if inner := difference(one, other, f"{prefix}{key}."):
                return inner
        elif one != other:
            return f"{prefix}{key} = {one!r}, there {other!r}"
    return None
