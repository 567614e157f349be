"""The types of the study file's values: ranges, names and paths, each with its own check; and of its tables."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo

from dse.design import MOST_SHIFT_BITS, metrics
from dse.fetch import name_in

DEFAULT_MULTIPLIER_BITS = (*range(1, 17), 31)
NATURAL_SHIFTS = "natural"
SHIPPED_METRICS = ("squared_error", "reconstruction_error", "anomaly_auc")


def _absolute(path: Path, info: ValidationInfo) -> Path:
    """Returns a path as seen from the folder that is the validation's context, if there is one; not ``fetch:NAME``."""
    return path if info.context is None or name_in(path) is not None else (info.context / path).resolve()


def _table(table: str, info: ValidationInfo) -> str:
    """Returns a table, as :func:`_absolute` if it is a path; the names of shipped tables have no suffix."""
    path = Path(table)
    return str(_absolute(path, info)) if info.context is not None and path.suffix == ".toml" else table


def _window(given: object) -> int | str:
    """Returns the width of a shift window, in bits, or ``natural``."""
    is_width = isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= MOST_SHIFT_BITS
    if not is_width and given != NATURAL_SHIFTS:
        raise ValueError(f'should be 0 to {MOST_SHIFT_BITS}, or "{NATURAL_SHIFTS}"')
    return given  # type: ignore[return-value]  # checked above


InputPath = Annotated[Path, AfterValidator(_absolute)]
MultiplierBits = Annotated[int, Field(ge=1, le=31)]
WeightBits = Annotated[int, Field(ge=3, le=8)]
WindowBits = Annotated[int, Field(ge=0, le=MOST_SHIFT_BITS)]
ShiftBits = Annotated[int | str, PlainValidator(_window, json_schema_input_type=WindowBits | Literal["natural"])]
Lanes = Annotated[int, Field(ge=1, le=4096)]
Objective = Annotated[
    str,
    AfterValidator(metrics.objective),
    Field(json_schema_extra=lambda schema: schema.update(enum=list(metrics.objective_names()))),
]
Sampler = Literal["surrogate", "tpe", "nsga2", "nsga3", "qmc", "random"]
Technology = Annotated[str, AfterValidator(_table)]
MemoryTableName = Annotated[str, AfterValidator(_table)]


class Section(BaseModel):
    """A table of the study file: unknown keys are errors, and values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
