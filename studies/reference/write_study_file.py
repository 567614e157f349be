"""Generates docs/study-file.md from the schema: ``python -m studies.reference.write_study_file``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dse.study.spec import PortfolioSpec, StudySpec

_HEAD = """# The study file

A study is one .toml file. This page is generated from the schema that validates it
(`python -m studies.reference.write_study_file`); a key that is not listed is an error. Paths are relative to the study
file.
"""


_PORTFOLIO = """## Several networks on one silicon

A study with `[[members]]` instead of `[network]` and `[data]` searches rescalers for several networks at once: one
bank, shared by all layers of all members, so `hardware.style` is `"shared"`. Rescalers are named `member/rescaler`,
also in the patterns of `[[search.rescalers]]`. Every other table is as above.
"""


def reference() -> str:
    """Returns the page in Markdown."""
    members = [key for key in PortfolioSpec.model_fields if key not in StudySpec.model_fields]
    return "\n".join([_HEAD, *_section(StudySpec, ""), _PORTFOLIO, *_section(PortfolioSpec, "", only=members)])


def _section(model: type[BaseModel], path: str, *, repeated: bool = False, only: Sequence[str] = ()) -> list[str]:
    heading = f"[[{path}]]" if repeated else f"[{path}]"
    lines = [] if only else [f"## `{heading}`" if path else "## Top level", ""]
    if path:
        lines += [" ".join((model.__doc__ or "").split()), ""]
    inner: list[str] = []
    rows: list[str] = []
    fields = {key: field for key, field in model.model_fields.items() if not only or key in only}
    for key, field in fields.items():
        table, many = _table_in(field)
        if table is None:
            rows.append(_row(key, field, model.model_json_schema()["properties"][key]))
        else:
            inner += _section(table, f"{path}.{key}" if path else key, repeated=many)
    return [*lines, "| key | value | default | meaning |", "|---|---|---|---|", *rows, "", *inner]


def _table_in(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """Returns the table that a key opens, if any, and whether there may be several."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate, get_origin(field.annotation) is tuple
    return None, False


def _row(key: str, field: FieldInfo, schema: dict[str, Any]) -> str:
    return f"| `{key}` | {_values(schema)} | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or field.default == {}:
        return "none"
    values = field.default if isinstance(field.default, tuple) else (field.default,)
    shown = ", ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in values)
    return f"`[{shown}]`" if isinstance(field.default, tuple) else f"`{shown}`"


def _values(schema: dict[str, Any]) -> str:
    """Returns the allowed values in words, from their JSON schema."""
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            return _values(option)
    if "allOf" in schema or "$ref" in schema:
        reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
        return _values(PortfolioSpec.model_json_schema()["$defs"][reference.rsplit("/", 1)[-1]])
    if "enum" in schema:
        return " or ".join(f'`"{value}"`' for value in schema["enum"])
    if "const" in schema:
        return f'`"{schema["const"]}"`'
    if schema.get("type") == "object":
        return "table of numbers or texts"
    if schema.get("type") == "array":
        return f"list: {_values(schema['items'])}"
    names = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    name = "path" if schema.get("format") == "path" else names[schema["type"]]
    return f"{name}{_range(schema)}"


def _range(schema: dict[str, Any]) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    limits = [f"{word} {schema[key]}" for key, word in words.items() if key in schema]
    return f", {', '.join(limits)}" if limits else ""


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/study-file.md")
    target.write_text(reference(), encoding="utf-8")
