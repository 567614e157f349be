"""The manifest of a run: what makes it reproducible, and what distinguishes its study from another."""

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dse.design import CostSource
from dse.errors import StudyError
from dse.study import Study, StudyDocument, describe_errors

FORMAT = 3  # of a run folder; it grows when a change makes earlier runs unreadable

_PACKAGES = ("rescale-dse", "optuna", "ray", "torch", "pyverilog", "pandas", "numpy", "moocore", "scikit-learn")
_MARKS = {"spec", "created", "network_sha256"}  # keys that distinguish a manifest from other programs' manifest.json


class Manifest(BaseModel):
    """What makes a run reproducible.

    Attributes:
        format: version of the run folder's layout.
        spec: the study as run.
        created: start of the run, UTC, ISO 8601.
        versions: version by package.
        git_revision: commit of the working directory; empty if it is not in a repository.
        dataset, data_sha256: name and SHA-256 digest of the data.
        samples: number of samples by split.
        stratified: whether every class is cut at the splits' shares.
        network, network_sha256: name and fingerprint of the baseline network.
        rescalers: names of the rescalers in order of execution.
        baseline_val_accuracy: validation accuracy of the baseline, percent; None without labels.
        cost_sources: source of the objectives' costs, and of the second cost model.
        storage: URL of the database that holds the trials, without its password; empty for the journal.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    spec: StudyDocument
    created: str
    versions: dict[str, str]
    git_revision: str
    dataset: str
    data_sha256: str
    samples: dict[str, int]
    stratified: bool
    network: str
    network_sha256: str
    rescalers: tuple[str, ...]
    baseline_val_accuracy: float | None
    cost_sources: tuple[CostSource, CostSource]
    storage: str = ""

    @property
    def study_name(self) -> str:
        """The study's name in its storage; a database may hold several studies with the same name."""
        return f"{self.spec.name} {self.created}" if self.storage else self.spec.name

    def to_json(self) -> str:
        """Returns the text of manifest.json."""
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a manifest.json.

        Raises:
            StudyError: there is no manifest, another version wrote it, or it cannot be read.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise StudyError(
                f"{path.parent}: holds no run (no manifest.json); give a folder that dse run wrote"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(f"{path}: cannot be read: {error}") from None
        _check_format(path, text)
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise StudyError(f"{path}: {describe_errors(error)}") from None

    def check_same_study(self, spec: Study) -> None:
        """Refuses to resume the run with another study.

        Raises:
            StudyError: names the first key that differs, and both values.
        """
        if changed := difference(spec.identity(), self.spec.identity()):
            raise StudyError(
                f"the run folder holds another study: {changed}; use --fresh to start over or --out for another folder"
            )


def _check_format(path: Path, text: str) -> None:
    """Rejects the manifest of another version; anything that is no manifest is left to the validation."""
    document = _document(text)
    if not document.keys() >= _MARKS or (given := document.get("format")) == FORMAT:
        return
    shown = "no format" if given is None else f"format = {given!r}"
    versions = document.get("versions")
    writer = versions.get("rescale-dse") if isinstance(versions, dict) else None
    raise StudyError(
        f"{path}: {shown}, but this version reads format = {FORMAT}; use the version that wrote the run"
        f" (rescale-dse {writer or 'unknown'}), or dse run with --fresh to start over"
    )


def is_manifest(path: Path) -> bool:
    """Returns whether some version of this project wrote a manifest.json: other programs use that file name too."""
    try:
        return _document(path.read_text(encoding="utf-8")).keys() >= _MARKS
    except (OSError, UnicodeDecodeError):
        return False


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def difference(wanted: dict[str, Any], present: dict[str, Any], prefix: str = "") -> str | None:
    """Returns the first key at which two study identities differ, with both values; None if they are equal."""
    for key in sorted({*wanted, *present}):
        one, other = wanted.get(key), present.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            if inner := difference(one, other, f"{prefix}{key}."):
                return inner
        elif one != other:
            return f"{prefix}{key} = {one!r}, there {other!r}"
    return None


def installed_versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that results depend on."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def git_revision() -> str:
    """Returns the commit of the working directory's repository, with ``+changed`` appended if tracked files differ."""

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
    """Returns the present time, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
