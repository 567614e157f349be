"""The rescaler architectures: Verilog, contract, parameters, components, stimulus and timing of each."""

from hwmodels.architectures.add import ADD
from hwmodels.architectures.add_shift import ADD_SHIFT
from hwmodels.architectures.array import ARRAY
from hwmodels.architectures.base import RTL_FOLDER, Architecture, Place, SweepPoint, SweptWidth, check_workload, slices
from hwmodels.architectures.constant import CONSTANT
from hwmodels.architectures.forms import FORMS, Form, correction_names
from hwmodels.architectures.fractured import FRACTURED
from hwmodels.architectures.registry import (
    ARCHITECTURES,
    CALIBRATED_CHOICES,
    DEFAULT_CHOICE,
    EXPORTED_CHOICES,
    Choice,
    architecture_for,
    check_choice,
    offered,
)
from hwmodels.architectures.serial import SERIAL
from hwmodels.architectures.shift import SHIFT

__all__ = [
    "ADD",
    "ADD_SHIFT",
    "ARCHITECTURES",
    "ARRAY",
    "CALIBRATED_CHOICES",
    "CONSTANT",
    "DEFAULT_CHOICE",
    "EXPORTED_CHOICES",
    "FORMS",
    "FRACTURED",
    "RTL_FOLDER",
    "SERIAL",
    "SHIFT",
    "Architecture",
    "Choice",
    "Form",
    "Place",
    "SweepPoint",
    "SweptWidth",
    "architecture_for",
    "check_choice",
    "check_workload",
    "correction_names",
    "offered",
    "slices",
]
