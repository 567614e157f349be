"""Random int8 or int16 layers on top of the .tflite writer, with output scales that use the int8 range."""

from dataclasses import dataclass, field

import numpy as np
from tflite import ActivationFunctionType, Padding
from tflite_models import ModelWriter

Pair = tuple[int, int]

NONE, RELU, RELU6 = ActivationFunctionType.NONE, ActivationFunctionType.RELU, ActivationFunctionType.RELU6
RELU_N1_TO_1 = ActivationFunctionType.RELU_N1_TO_1
OPTIONS = {
    "SLICE": "SliceOptions", "STRIDED_SLICE": "StridedSliceOptions", "GATHER": "GatherOptions", "TILE": "TileOptions",
    "REVERSE_V2": "ReverseV2Options", "DEPTH_TO_SPACE": "DepthToSpaceOptions",
    "SPACE_TO_DEPTH": "SpaceToDepthOptions", "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions", "SELECT": "SelectOptions", "SELECT_V2": "SelectV2Options",
}  # fmt: skip
WEIGHTED_OPTIONS = ("Conv2DOptions", "DepthwiseConv2DOptions", "FullyConnectedOptions")
OTHER_OPTIONS = {"MIRROR_PAD": "MirrorPadOptions", "BROADCAST_TO": "BroadcastToOptions"}
SAME, VALID = Padding.SAME, Padding.VALID


