"""One design without a search: a model narrowed, what that does to its outputs and its hardware, and its file."""

from typing import TYPE_CHECKING

from dse.narrowing.document import (
    CostDocument,
    Estimate,
    FileDocument,
    LayerDocument,
    NarrowDocument,
    ScoreDocument,
    TosaFileDocument,
)
from dse.narrowing.request import DEFAULT_CALIBRATION, NarrowRequest
from dse.narrowing.steps import Progress, Step
from nets.lazy import names_on_demand

if TYPE_CHECKING:
    from dse.narrowing.model import narrow_model
else:
    __getattr__ = names_on_demand(__name__, "model")  # torch

__all__ = [
    "DEFAULT_CALIBRATION",
    "CostDocument",
    "Estimate",
    "FileDocument",
    "LayerDocument",
    "NarrowDocument",
    "NarrowRequest",
    "Progress",
    "ScoreDocument",
    "Step",
    "TosaFileDocument",
    "narrow_model",
]
