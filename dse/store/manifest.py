"""The manifest of a run: what makes it reproducible, and what distinguishes its study from another."""

import json
import os
import platform
import secrets
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dse.design import CostSource
from dse.errors import StudyError
from dse.store.trust import seal
from dse.study import Study, StudyDocument, describe_errors
from nets.digests import digest
from nets.files import regular

FORMAT = 4  # of a run folder; it grows when a change makes earlier runs unreadable

_PACKAGES = ("rescale-dse", "optuna", "ray", "torch", "pyverilog", "pandas", "numpy", "moocore", "scikit-learn")
_MARKS = {"spec", "created", "network_sha256"}  # keys that distinguish a manifest from other programs' manifest.json
_SUM = "manifest_sha256"


class Manifest(BaseModel):
    """What makes a run reproducible.

    Attributes:
        format: version of the run folder's layout.
        id: 128 random bits, hexadecimal, that no other run has.
        spec: the study as run.
        folder: absolute path of the run folder when the run was last begun or resumed.
        created: start of the run, UTC, ISO 8601.
        versions: version by package.
        processor: instruction set, and the vector instructions that training uses.
        git_revision: commit of the program's source tree; empty if it is installed from a package.
        contents: SHA-256 by key of the study file of what the run's figures depend on besides the study: files,
            technology table, program.
        dataset, data_sha256: name and SHA-256 digest of the data.
        samples: number of samples by split.
        stratified: whether every class is cut at the splits' shares.
        network, network_sha256: name and fingerprint of the baseline network.
        rescalers: names of the rescalers in order of execution.
        baseline_val_accuracy: validation accuracy of the baseline, percent; None without labels.
        cost_sources: source of the objectives' costs, and of the second cost model.
        storage: URL of the database that holds the trials, without its password; empty for the journal.
        seal: shows this user that a run was made here (:mod:`dse.store.trust`); empty for the journal.
        looks_before: looks at test samples of the same data that earlier runs in the folder took.
        resumed_with: versions and processor that the run was resumed with, if they were others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    id: str = Field(pattern="^[0-9a-f]{32}$")
    spec: StudyDocument
    folder: str
    created: str
    versions: dict[str, str]
    processor: str
    git_revision: str
    contents: dict[str, str]
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
    seal: str = ""
    looks_before: int = Field(default=0, ge=0)
    resumed_with: tuple[str, ...] = ()

    @property
    def study_name(self) -> str:
        """The study's name in its storage; a database may hold many studies of one name."""
        return f"{self.spec.name} {self.id}" if self.storage else self.spec.name

    def to_json(self) -> str:
        """Returns the text of manifest.json, whose last key is a digest of the others."""
        document = self.model_dump(mode="json")
        return json.dumps({**document, _SUM: _sum_of(document)}, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a manifest.json.

        Raises:
            StudyError: there is no manifest, another version wrote it, or it is not as it was written.
        """
        try:
            text = regular(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise StudyError(
                f"{path.parent}: holds no run (no manifest.json); give a folder that dse run wrote"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(f"{path}: cannot be read: {error}") from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, origin: str) -> Self:
        """Returns the manifest of a text that :meth:`to_json` gave.

        Raises:
            StudyError: another version wrote it, or it is not as it was written; ``origin`` is named.
        """
        document = _document(text)
        _check_format(origin, document)
        if _SUM in document and document[_SUM] != _sum_of({k: v for k, v in document.items() if k != _SUM}):
            raise StudyError(f"{origin}: was changed or damaged since it was written; dse repair restores it")
        try:
            manifest = cls.model_validate_json(text if not document else json.dumps(_without_sum(document)))
        except ValidationError as error:
            raise StudyError(f"{origin}: {describe_errors(error)}") from None
        if _SUM not in document:
            raise StudyError(f"{origin}: its key {_SUM} is missing; dse repair restores it")
        return manifest

    def check_same_study(self, spec: Study) -> None:
        """Refuses to resume the run with another study; its files may lie anywhere.

        Raises:
            StudyError: names the first key that differs, and both values.
        """
        if changed := difference(spec.identity(), self.spec.identity()):
            raise StudyError(
                f"the run folder holds another study: {changed}; use --fresh to start over or --out for another folder"
            )

    def resumed_as(self, now: Self) -> Self:
        """Returns the manifest with what a resumption may change, taken from the manifest that a new run would have."""
        update = {"spec": now.spec, "folder": now.folder, "storage": now.storage}
        if now.storage:
            update["seal"] = seal(self.id, now.storage)
        others = {
            f"{package} {number}" for package, number in now.versions.items() if self.versions.get(package) != number
        }
        other = ", ".join([*sorted(others), *([now.processor] if now.processor != self.processor else [])])
        if other and other not in self.resumed_with:
            update["resumed_with"] = (*self.resumed_with, other)
        return self.model_copy(update=update)

    def changed(self, contents: Mapping[str, str]) -> list[str]:
        """Returns the keys of contents that are not those that the run began with."""
        return sorted(key for key in {*contents, *self.contents} if contents.get(key) != self.contents.get(key))


def _sum_of(document: dict[str, Any]) -> str:
    return digest(json.dumps(document, sort_keys=True).encode()).hex()


def _without_sum(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != _SUM}


def _check_format(origin: str, document: dict[str, Any]) -> None:
    """Rejects the manifest of another version; anything that is no manifest is left to the validation."""
    if not document.keys() >= _MARKS or (given := document.get("format")) == FORMAT:
        return
    shown = "no format" if given is None else f"format = {given!r}"
    age = "newer" if isinstance(given, int) and given > FORMAT else "older"
    versions = document.get("versions")
    writer = versions.get("rescale-dse") if isinstance(versions, dict) else None
    raise StudyError(
        f"{origin}: {shown}, but this version reads format = {FORMAT}; a version of rescale-dse that is {age} "
        f"({writer or 'unknown'}) wrote the run: use that one, or dse run with --fresh to start over"
    )


def is_manifest(path: Path) -> bool:
    """Returns whether some version of this project wrote a manifest.json: other programs use that file name too."""
    try:
        return _document(regular(path).read_text(encoding="utf-8")).keys() >= _MARKS
    except (OSError, UnicodeDecodeError):
        return False


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
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
    """Returns the commit of the program's own source tree, with ``+changed`` appended if tracked files differ.

    It is empty if no repository tracks the program, as when it is installed from a package: the repository of the
    working directory, or one around a virtual environment, is another project's.
    """
    own = Path(__file__)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(own.parent), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True, env=environment)  # noqa: S603
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", own.name)
        return git("rev-parse", "HEAD") + ("+changed" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def new_id() -> str:
    """Returns 128 random bits, hexadecimal."""
    return secrets.token_hex(16)


def now_utc() -> str:
    """Returns the present time, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
