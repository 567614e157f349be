"""Output sizes and explicit padding of Conv and of pools, as the ONNX operators define them."""

from nets.errors import NetworkError
from nets.importers.onnx.graph import RawNode
from nets.importers.tflite.windows import LARGEST
from nets.network import Pads

Pair = tuple[int, int]


def window(node: RawNode, sizes: Pair, kernel: Pair) -> tuple[Pair, Pair, Pair, Pads]:
    """Computes a 2-D window's output (height, width), stride, dilation and padding, from a node's attributes.

    Raises:
        NetworkError: a size is out of range, or the window does not fit the input.
    """
    stride, dilation = _pair(node, "strides", kernel), _pair(node, "dilations", kernel)
    for what, values in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if not all(1 <= value <= LARGEST for value in values):
            raise NetworkError(f"{node}: {what} {list(values)} is out of range; use 1 to {LARGEST}")
    reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    pads = _pads(node, sizes, stride, reach)
    if node.integer("ceil_mode", 0):
        rows, columns = (_widened(node, *each) for each in zip(sizes, pads, reach, stride, strict=True))
        pads = rows, columns
    made = [
        (size + sum(pad) - span) // step + 1 for size, pad, span, step in zip(sizes, pads, reach, stride, strict=True)
    ]
    if min(made) < 1:
        raise NetworkError(f"{node}: a window of {reach} does not fit the input, {list(sizes)}")
    return (made[0], made[1]), stride, dilation, pads


def _widened(node: RawNode, size: int, pad: Pair, span: int, step: int) -> Pair:
    """Returns padding under ceil_mode: enough for one more window, if that begins before the padding at the end."""
    whole = size + sum(pad) - span
    windows = -(-whole // step) + 1
    if whole % step == 0 or (windows - 1) * step >= size + pad[0]:
        return pad
    if node.kind != "MaxPool":
        raise NetworkError(f"{node}: ceil_mode is supported of MaxPool, or if it adds no window")
    return pad[0], pad[1] + (windows - 1) * step - whole


def _pair(node: RawNode, name: str, kernel: Pair) -> Pair:
    values = node.integers(name, (1, 1))
    if len(values) != len(kernel):
        raise NetworkError(f"{node}: {name} {list(values)} are not two numbers")
    return values[0], values[1]


def _pads(node: RawNode, sizes: Pair, stride: Pair, reach: list[int]) -> Pads:
    mode = node.text("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max((-(-size // step) - 1) * step + span - size, 0)
            for size, step, span in zip(sizes, stride, reach, strict=True)
        ]
        halves = [total // 2 if mode == "SAME_UPPER" else total - total // 2 for total in totals]
        return (halves[0], totals[0] - halves[0]), (halves[1], totals[1] - halves[1])
    if mode == "VALID":
        return (0, 0), (0, 0)
    if mode != "NOTSET":
        raise NetworkError(f"{node}: auto_pad {mode!r} is unknown")
    pads = node.integers("pads", (0, 0, 0, 0))
    if len(pads) != 4 or not all(0 <= pad <= LARGEST for pad in pads):
        raise NetworkError(f"{node}: pads {list(pads)} are not four numbers from 0")
    return (pads[0], pads[2]), (pads[1], pads[3])
