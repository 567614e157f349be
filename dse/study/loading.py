"""Reads and validates study files; every error is one line that names file, key and value."""

import difflib
import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dse.errors import StudyError
from dse.fetch import name_in
from dse.study.inputs import input_files, with_input_files
from dse.study.spec import Study, written_out
from hwmodels import parse_toml, read_text

if TYPE_CHECKING:  # imported by the studies that need it: it takes an HTTP client
    from dse.fetch import Fetcher

_ONLY_MEMBER = ("members", 0)
_MOST_BYTES = 1_000_000  # of a study file
_SHORT = reprlib.Repr()  # of values in messages
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100
_SHORT.maxlist = _SHORT.maxdict = _SHORT.maxtuple = 20


def load_study(path: Path, fetcher: "Fetcher | None" = None) -> Study:
    """Reads and validates a study file; paths in it become absolute, and public files are brought.

    Args:
        path: the study file.
        fetcher: brings what the study names as ``fetch:NAME``; by default from the user's cache or its address.

    Raises:
        StudyError: one line that names file, key, value and what would be right.
    """
    try:
        document = parse_toml(read_text(path, _MOST_BYTES))
    except FileNotFoundError:
        raise StudyError(f"{path}: no such study file") from None
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: not a readable TOML file: {error}") from None
    return study_of(document, path.resolve().parent, str(path), fetcher)


def study_of(document: dict[str, Any], folder: Path, source: str = "study", fetcher: "Fetcher | None" = None) -> Study:
    """Validates the tables of a study; paths in it become absolute, and public files are brought.

    Args:
        document: the keys and tables of a study file.
        folder: absolute path that its paths are relative to.
        source: where the tables come from, for messages.
        fetcher: as in :func:`load_study`.

    Raises:
        StudyError: one line that names source, key, value and what would be right.
    """
    try:
        study = validated(document, folder)
    except StudyError as error:
        raise StudyError(f"{source}: {error}") from None
    named = {key: name for key, file in input_files(study).items() if (name := name_in(file)) is not None}
    for key, file in input_files(study).items():
        if key not in named and not file.is_file():
            raise StudyError(f"{source}: {key}: no such file: {file}; paths are relative to {folder}")
    return with_input_files(study, _brought(source, named, fetcher)) if named else study


def with_overrides(
    spec: Study, *, trials: int | None = None, workers: int | None = None, seed: int | None = None
) -> Study:
    """Returns a study with another number of trials, of workers, or another seed; None leaves the study's.

    Raises:
        StudyError: one line that names the key and what would be right.
    """
    document = spec.model_dump(mode="json", exclude_none=True)
    given = ((document["search"], "trials", trials), (document["workers"], "count", workers), (document, "seed", seed))
    for table, key, value in given:
        if value is not None:
            table[key] = value
    return validated(document)


def _brought(source: str, named: Mapping[str, str], fetcher: "Fetcher | None") -> dict[str, Path]:
    """Returns the public files of a study by their keys; nothing is downloaded if one of them is unknown."""
    from dse.fetch import Fetcher

    own = fetcher or Fetcher()
    for key, name in named.items():
        try:
            own.place_of(name)
        except StudyError as error:
            raise StudyError(f"{source}: {key}: {error}") from None
    try:
        return {key: own.bring(name) for key, name in named.items()}
    except StudyError as error:
        raise StudyError(f"{source}: {error}") from None


def validated(document: dict[str, Any], folder: Path | None = None) -> Study:
    """Returns the study of plain TOML values; types are not converted: ``"12"``, ``true`` and ``12.0`` are no integers.

    Args:
        document: the study file's keys and tables, with [network] and [data] or with [[members]].
        folder: absolute path that the document's paths are relative to; None to leave them as they are.

    Raises:
        StudyError: one line that names key, value and what would be right.
    """
    try:
        # Strict validation accepts paths, enumerations and tuples only from JSON, where they are strings and arrays.
        return Study.model_validate_json(json.dumps(written_out(document), default=str), strict=True, context=folder)
    except ValidationError as error:
        raise StudyError(describe_errors(error, single="members" not in document)) from None


def describe_errors(error: ValidationError, *, single: bool = False) -> str:
    """Returns a validation error as one line: key, what is wrong, the value given.

    If ``single``, the validated document has [network] and [data] instead of [[members]].
    """
    return "; ".join(_described(entry, single=single) for entry in error.errors())


def _described(entry: ErrorDetails, *, single: bool) -> str:
    location, given = entry["loc"], entry["input"]
    key = ".".join(str(part) for part in (location[2:] if single and location[:2] == _ONLY_MEMBER else location))
    if entry["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _keys_at(location[:-1]), n=1)
        meant = f"did you mean {close[0]}?" if close else "remove it or see docs/study-file.md for the keys"
        return f"unknown key {key} = {_SHORT.repr(given)}; {meant}"
    if entry["type"] == "missing":
        return f"key {key} is missing; every study gives name, and network and data or [[members]] that have them"
    message = entry["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(given, dict) else f", got {_SHORT.repr(given)}"
    return f"{key}: {message}{shown}" if key else f"{message}{shown}"


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """Returns the keys of a table of the study file; none if there is no such table."""
    table: type[BaseModel] | None = Study
    for key in location:
        if isinstance(key, str):  # a number counts the tables of an array, which are alike
            field = table.model_fields.get(key) if table else None
            table = _table_in(field.annotation) if field else None
    return list(table.model_fields) if table else []


def _table_in(annotation: object) -> type[BaseModel] | None:
    """Returns the model in ``Model``, ``Model | None`` or ``tuple[Model, ...]``; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table_in(part))), None)
