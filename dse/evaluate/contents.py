"""What a run's figures depend on besides its study: the contents of files and of the program, not their paths."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from dse.errors import StudyError
from dse.evaluate.cache_key import sources
from dse.study import Study, input_files, with_input_files
from hwmodels import included_files, load_technology

_TABLE, _RTL, _PROGRAM = "hardware.technology", "hardware.rtl.", "program"


def contents_of(study: Study) -> dict[str, str]:
    """Returns SHA-256 digests, hexadecimal, by key of the study file, and ``program`` for the program's source files.

    A technology table counts by its figures, a shipped one like the user's own; other files by their bytes, Verilog
    with the files that it includes.

    Raises:
        StudyError: a file cannot be read.
        HardwareError: the technology table cannot be used, or Verilog cannot be preprocessed.
    """
    files = {key: _sha256(key, file) for key, file in input_files(study).items() if key != _TABLE}
    return {**files, _TABLE: _table_sha256(study.hardware.technology), _PROGRAM: sources().hex()}


def located(study: Study, contents: Mapping[str, str], before: Path, now: Path) -> Study:
    """Returns a run's study with the paths at which its files lie today.

    A file that is not at its path any more is looked for where it lies if the run folder and its inputs moved together.

    Args:
        study: the study as the run's manifest holds it.
        contents: the run's digests, as of :func:`contents_of`.
        before: absolute path of the run folder when the manifest was written.
        now: its path today.

    Raises:
        StudyError: a file is missing, or is not the one that the run began with.
        HardwareError: the technology table cannot be used.
    """
    found = {}
    for key, file in input_files(study).items():
        moved = Path(os.path.normpath(now.absolute() / os.path.relpath(file, before)))
        found[key] = _first(key, [path for path in (file, moved) if path.is_file()], file, contents.get(key))
    return with_input_files(study, found)


def _first(key: str, present: list[Path], named: Path, sha256: str | None) -> Path:
    """Returns the first of the files that are present which has the digest."""
    for path in present:
        if (_table_sha256(str(path)) if key == _TABLE else _sha256(key, path)) == sha256:
            return path
    if present:
        raise StudyError(f"{key}: {present[0]} changed since this run began; restore it")
    raise StudyError(f"{key}: no such file: {named}; name it in a study file and give that with --study")


def _table_sha256(technology: str) -> str:
    figures = json.dumps(load_technology(technology).model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(figures.encode()).hexdigest()


def _sha256(key: str, path: Path) -> str:
    """Returns the digest of a file; of Verilog that includes files, the digest of the list of their digests."""
    included = included_files(path) if key.startswith(_RTL) else ()
    digests = [_sha256_of_file(key, each) for each in (path, *included)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest() if included else digests[0]


def _sha256_of_file(key: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StudyError(f"{key}: {path}: {error.strerror}") from None
