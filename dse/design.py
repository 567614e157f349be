"""The design point: one complete choice, frozen, with a canonical form and a stable hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dse.spec import Finetune
from nets.narrowing import RescalerChoice
from nets.network import Method
from nets.rescaler import FULL_MULTIPLIER_BITS


@dataclass(frozen=True, slots=True)
class DesignPoint:
    """Width and method of every rescaler, and how far the weights are fine-tuned.

    Attributes:
        choices: (rescaler, choice) in order of execution.
        finetune: fine-tuning that the design may have; the weights it ships with depend on it.
    """

    choices: tuple[tuple[str, RescalerChoice], ...]
    finetune: Finetune = Finetune.NONE

    @classmethod
    def of(cls, choices: Mapping[str, RescalerChoice], finetune: Finetune) -> "DesignPoint":
        """A point in canonical form: at full width there is nothing to absorb."""
        canonical = (
            (name, replace(choice, method=Method.ROUND) if choice.multiplier_bits == FULL_MULTIPLIER_BITS else choice)
            for name, choice in choices.items()
        )
        return cls(tuple(canonical), finetune)

    def to_json(self) -> str:
        """Canonical JSON: equal points give equal text."""
        rescalers = {name: {"bits": c.multiplier_bits, "method": c.method.value} for name, c in self.choices}
        return json.dumps({"finetune": self.finetune.value, "rescalers": rescalers}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "DesignPoint":
        """The point of a canonical JSON text."""
        document = json.loads(text)
        choices = {
            name: RescalerChoice(int(entry["bits"]), Method(entry["method"]))
            for name, entry in document["rescalers"].items()
        }
        return cls.of(choices, Finetune(document["finetune"]))

    @property
    def digest(self) -> str:
        """Hash of the canonical JSON, 16 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]
