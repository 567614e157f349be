"""From a study file to a checked study: what is wrong is said in one line that names file, key and value."""

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dse.errors import StudyError
from dse.study.spec import MemberSpec, PortfolioSpec, Section, Study, StudySpec

AnyStudy = TypeVar("AnyStudy", StudySpec, PortfolioSpec)


def load_study(path: Path) -> StudySpec:
    """Read and validate the file of a study of one network; paths in it become absolute.

    Raises:
        StudyError: one line that names file, key, value and what would be right.
    """
    spec = load_any_study(path)
    if not isinstance(spec, StudySpec):
        raise StudyError(f"{path}: members: this is a portfolio; give the study of one network")
    return spec


def load_any_study(path: Path) -> Study:
    """Read and validate a study file, of one network or of several; paths in it become absolute.

    Raises:
        StudyError: one line that names file, key, value and what would be right.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path}: no such study file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StudyError(f"{path}: not a readable TOML file: {error}") from None
    try:
        spec = validated_any(document)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None
    spec = _with_absolute_paths(spec, path.resolve().parent)
    for key, network in named_networks(spec):
        for name, file in (
            (f"{key}network.model", network.network.model),
            (f"{key}data.samples", network.data.samples),
        ):
            if file is not None and not file.is_file():
                raise StudyError(f"{path}: {name}: no such file: {file}; paths are relative to the study file")
    return spec


def named_networks(spec: Study) -> list[tuple[str, StudySpec | MemberSpec]]:
    """Networks with their data, each with the key of its table, a dot behind it."""
    if isinstance(spec, StudySpec):
        return [("", spec)]
    return [(f"members.{member.name}.", member) for member in spec.members]


def validated(document: dict[str, Any]) -> StudySpec:
    """The study of plain TOML values; types are not converted: ``"12"``, ``true`` and ``12.0`` are no integers.

    Raises:
        StudyError: one line that names key, value and what would be right.
    """
    return _validated(StudySpec, document)


def validated_any(document: dict[str, Any]) -> Study:
    """The study of plain TOML values, of one network or, where it has members, of several."""
    return _validated(PortfolioSpec, document) if "members" in document else validated(document)


def _validated(model: type[AnyStudy], document: dict[str, Any]) -> AnyStudy:
    try:
        # Strict validation knows paths, enumerations and tuples only in JSON, where they are text and lists.
        return model.model_validate_json(json.dumps(document, default=str), strict=True)
    except ValidationError as error:
        raise StudyError(describe_errors(error)) from None


def describe_errors(error: ValidationError) -> str:
    """A validation error as one line: key, what is wrong, the value given."""
    return "; ".join(_describe(entry["loc"], entry["msg"], entry["type"], entry["input"]) for entry in error.errors())


def _describe(location: tuple[int | str, ...], message: str, kind: str, given: object) -> str:
    key = ".".join(str(part) for part in location)
    if kind == "extra_forbidden":
        return f"unknown key {key} = {given!r}; remove it or see docs/study-file.md for the keys"
    if kind == "missing":
        return f"key {key} is missing; every study gives name, and network and data or [[members]] that have them"
    message = message.removeprefix("Value error, ")
    shown = "" if isinstance(given, dict) else f", got {given!r}"
    return f"{key}: {message}{shown}" if key else f"{message}{shown}"


def _with_absolute_paths(spec: Study, folder: Path) -> Study:
    hardware = spec.hardware
    if Path(hardware.technology).suffix == ".toml":  # a path; shipped tables are named without
        hardware = hardware.model_copy(update={"technology": str((folder / hardware.technology).resolve())})
    if hardware.rtl is not None:
        files = tuple((folder / file).resolve() for file in hardware.rtl.files)
        hardware = hardware.model_copy(update={"rtl": hardware.rtl.model_copy(update={"files": files})})
    if isinstance(spec, StudySpec):
        return spec.model_copy(update={"hardware": hardware, **_absolute(spec, folder)})
    members = tuple(member.model_copy(update=_absolute(member, folder)) for member in spec.members)
    return spec.model_copy(update={"hardware": hardware, "members": members})


def _absolute(entry: StudySpec | MemberSpec, folder: Path) -> dict[str, Section]:
    """Network and data with absolute paths."""
    model, samples = entry.network.model, entry.data.samples
    return {
        "network": entry.network.model_copy(update={"model": model and (folder / model).resolve()}),
        "data": entry.data.model_copy(update={"samples": samples and (folder / samples).resolve()}),
    }
