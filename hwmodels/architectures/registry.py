"""The registry of rescaler architectures, and which of them serves a workload."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from hwmodels.architectures.add import ADD
from hwmodels.architectures.add_shift import ADD_SHIFT
from hwmodels.architectures.array import ARRAY
from hwmodels.architectures.base import Architecture, check_workload
from hwmodels.architectures.constant import CONSTANT
from hwmodels.architectures.floor import FLOOR
from hwmodels.architectures.fractured import FRACTURED
from hwmodels.architectures.half_away import HALF_AWAY
from hwmodels.architectures.serial import SERIAL
from hwmodels.architectures.shift import SHIFT
from hwmodels.architectures.tflite_double import TFLITE_DOUBLE
from hwmodels.errors import HardwareError
from hwmodels.workload import RescalerWorkload

# In the order of published tables and figures; the first is what studies take unless they choose another.
ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    architecture.name: architecture
    for architecture in (ARRAY, FLOOR, HALF_AWAY, TFLITE_DOUBLE, SERIAL, FRACTURED, CONSTANT, SHIFT, ADD, ADD_SHIFT)
}
_CHOOSABLE: Final = [(each.choice, each) for each in ARCHITECTURES.values() if each.choice]
CHOICES: Final = tuple(dict.fromkeys(choice for choice, _ in _CHOOSABLE))
DEFAULT_CHOICE: Final = CHOICES[0]
CALIBRATED_CHOICES: Final = tuple(dict.fromkeys(choice for choice, each in _CHOOSABLE if each.calibrated))
EXPORTED_CHOICES: Final = tuple(dict.fromkeys(choice for choice, each in _CHOOSABLE if each.exported))

if TYPE_CHECKING:
    Choice = str
else:  # pydantic and the reference of the study file list its values
    Choice = Literal[CHOICES]


def check_choice(choice: str) -> None:
    """Raises HardwareError if a study cannot choose an architecture."""
    if choice not in CHOICES:
        raise HardwareError(f"architecture is {choice!r}; use one of {', '.join(CHOICES)}")


def offered(choice: str, stages: int) -> list[Architecture]:
    """Returns the architectures that serve workloads of a number of stages under a choice."""
    return [each for each in ARCHITECTURES.values() if each.choice in (None, choice) and each.stages == stages]


def contracts(choice: str = DEFAULT_CHOICE) -> tuple[str, ...]:
    """Returns the rounding contracts of the architectures of one stage under a choice."""
    return tuple(dict.fromkeys(each.contract for each in offered(choice, 1) if not each.folded))


def architecture_for(workload: RescalerWorkload, choice: str = DEFAULT_CHOICE) -> Architecture:
    """Returns the architecture that serves a workload under a choice of a study.

    A pure shift (k = 1) takes the default choice's if the chosen architecture has no form for it; one whose rounding
    and zero point are folded into the accumulator has units of its own under every choice.

    Raises:
        HardwareError: if the workload cannot be built.
    """
    check_workload(workload)
    candidates = [each for each in offered(choice, len(workload.stages)) if each.folded == workload.folded]
    if not candidates:
        built = " or ".join(map(str, sorted({each.stages for each in ARCHITECTURES.values()})))
        raise HardwareError(f"rescaler {workload.name!r} has {len(workload.stages)} stages; {built} can be built")
    if workload.contract not in contracts():
        raise HardwareError(
            f"rescaler {workload.name!r}: no rescaler is built for contract {workload.contract!r}; "
            f"use one of {', '.join(contracts())}"
        )
    if workload.multiplier_bits == 1 and all(each.multiplier_bits[0] > 1 for each in candidates):
        candidates = [each for each in offered(DEFAULT_CHOICE, len(workload.stages)) if not each.folded]
    # What is built for the layer's own multiplier comes last, and is the better one if it can be built.
    architecture = next((each for each in reversed(candidates) if each.serves(workload)), None)
    if architecture is None and workload.folded:
        raise HardwareError(f"rescaler {workload.name!r}: contract {workload.contract} cannot be folded")
    if architecture is None:
        raise HardwareError(
            f"rescaler {workload.name!r}: the {choice} architecture rounds by {', '.join(contracts(choice))}, "
            f"not by {workload.contract}; use the {DEFAULT_CHOICE}"
        )
    architecture.check(workload)
    return architecture
