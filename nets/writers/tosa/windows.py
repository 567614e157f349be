"""Windows as TOSA wants them: the last one ends at the last padded row and column."""

from nets.network import Convolution, Pool


def without_remainder(
    operator: Convolution | Pool, image: tuple[int, ...]
) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Returns padding (top, bottom, left, right), and the height and width of the image that windows reach.

    Rows and columns after the last window, which other formats ignore, are taken from the padding first and from the
    image then.
    """
    if isinstance(operator, Convolution):
        reach = [(size - 1) * by + 1 for size, by in zip(operator.weights.shape[1:3], operator.dilation, strict=True)]
    else:
        reach = list(operator.kernel)
    axes = [_axis(*each) for each in zip(image, reach, operator.stride, operator.padding, strict=True)]
    (top, bottom, height), (left, right, width) = axes
    return (top, bottom, left, right), (height, width)


def _axis(size: int, reach: int, stride: int, padding: tuple[int, int]) -> tuple[int, int, int]:
    before, after = padding
    rest = (size + before + after - reach) % stride
    return before, max(after - rest, 0), size - max(rest - after, 0)
