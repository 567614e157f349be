"""Output sizes and explicit padding of sliding windows, as TFLite's ``padding.h`` computes them."""

import tflite

from nets.errors import NetworkError
from nets.network import Pads

LARGEST = 2**16  # limit of kernels, strides and dilations


def window(
    raw: object,
    sizes: tuple[int, ...],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: int,
) -> tuple[tuple[int, int], Pads]:
    """Computes output (height, width) and padding (top, bottom), (left, right) of a 2-D window, in elements.

    ``raw`` is the operator, named in errors.

    Raises:
        NetworkError: A size is out of range, or the window does not fit the input.
    """
    for what, values in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if not all(1 <= value <= LARGEST for value in values):
            raise NetworkError(f"{raw}: {what} {list(values)} is out of range; use 1 to {LARGEST}")
    if padding not in (tflite.Padding.SAME, tflite.Padding.VALID):
        raise NetworkError(f"{raw}: padding {padding} is neither SAME nor VALID")
    axes = [
        _axis(size, k, s, d, same=padding == tflite.Padding.SAME)
        for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)
    ]
    (height, vertical), (width, horizontal) = axes
    if height < 1 or width < 1:
        raise NetworkError(f"{raw}: a {list(kernel)} window with dilation {list(dilation)} does not fit {list(sizes)}")
    return (height, width), (vertical, horizontal)


def _axis(size: int, kernel: int, stride: int, dilation: int, *, same: bool) -> tuple[int, tuple[int, int]]:
    reach = (kernel - 1) * dilation + 1
    if not same:
        return (size - reach) // stride + 1, (0, 0)
    out = -(-size // stride)
    total = max(0, (out - 1) * stride + reach - size)
    return out, (total // 2, total - total // 2)
