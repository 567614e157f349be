"""Windows of convolutions and pools: padding is explicit, and the last window ends at the last padded element."""

from collections.abc import Sequence

from nets.errors import NetworkError
from nets.importers.tosa.graph import RawOperator
from nets.network import Pads

AMOUNT_MAX = 2**16  # of a stride, dilation, kernel or padding


def windows(
    raw: RawOperator, image: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, int], Pads]:
    """Returns the output's height and width, and the padding.

    Raises:
        NetworkError: sizes are out of range, or the windows leave a remainder.
    """
    top, bottom, left, right = raw.numbers("pad", 4)
    if min(*kernel, *stride, *dilation) < 1 or min(top, bottom, left, right) < 0:
        raise NetworkError(f"{raw}: kernel {list(kernel)}, stride, dilation and padding have to be positive")
    if max(*kernel, *stride, *dilation, top, bottom, left, right) > AMOUNT_MAX:
        raise NetworkError(f"{raw}: kernel, stride, dilation or padding are above {AMOUNT_MAX}")
    pads: Pads = ((top, bottom), (left, right))
    height, width = (_size(raw, *each) for each in zip(image, kernel, stride, dilation, pads, strict=True))
    return (height, width), pads


def _size(raw: RawOperator, size: int, kernel: int, stride: int, dilation: int, padding: tuple[int, int]) -> int:
    steps, rest = divmod(size + sum(padding) - (kernel - 1) * dilation - 1, stride)
    if rest or steps < 0:
        raise NetworkError(
            f"{raw}: windows of {kernel} elements {dilation} apart, at stride {stride}, do not fit {size} elements and "
            f"padding {list(padding)}"
        )
    return steps + 1
