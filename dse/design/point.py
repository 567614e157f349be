"""The design point: one complete choice, frozen, with a canonical form and a stable hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from hwmodels import Style
from nets.narrow.narrowing import RescalerChoice
from nets.network.contracts import FULL_MULTIPLIER_BITS
from nets.network.operators import Method


class Finetune(StrEnum):
    """How far the weights of a design may be trained."""

    NONE = "none"
    SHORT = "short"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a design chooses for the network or the accelerator as a whole; None is what the study file says.

    Attributes:
        contract: rounding contract of every rescaler.
        style: of the accelerator.
        lanes: rescalers side by side.
    """

    contract: str | None = None
    style: Style | None = None
    lanes: int | None = None


@dataclass(frozen=True, slots=True)
class DesignPoint:
    """Width and method of every rescaler, how far the weights are fine-tuned, and what else the study lets vary.

    Attributes:
        choices: (rescaler, choice) in order of execution.
        finetune: fine-tuning that the design may have; the weights it ships with depend on it.
        weight_bits: (layer, width of its weights in bits) in order of execution; empty where the study fixes them.
        surroundings: contract, style and lanes where they vary.
    """

    choices: tuple[tuple[str, RescalerChoice], ...]
    finetune: Finetune = Finetune.NONE
    weight_bits: tuple[tuple[str, int], ...] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)

    @classmethod
    def of(
        cls,
        choices: Mapping[str, RescalerChoice],
        finetune: Finetune,
        weight_bits: Mapping[str, int] | None = None,
        surroundings: Surroundings | None = None,
    ) -> "DesignPoint":
        """A point in canonical form: at full width there is nothing to absorb."""
        canonical = (
            (name, replace(choice, method=Method.ROUND) if choice.multiplier_bits == FULL_MULTIPLIER_BITS else choice)
            for name, choice in choices.items()
        )
        return cls(tuple(canonical), finetune, tuple((weight_bits or {}).items()), surroundings or Surroundings())

    def to_json(self) -> str:
        """Canonical JSON: equal points give equal text; what does not vary is not in it."""
        rescalers = {name: {"bits": c.multiplier_bits, "method": c.method.value} for name, c in self.choices}
        document: dict[str, object] = {"finetune": self.finetune.value, "rescalers": rescalers}
        if self.weight_bits:
            document["weight_bits"] = dict(self.weight_bits)
        document |= {key: value for key, value in asdict(self.surroundings).items() if value is not None}
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "DesignPoint":
        """The point of a canonical JSON text."""
        document = json.loads(text)
        choices = {
            name: RescalerChoice(int(entry["bits"]), Method(entry["method"]))
            for name, entry in document["rescalers"].items()
        }
        around = Surroundings(document.get("contract"), document.get("style"), document.get("lanes"))
        return cls.of(choices, Finetune(document["finetune"]), document.get("weight_bits"), around)

    @property
    def digest(self) -> str:
        """Hash of the canonical JSON, 16 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]
