"""Windows of pools, as torch computes them."""

import math
from dataclasses import dataclass

from torch import fx, nn

from nets.errors import NetworkError
from nets.importers.pytorch.nodes import pair
from nets.network import Pads

_WINDOW_MAX = 2**16  # elements whose int8 sum is exact in float32
_NONE: Pads = ((0, 0), (0, 0))


@dataclass(frozen=True, slots=True)
class Window:
    """Kernel and stride (vertical, horizontal); padding that no window counts, and padding that averages count."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Pads = _NONE
    counted: Pads = _NONE


def window(
    node: fx.Node, module: nn.AvgPool2d | nn.AdaptiveAvgPool2d | nn.MaxPool2d, spatial: tuple[int, ...]
) -> Window:
    """Returns the window of a pool.

    Args:
        node: the pool's node, named in errors.
        module: the pool.
        spatial: (height, width) of its input.

    Raises:
        NetworkError: the pool has an option that is not supported.
    """
    if isinstance(module, nn.AdaptiveAvgPool2d):
        found = _adaptive(node, module, spatial)
    elif isinstance(module, nn.AvgPool2d):
        found = _average(node, module)
    else:
        found = _maximum(node, module, spatial)
    if not isinstance(module, nn.MaxPool2d) and math.prod(found.kernel) > _WINDOW_MAX:
        raise NetworkError(f"pool {node.name!r} averages {found.kernel}; at most {_WINDOW_MAX} elements are supported")
    return found


def _adaptive(node: fx.Node, module: nn.AdaptiveAvgPool2d, spatial: tuple[int, ...]) -> Window:
    stated = module.output_size
    wanted = stated if isinstance(stated, tuple | list) else (stated, stated)
    sizes = [have if want is None else int(want) for want, have in zip(wanted, spatial, strict=True)]
    if any(have % want for have, want in zip(spatial, sizes, strict=True)):
        raise NetworkError(
            f"pool {node.name!r}: {stated} cells do not divide {list(spatial)}; windows of one size are supported"
        )
    kernel = (spatial[0] // sizes[0], spatial[1] // sizes[1])
    return Window(kernel, kernel)


def _average(node: fx.Node, module: nn.AvgPool2d) -> Window:
    if module.divisor_override is not None:
        raise NetworkError(f"pool {node.name!r}: divisor_override = {module.divisor_override} is not supported")
    if module.ceil_mode:
        raise NetworkError(f"pool {node.name!r}: ceil_mode is not supported in averages")
    kernel, stride = pair(module.kernel_size), pair(module.stride or module.kernel_size)
    around = _around(pair(module.padding))
    return Window(kernel, stride, counted=around) if module.count_include_pad else Window(kernel, stride, around)


def _maximum(node: fx.Node, module: nn.MaxPool2d, spatial: tuple[int, ...]) -> Window:
    if pair(module.dilation) != (1, 1) or module.return_indices:
        raise NetworkError(f"pool {node.name!r}: dilation and indices are not supported")
    kernel, stride = pair(module.kernel_size), pair(module.stride or module.kernel_size)
    vertical, horizontal = _around(pair(module.padding))
    if module.ceil_mode:
        vertical = _with_last_window(spatial[0], kernel[0], stride[0], vertical)
        horizontal = _with_last_window(spatial[1], kernel[1], stride[1], horizontal)
    return Window(kernel, stride, (vertical, horizontal))


def _around(padding: tuple[int, int]) -> Pads:
    vertical, horizontal = padding
    return (vertical, vertical), (horizontal, horizontal)


def _with_last_window(size: int, kernel: int, stride: int, padding: tuple[int, int]) -> tuple[int, int]:
    """Widens the padding so that a window that begins inside of the image, but ends outside, counts (``ceil_mode``)."""
    before, after = padding
    windows = -(-(size + before + after - kernel) // stride) + 1
    windows -= (windows - 1) * stride >= size + before
    return before, max(after, (windows - 1) * stride + kernel - size - before)