def window_size(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    reach = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else (size - reach) // stride + 1


@dataclass
class Layers:
    """Adds layers to a model; every method takes and returns tensor indices.

    ``wide`` activations are int16, with biases of ``bias_type``.
    """

    rng: np.random.Generator
    writer: ModelWriter = field(default_factory=ModelWriter)
    batch: int = 1
    wide: bool = False
    bias_type: str = "INT32"

    def shape(self, tensor: int) -> tuple[int, ...]:
        return self.writer.tensors[tensor].shape

    def scale(self, tensor: int) -> float:
        return self.writer.tensors[tensor].scales[0]

    def zero(self, tensor: int) -> int:
        return self.writer.tensors[tensor].zero_points[0]

    @property
    def type_name(self) -> str:
        return "INT16" if self.wide else "INT8"

    @property
    def factor(self) -> int:
        """Steps of the activations' range in one of int8's."""
        return 256 if self.wide else 1

    def _zero_point(self) -> int:
        if self.wide:
            return 0
        return int(self.rng.choice([0, -128, 127, self.rng.integers(-128, 128)]))

    def result(self, shape: tuple[int, ...], scale: float) -> int:
        zero = self._zero_point()
        return self.writer.activation((self.batch, *shape), float(np.float32(scale)), zero, self.type_name)

    def input(self, *shape: int, scale: float | None = None) -> int:
        tensor = self.result(shape, scale or float(self.rng.uniform(0.005, 0.1)) / self.factor)
        self.writer.inputs.append(tensor)
        return tensor

    def _weight_scales(self, channels: int, per_channel: bool) -> list[float]:
        size = channels if per_channel else 1
        return np.exp(self.rng.uniform(np.log(1e-3), np.log(1e-2), size)).astype(np.float32).tolist()

    def _span(self, x: int, terms: int, scales: list[float]) -> float:
        """An output scale under which typical accumulators fill, and sometimes leave, the int8 range."""
        typical = self.scale(x) * float(np.median(scales)) * 100 * 90 * np.sqrt(terms)
        return typical * float(self.rng.uniform(0.3, 3)) / 128

    def _weighted(
        self,
        kind: str,
        x: int,
        weights: np.ndarray,
        shape: tuple[int, ...],
        axis: int,
        terms: int,
        per_channel: bool,
        options: dict[str, int],
        bias: bool = True,
    ) -> int:
        channels = weights.shape[axis]
        scales = self._weight_scales(channels, per_channel)
        weight = self.writer.constant(weights, "INT8", scales, axis)
        inputs = [x, weight]
        if bias:
            reach = int(2000 * np.sqrt(terms)) * self.factor
            values = self.rng.integers(-reach, reach + 1, channels)
            inputs.append(self.writer.constant(values, self.bias_type, [float(self.scale(x) * s) for s in scales]))
        out = self.result(shape, self._span(x, terms, scales))
        table = {
            "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
            "TRANSPOSE_CONV": "TransposeConvOptions",
        }  # fmt: skip
        if kind == "TRANSPOSE_CONV":
            sizes = self.writer.constant(np.array((self.batch, *shape)), "INT32")
            inputs = [sizes, weight, x, *inputs[2:]]
        self.writer.operator(kind, inputs, [out], table.get(kind, "FullyConnectedOptions"), **options)
        return out

    def _window(
        self, x: int, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], padding: int
    ) -> tuple[int, ...]:
        return tuple(window_size(self.shape(x)[1 + a], kernel[a], stride[a], dilation[a], padding) for a in range(2))

    def conv(
        self,
        x: int,
        channels: int,
        kernel: Pair = (3, 3),
        stride: Pair = (1, 1),
        dilation: Pair = (1, 1),
        padding: int = SAME,
        activation: int = NONE,
        per_channel: bool = True,
        bias: bool = True,
    ) -> int:
        inner = self.shape(x)[3]
        weights = self.rng.integers(-127, 128, (channels, *kernel, inner))
        options = {
            "Padding": padding, "StrideH": stride[0], "StrideW": stride[1], "DilationHFactor": dilation[0],
            "DilationWFactor": dilation[1], "FusedActivationFunction": activation,
        }  # fmt: skip
        shape = (*self._window(x, kernel, stride, dilation, padding), channels)
        terms = kernel[0] * kernel[1] * inner
        return self._weighted("CONV_2D", x, weights, shape, 0, terms, per_channel, options, bias)

    def depthwise(
        self,
        x: int,
        multiplier: int = 1,
        kernel: Pair = (3, 3),
        stride: Pair = (1, 1),
        dilation: Pair = (1, 1),
        padding: int = SAME,
        activation: int = NONE,
        per_channel: bool = True,
    ) -> int:
        channels = self.shape(x)[3] * multiplier
        weights = self.rng.integers(-127, 128, (1, *kernel, channels))
        options = {
            "Padding": padding, "StrideH": stride[0], "StrideW": stride[1], "DilationHFactor": dilation[0],
            "DilationWFactor": dilation[1], "FusedActivationFunction": activation, "DepthMultiplier": multiplier,
        }  # fmt: skip
        shape = (*self._window(x, kernel, stride, dilation, padding), channels)
        return self._weighted("DEPTHWISE_CONV_2D", x, weights, shape, 3, kernel[0] * kernel[1], per_channel, options)

    def transposed(
        self,
        x: int,
        channels: int,
        kernel: Pair = (3, 3),
        stride: Pair = (2, 2),
        padding: int = SAME,
        per_channel: bool = True,
        bias: bool = True,
    ) -> int:
        _, height, width, inner = self.shape(x)
        grown = [
            (n - 1) * s + (k if padding == VALID else 1 + int(self.rng.integers(s)))
            for n, s, k in zip((height, width), stride, kernel, strict=True)
        ]
        weights = self.rng.integers(-127, 128, (channels, *kernel, inner))
        options = {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1]}
        terms = max(kernel[0] * kernel[1] * inner // (stride[0] * stride[1]), 1)
        return self._weighted("TRANSPOSE_CONV", x, weights, (*grown, channels), 0, terms, per_channel, options, bias)

    def dense(
        self,
        x: int,
        channels: int,
        activation: int = NONE,
        per_channel: bool = False,
        keep: bool = False,
        bias: bool = True,
    ) -> int:
        shape = self.shape(x)
        inner = shape[-1] if keep else int(np.prod(shape[1:]))
        weights = self.rng.integers(-127, 128, (channels, inner))
        out = (*shape[1:-1], channels) if keep else (channels,)
        options = {"FusedActivationFunction": activation, "KeepNumDims": keep}
        return self._weighted("FULLY_CONNECTED", x, weights, out, 0, inner, per_channel, options, bias)

    def matrices(self, left: int, right: int, transposed: tuple[bool, bool] = (False, False)) -> int:
        first, second = (
            (*shape[:-2], shape[-1], shape[-2]) if swapped else shape
            for shape, swapped in zip((self.shape(left), self.shape(right)), transposed, strict=True)
        )
        outer = np.broadcast_shapes(first[1:-2], second[len(second) - len(first) + 1 : -2])
        spread = 60 * np.sqrt(first[-1]) * float(self.rng.uniform(0.4, 2))
        out = self.result((*outer, first[-2], second[-1]), self.scale(left) * self.scale(right) * spread)
        options = {"AdjX": transposed[0], "AdjY": transposed[1]}
        self.writer.operator("BATCH_MATMUL", [left, right], [out], "BatchMatMulOptions", **options)
        return out

    def squared_difference(self, left: int, right: int) -> int:
        shape = np.broadcast_shapes(self.shape(left), self.shape(right))[1:]
        largest = max(self.scale(left), self.scale(right)) * 128
        out = self.result(shape, largest * largest / 128 * float(self.rng.uniform(0.3, 3)))
        self.writer.operator("SQUARED_DIFFERENCE", [left, right], [out], "SquaredDifferenceOptions")
        return out

    def parametric_relu(self, x: int, *shape: int) -> int:
        out = self.result(self.shape(x)[1:], self.scale(x) * float(self.rng.uniform(0.3, 3)))
        self.writer.operator("PRELU", [x, self.constant(*shape, wide=False)], [out])  # the runtime reads slopes of int8
        return out

    def elementwise(self, kind: str, left: int, right: int, activation: int = NONE) -> int:
        shape = np.broadcast_shapes(self.shape(left), self.shape(right))[1:]
        spread = float(self.rng.uniform(0.4, 2))
        if kind == "MUL":
            scale = self.scale(left) * self.scale(right) * 60 * self.factor * spread
        else:
            scale = max(self.scale(left), self.scale(right)) * spread
        out = self.result(shape, scale)
        table = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}[kind]
        self.writer.operator(kind, [left, right], [out], table, FusedActivationFunction=activation)
        return out

    def constant(self, *shape: int, like: int | None = None, wide: bool | None = None) -> int:
        """An operand that no sample changes, with a quantization of its own, or that of ``like``."""
        wide = self.wide if wide is None else wide
        factor = 256 if wide else 1
        values = self.rng.integers(-128, 128, shape) * factor
        scale, zero = float(np.float32(self.rng.uniform(0.005, 0.1) / factor)), self._zero_point()
        if like is not None:
            scale, zero = self.scale(like), self.zero(like)
        index = self.writer.constant(values, "INT16" if wide else "INT8", [scale])
        self.writer.tensors[index].zero_points = [zero]
        return index

    def extremum(self, kind: str, left: int, right: int) -> int:
        out = self._same(left, np.broadcast_shapes(self.shape(left), self.shape(right))[1:])
        self.writer.operator(kind, [left, right], [out], "MaximumMinimumOptions")
        return out

    def _same(self, x: int, shape: tuple[int, ...]) -> int:
        plan = self.writer.tensors[x]
        return self.writer.activation((self.batch, *shape), plan.scales[0], plan.zero_points[0], plan.type_name)

    def pool(
        self,
        kind: str,
        x: int,
        kernel: Pair = (2, 2),
        stride: Pair = (2, 2),
        padding: int = VALID,
        activation: int = NONE,
    ) -> int:
        out = self._same(x, (*self._window(x, kernel, stride, (1, 1), padding), self.shape(x)[3]))
        self.writer.operator(
            f"{kind}_POOL_2D", [x], [out], "Pool2DOptions", Padding=padding, StrideH=stride[0], StrideW=stride[1],
            FilterHeight=kernel[0], FilterWidth=kernel[1], FusedActivationFunction=activation,
        )  # fmt: skip
        return out

    def mean(self, x: int, axes: tuple[int, ...] = (1, 2), keep: bool = False, same: bool = False) -> int:
        shape = self.shape(x)
        kept = tuple(1 if a in axes else s for a, s in enumerate(shape) if a and (keep or a not in axes))
        out = self._same(x, kept) if same else self.result(kept, self.scale(x) * float(self.rng.uniform(0.2, 1.2)))
        axis = self.writer.constant(np.array(axes), "INT32")
        self.writer.operator("MEAN", [x, axis], [out], "ReducerOptions", KeepDims=keep)
        return out

    def pad(self, x: int, *pairs: tuple[int, int]) -> int:
        sizes = [size + sum(pair) for size, pair in zip(self.shape(x)[1:], pairs, strict=True)]
        out = self._same(x, tuple(sizes))
        self.writer.operator("PAD", [x, self.writer.constant(np.array([(0, 0), *pairs]), "INT32")], [out], "PadOptions")
        return out

    def concatenate(self, tensors: list[int], axis: int) -> int:
        shape = list(self.shape(tensors[0]))
        shape[axis] = sum(self.shape(t)[axis] for t in tensors)
        out = self._same(tensors[0], tuple(shape[1:]))
        self.writer.operator("CONCATENATION", tensors, [out], "ConcatenationOptions", Axis=axis)
        return out

    def reshape(self, x: int, *shape: int) -> int:
        out = self._same(x, shape)
        target = self.writer.constant(np.array((self.batch, *shape)), "INT32")
        self.writer.operator("RESHAPE", [x, target], [out])
        return out

    def transpose(self, x: int, *axes: int) -> int:
        out = self._same(x, tuple(self.shape(x)[axis] for axis in axes[1:]))
        self.writer.operator("TRANSPOSE", [x, self.writer.constant(np.array(axes), "INT32")], [out], "TransposeOptions")
        return out

    def requantize(self, kind: str, x: int, ratio: float | None = None) -> int:
        out = self.result(self.shape(x)[1:], self.scale(x) * (ratio or float(self.rng.uniform(0.3, 3))))
        self.writer.operator(kind, [x], [out])
        return out

    def squeeze(self, x: int, axis: int) -> int:
        shape = self.shape(x)
        out = self._same(x, (*shape[1:axis], *shape[axis + 1 :]))
        self.writer.operator("SQUEEZE", [x], [out], "SqueezeOptions", SqueezeDims=[axis])
        return out

    def expand(self, x: int, axis: int) -> int:
        shape = self.shape(x)
        out = self._same(x, (*shape[1:axis], 1, *shape[axis:]))
        self.writer.operator(
            "EXPAND_DIMS", [x, self.writer.constant(np.array([axis]), "INT32")], [out], "ExpandDimsOptions"
        )
        return out

    def softmax(self, x: int, beta: float = 1.0) -> int:
        out = self.writer.activation(self.shape(x), 1 / 256, -128)
        self.writer.operator("SOFTMAX", [x], [out], "SoftmaxOptions", Beta=beta)
        return out

    def softmax_of_uint8(self, x: int) -> int:
        out = self.writer.activation(self.shape(x), 1 / 256, 0, "UINT8")
        self.writer.operator("SOFTMAX", [x], [out], "SoftmaxOptions")
        return out

    def logistic(self, x: int) -> int:
        out = self.writer.activation(self.shape(x), 1 / 256, -128)
        self.writer.operator("LOGISTIC", [x], [out])
        return out

    def rearranged(self, kind: str, x: int, shape: tuple[int, ...], *arguments: list, **options: int) -> int:
        """An operator that takes elements of one tensor, with int32 arguments; shape without batch."""
        out = self._same(x, shape)
        constants = [self.writer.constant(np.array(values), "INT32") for values in arguments]
        table = (OPTIONS | OTHER_OPTIONS).get(kind)
        self.writer.operator(kind, [x, *constants], [out], table, **options)
        return out

    def parts(self, kind: str, x: int, axis: int, sizes: list[int]) -> list[int]:
        """The outputs of SPLIT, SPLIT_V or UNPACK along an axis (0 is the batch)."""
        shape = list(self.shape(x)[1:])
        axis_of, stated = (self.writer.constant(np.array(values), "INT32") for values in (axis, [*sizes[:-1], -1]))
        outputs = []
        for size in sizes:
            dropped = (
                [shape[: axis - 1], shape[axis:]] if kind == "UNPACK" else [shape[: axis - 1], [size], shape[axis:]]
            )
            outputs.append(self._same(x, tuple(int(each) for part in dropped for each in part)))
        if kind == "SPLIT":
            self.writer.operator(kind, [axis_of, x], outputs, "SplitOptions", NumSplits=len(sizes))
        elif kind == "SPLIT_V":
            self.writer.operator(kind, [x, stated, axis_of], outputs, "SplitVOptions", NumSplits=len(sizes))
        else:
            self.writer.operator(kind, [x], outputs, "UnpackOptions", Num=len(sizes), Axis=axis)
        return outputs

    def pack(self, tensors: list[int], axis: int) -> int:
        shape = list(self.shape(tensors[0]))
        out = self._same(tensors[0], (*shape[1:axis], len(tensors), *shape[axis:]))
        self.writer.operator("PACK", tensors, [out], "PackOptions", ValuesCount=len(tensors), Axis=axis)
        return out

    def reduced(self, kind: str, x: int, axes: tuple[int, ...], keep: bool) -> int:
        """REDUCE_MAX, REDUCE_MIN or SUM."""
        shape = self.shape(x)
        kept = tuple(1 if a in axes else s for a, s in enumerate(shape) if a and (keep or a not in axes))
        terms = int(np.prod([shape[a] for a in axes]))
        spread = np.sqrt(terms) * float(self.rng.uniform(0.5, 3))
        out = self.result(kept, self.scale(x) * spread) if kind == "SUM" else self._same(x, kept)
        axis = self.writer.constant(np.array(axes), "INT32")
        self.writer.operator(kind, [x, axis], [out], "ReducerOptions", KeepDims=keep)
        return out

    def padded(self, x: int, *pairs: Pair) -> int:
        """PADV2 with a random integer."""
        out = self._same(x, tuple(size + sum(pair) for size, pair in zip(self.shape(x)[1:], pairs, strict=True)))
        amounts = self.writer.constant(np.array([(0, 0), *pairs]), "INT32")
        self.writer.operator("PADV2", [x, amounts, self.constant(1, like=x)], [out], "PadV2Options")
        return out

    def select(self, kind: str, condition: np.ndarray, left: int, right: int) -> int:
        """SELECT or SELECT_V2 by a constant condition; the operands have one quantization."""
        shape = np.broadcast_shapes(condition.shape, self.shape(left), self.shape(right))
        out = self._same(left, shape[1:])
        self.writer.operator(kind, [self.writer.constant(condition, "BOOL"), left, right], [out], OPTIONS[kind])
        return out

    def function(self, kind: str, x: int, alpha: float | None = None) -> int:
        """A function of one value: LOGISTIC, TANH, ELU, HARD_SWISH, LEAKY_RELU."""
        if kind in ("LOGISTIC", "TANH"):
            scale, zero = (1 / 256, -128) if kind == "LOGISTIC" else (1 / 128, 0)
            scale, zero = (2.0**-15, 0) if self.wide else (scale, zero)
            out = self.writer.activation(self.shape(x), scale, zero, self.type_name)
        else:
            out = self.result(self.shape(x)[1:], self.scale(x) * float(self.rng.uniform(0.3, 3)))
        if kind == "GELU":
            self.writer.operator(kind, [x], [out], "GeluOptions", Approximate=bool(self.rng.integers(2)))
        elif alpha is None:
            self.writer.operator(kind, [x], [out])
        else:
            self.writer.operator(kind, [x], [out], "LeakyReluOptions", Alpha=alpha)
        return out

    def unsigned(self, weight_axis: int = 0) -> None:
        """Makes a model of int8, with weights per tensor, one of uint8; its weights get zero points."""
        weights = {plan.inputs[1] for plan in self.writer.operators if plan.options in WEIGHTED_OPTIONS}
        for index, plan in enumerate(self.writer.tensors):
            if plan.type_name != "INT8":
                continue
            plan.type_name = "UINT8"
            plan.zero_points = [zero + 128 for zero in plan.zero_points]
            if plan.data is not None:
                plan.data = bytes(byte ^ 128 for byte in plan.data)
            if index in weights:
                plan.zero_points, plan.axis = [128 + int(self.rng.choice([-9, -2, 2, 9]))], weight_axis

    def content(self, *outputs: int) -> bytes:
        self.writer.outputs = list(outputs)
        return self.writer.content()
