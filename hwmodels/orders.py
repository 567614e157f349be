"""The order in which one lane rescales a layer's outputs."""

from typing import Final, Literal, get_args

# channel_innermost: all channels of a position, then the next position; every rescale takes other parameters.
# channel_outermost: all positions of a channel, then the next channel; parameters are held while a channel lasts.
OutputOrder = Literal["channel_innermost", "channel_outermost"]
OUTPUT_ORDERS: Final[tuple[OutputOrder, ...]] = get_args(OutputOrder)
DEFAULT_ORDER: Final[OutputOrder] = "channel_innermost"
