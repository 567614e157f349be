"""Where the networks of files end: at their logits, without the function behind them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DroppedEnd:
    """The function behind the logits that a network is read without.

    Attributes:
        kind: the operator's kind in the file.
        logits: index in the file of the tensor of the logits; None if the format cannot be cut at tensors.
        behind: index of what the function makes of them; None if that is not int8, or the format cannot be cut.
    """

    kind: str
    logits: int | None = None
    behind: int | None = None
