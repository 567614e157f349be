"""The design point: one complete, immutable choice with a canonical form and a stable digest."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from dse.errors import StudyError
from hwmodels import Style
from nets.narrow import RescalerChoice
from nets.network import FULL_MULTIPLIER_BITS, Method

_SHOWN = 80  # characters of a damaged text


class Finetune(StrEnum):
    """The highest level of fine-tuning that a design may have."""

    NONE = "none"
    SHORT = "short"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The choices of a design for the whole network or accelerator; None stands for the study file's value.

    Attributes:
        contract: name of the rounding contract of every rescaler.
        style: style of the accelerator.
        lanes: number of parallel rescalers.
    """

    contract: str | None = None
    style: Style | None = None
    lanes: int | None = None


@dataclass(frozen=True, slots=True)
class DesignPoint:
    """One choice of everything that a study varies.

    Attributes:
        choices: (rescaler; width, method and shift window) in order of execution.
        finetune: highest level of fine-tuning; the weights that ship depend on it.
        weight_bits: (layer, width of its weights in bits) in order of execution; empty if the study fixes them.
        surroundings: contract, style and lanes; None if the study fixes them.
        calibration: number of unlabelled samples that the narrowed network is calibrated with; the integers that ship
            depend on it. 0: it is not calibrated.
    """

    choices: tuple[tuple[str, RescalerChoice], ...]
    finetune: Finetune = Finetune.NONE
    weight_bits: tuple[tuple[str, int], ...] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)
    calibration: int = 0

    @classmethod
    def of(
        cls,
        choices: Mapping[str, RescalerChoice],
        finetune: Finetune,
        weight_bits: Mapping[str, int] | None = None,
        surroundings: Surroundings | None = None,
        calibration: int = 0,
    ) -> "DesignPoint":
        """Returns the point in canonical form, which gives equal designs equal digests.

        At full width there is nothing to absorb, so the method is ROUND; and under ROUND the weights are frozen, so
        the shifts are the natural ones.
        """
        return cls(
            choices=tuple((name, _canonical(choice)) for name, choice in choices.items()),
            finetune=finetune,
            weight_bits=tuple((weight_bits or {}).items()),
            surroundings=surroundings or Surroundings(),
            calibration=calibration,
        )

    def to_json(self) -> str:
        """Returns canonical JSON: equal points give equal text; choices that do not vary are left out."""
        rescalers = {name: _document(choice) for name, choice in self.choices}
        document: dict[str, object] = {"finetune": self.finetune.value, "rescalers": rescalers}
        if self.calibration:
            document["calibration"] = self.calibration
        if self.weight_bits:
            document["weight_bits"] = dict(self.weight_bits)
        document |= {key: value for key, value in asdict(self.surroundings).items() if value is not None}
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "DesignPoint":
        """Returns the point of a JSON text that :meth:`to_json` wrote.

        Raises:
            StudyError: it wrote another text.
        """
        try:
            return cls._of_document(json.loads(text))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            raise StudyError(f"the stored design is damaged: {text[:_SHOWN]}") from None

    @classmethod
    def _of_document(cls, document: dict[str, Any]) -> "DesignPoint":
        choices = {
            name: RescalerChoice(int(entry["bits"]), Method(entry["method"]), entry.get("shift_bits"))
            for name, entry in document["rescalers"].items()
        }
        around = Surroundings(document.get("contract"), document.get("style"), document.get("lanes"))
        return cls.of(
            choices,
            Finetune(document["finetune"]),
            document.get("weight_bits"),
            around,
            document.get("calibration", 0),
        )

    @property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 digest of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def _canonical(choice: RescalerChoice) -> RescalerChoice:
    if choice.multiplier_bits == FULL_MULTIPLIER_BITS:
        return RescalerChoice(FULL_MULTIPLIER_BITS, Method.ROUND)
    return replace(choice, shift_bits=None) if choice.method is Method.ROUND else choice


def _document(choice: RescalerChoice) -> dict[str, str | int]:
    window = {} if choice.shift_bits is None else {"shift_bits": choice.shift_bits}
    return {"bits": choice.multiplier_bits, "method": choice.method.value, **window}
