"""Generates docs/study-file.md from the schema: ``python -m studies.reference.write_study_file``."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dse.study import MemberSpec, Study

_HEAD = """# The study file

A study is one .toml file. This page is generated from the schema that validates it
(`python -m studies.reference.write_study_file`); a key that is not listed is an error. Paths are relative to the study
file.
"""

_OF_SEVERAL = ("members", "accuracy")
_PORTFOLIO = """## Several networks on one silicon

A study with `[[members]]` instead of `[network]` and `[data]` searches rescalers for several networks at once: one
bank, shared by all layers of all members, so `hardware.style` is `"shared"`. Rescalers are named `member/rescaler`,
also in the patterns of `[[search.rescalers]]`. Every other table is as above.
"""


def reference() -> str:
    """Returns the page, in Markdown."""
    common = [key for key in Study.model_fields if key not in _OF_SEVERAL]
    page = [_HEAD, "## Top level", "", *_keys(Study, "", common), *_tables(MemberSpec, "", ("network", "data"))]
    return "\n".join([*page, _PORTFOLIO, *_keys(Study, "", _OF_SEVERAL)])


def _keys(model: type[BaseModel], path: str, keys: Iterable[str]) -> list[str]:
    """Returns a table of the keys that hold values, and behind it the sections of those that open tables."""
    schema = model.model_json_schema()["properties"]
    values = [key for key in keys if _table_in(model.model_fields[key])[0] is None]
    rows = [_row(key, model.model_fields[key], schema[key]) for key in values]
    tables = [key for key in keys if key not in values]
    return ["| key | value | default | meaning |", "|---|---|---|---|", *rows, "", *_tables(model, path, tables)]


def _tables(model: type[BaseModel], path: str, keys: Iterable[str]) -> list[str]:
    """Returns the sections of the keys that open tables."""
    lines = []
    for key in keys:
        table, repeated = _table_in(model.model_fields[key])
        if table is not None:
            name = f"{path}.{key}" if path else key
            lines += [f"## `[[{name}]]`" if repeated else f"## `[{name}]`", ""]
            lines += [" ".join((table.__doc__ or "").split()), "", *_keys(table, name, table.model_fields)]
    return lines


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
    if "anyOf" in schema:
        return " or ".join(_values(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "allOf" in schema or "$ref" in schema:
        reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
        return _values(Study.model_json_schema()["$defs"][reference.rsplit("/", 1)[-1]])
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
