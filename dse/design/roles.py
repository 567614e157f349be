"""The roles that trials have in a study."""

from enum import StrEnum
from typing import Final

from nets.network import Method

INT16_MULTIPLIER_BITS: Final = 15  # significant bits of a positive int16, as int32's 31


class Role(StrEnum):
    """The role of a trial: one of the baselines that every study holds, or a design that the search proposed."""

    INT32 = "int32"  # the deployed network: every multiplier has 31 bits, weights as imported
    INT16 = "int16"  # every multiplier has 15 bits, a signed 16-bit one's: TOSA's scale16, NVDLA's; else as int32
    CONTROL = "int32_finetuned"  # int32, fine-tuned as designs are: shows what training gains without narrowing
    UNIFORM_ROUND = "uniform_round"  # one width for every rescaler, multipliers rounded
    UNIFORM_ABSORB = "uniform_absorb"  # the same, with the rounding of the multipliers absorbed by the weights
    UNIFORM_WINDOW = "uniform_window"  # one-bit multipliers, absorbed, and one window of shifts for every rescaler
    UNIFORM_WEIGHTS = "uniform_weights"  # one width of the weights for every layer, at int32 or on a narrow rung
    SEARCH = "search"

    @classmethod
    def uniform(cls, method: Method) -> "Role":
        """Returns the role of uniform designs that are narrowed by one method."""
        return cls(f"uniform_{method.value}")

    @property
    def is_uniform(self) -> bool:
        """Whether the design has one width, and one shift window, for every rescaler."""
        return self in (Role.UNIFORM_ROUND, Role.UNIFORM_ABSORB, Role.UNIFORM_WINDOW, Role.UNIFORM_WEIGHTS)

    @property
    def is_deployed(self) -> bool:
        """Whether the design is hardware as others build it, whatever the study allows, fine-tuned or not."""
        return self.is_int32 or self is Role.INT16

    @property
    def is_int32(self) -> bool:
        """Whether the design is int32, fine-tuned or not."""
        return self in (Role.INT32, Role.CONTROL)
