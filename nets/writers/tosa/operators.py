"""Each operator of the integer network as TOSA operators that compute its integers.

Between an int8 tensor and the accumulator, TOSA's own operators do what TFLite's kernels do; zero points that they lack
are subtracted by a RESCALE of factor 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nets.errors import NetworkError
from nets.importers import tosa_schema
from nets.narrow import NetworkCertificate
from nets.network import (
    INT32_MAX,
    INT32_MIN,
    AveragePool,
    Concatenation,
    Convolution,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    FilledPad,
    FloatAveragePool,
    FullyConnected,
    Operator,
    Pad,
    Pool,
    QuantizedNetwork,
    Rearrangement,
    Requantize,
    RescaledOperator,
    Reshape,
    Stack,
    Sum,
    Tabulated,
    Transpose,
    WeightArray,
    Weighted,
)
from nets.writers.tosa.graph import GraphWriter, Value
from nets.writers.tosa.rescale import StatedRescale, stated
from nets.writers.tosa.windows import without_remainder

_INT8 = (-128, 127)
Op = tosa_schema.Op
DType = tosa_schema.DType


@dataclass(frozen=True, slots=True)
class Lowering:
    """Writes operators of one network into a graph.

    Attributes:
        batch: samples of every tensor.
        certificate: the network's, which bounds every accumulator.
    """

    graph: GraphWriter
    network: QuantizedNetwork
    certificate: NetworkCertificate
    batch: int

    def write(self, operator: Operator, inputs: Sequence[Value], result: Value) -> Value:
        """Writes one operator, and returns its int8 output ``result``.

        Raises:
            NetworkError: TOSA cannot state the operator.
        """
        match operator:
            case FloatAveragePool():
                raise NetworkError(f"{operator.name} is a mean in floating point, which TOSA's int8 has not")
            case RescaledOperator():
                return self._rescaled(operator, self._accumulated(operator, inputs), result)
            case Pool():
                return self._pool(operator, inputs[0], result)
            case Tabulated():
                return self.graph.add(Op.TABLE, [inputs[0], self.graph.constant(operator.table)], result)
            case Extremum():
                op = Op.MAXIMUM if operator.largest else Op.MINIMUM
                wide = [self._centred(each, 0) for each in inputs]
                chosen = self.graph.add(op, wide, _wide(result, "chosen"), nan_mode=1)
                return self._rescale(chosen, _IDENTITY, result, (0, 0))
        return self._moved(operator, inputs, result)

    def _accumulated(self, operator: RescaledOperator, inputs: Sequence[Value]) -> Value:
        """Writes what an operator's last rescaler receives: int32, or the int8 input of a mere change of scale."""
        zeros = [self.network.tensors[index].zero_point for index in operator.inputs]
        match operator:
            case Convolution():
                return self._convolution(operator, inputs[0], zeros[0])
            case FullyConnected():
                return self._fully_connected(operator, inputs[0], zeros[0])
            case ElementwiseSum():
                return self._sum(operator, inputs, zeros)
            case ElementwiseProduct():
                left, right = (self._centred(each, zero) for each, zero in zip(inputs, zeros, strict=True))
                total = self._of(operator, "product", DType.INT32)
                return self.graph.add(Op.MUL, [left, right, self.graph.scalar(0, np.int8)], total)
            case Sum():
                return self._total(operator, inputs[0], zeros[0])
            case Requantize():
                return inputs[0]
        raise _unknown(operator)

    def _rescaled(self, operator: RescaledOperator, accumulated: Value, result: Value) -> Value:
        interval = self.certificate.accumulators[operator.name]
        if int(interval.low.min()) < INT32_MIN or int(interval.high.max()) > INT32_MAX:
            raise NetworkError(f"{operator.name}: its accumulators leave int32, which TOSA's do not")
        source, target = (self.network.tensors[index] for index in (operator.inputs[0], operator.output))
        zero = source.zero_point if accumulated.type is DType.INT8 else 0
        rescale = stated(operator.name, operator.rescaler, (interval.low, interval.high))
        whole, shape = (operator.q_min, operator.q_max) == _INT8, accumulated.shape
        last = result if shape == result.shape else _named(result, "unshaped", shape)
        made = last if whole else _named(result, "rescaled", shape)
        value = self._rescale(accumulated, rescale, made, (zero, target.zero_point))
        if not whole:
            value = self._clamp(value, last, operator.q_min, operator.q_max)
        return value if shape == result.shape else self._reshape(value, result)

    def _rescale(self, value: Value, rescale: StatedRescale, result: Value, zeros: tuple[int, int]) -> Value:
        source, target = zeros
        graph = self.graph
        inputs = [
            value,
            graph.constant(rescale.multiplier),
            graph.constant(rescale.right_shift),
            graph.scalar(source, np.int8 if value.type is DType.INT8 else np.int32),
            graph.scalar(target, np.int8 if result.type is DType.INT8 else np.int32),
        ]
        return graph.add(
            Op.RESCALE,
            inputs,
            result,
            scale32=rescale.scale32,
            rounding_mode=int(rescale.rounding),
            per_channel=rescale.multiplier.size > 1,
        )

    def _centred(self, value: Value, zero: int, left_shift: int = 0) -> Value:
        """Writes ``(value - zero) << left_shift`` in int32; the same value once only."""
        result = Value(f"{value.name}/centred_{zero}_{left_shift}".replace("-", "m"), value.shape, DType.INT32)
        if self.graph.has(result):
            return result
        return self._rescale(value, _left(left_shift), result, (zero, 0))

    def _convolution(self, operator: Convolution, image: Value, zero: int) -> Value:
        channels, count = image.shape[-1], operator.out_channels
        padding, kept = without_remainder(operator, image.shape[1:3])
        image = self._cropped(operator, image, kept)
        if operator.groups == 1:
            op, weights = Op.CONV2D, operator.weights
        elif operator.groups == channels:
            op = Op.DEPTHWISE_CONV2D
            weights = operator.weights[..., 0].transpose(1, 2, 0)
            weights = weights.reshape(*weights.shape[:2], channels, count // channels)
        else:
            raise NetworkError(
                f"{operator.name} has {operator.groups} groups of channels; TOSA has no such convolution"
            )
        height, width = self.network.tensors[operator.output].shape[:2]
        return self._weighted(
            operator, op, [image, self._stored(operator, weights)], (height, width, count), zero,
            pad=padding, stride=operator.stride, dilation=operator.dilation,
        )  # fmt: skip

    def _fully_connected(self, operator: FullyConnected, value: Value, zero: int) -> Value:
        count, features = operator.weights.shape
        rows = int(np.prod(value.shape[1:])) // features
        pixels = self._reshape(value, self._of(operator, "pixels", DType.INT8, (self.batch, rows, 1, features)))
        weights = self._stored(operator, operator.weights.reshape(count, 1, 1, features))
        return self._weighted(
            operator, Op.CONV2D, [pixels, weights], (rows, 1, count), zero,
            pad=(0, 0, 0, 0), stride=(1, 1), dilation=(1, 1),
        )  # fmt: skip

    def _weighted(
        self,
        operator: Weighted,
        op: Op,
        inputs: Sequence[Value],
        shape: tuple[int, ...],
        zero: int,
        **attributes: tuple[int, ...],
    ) -> Value:
        if operator.bias.min() < INT32_MIN or operator.bias.max() > INT32_MAX:
            raise NetworkError(f"{operator.name}: its biases leave int32")
        graph = self.graph
        bias = graph.constant(operator.bias.astype(np.int32))
        zeros = [graph.scalar(zero, np.int8), graph.scalar(operator.weight_zero_point, np.int8)]
        result = self._of(operator, "acc", DType.INT32, (inputs[0].shape[0], *shape))
        return graph.add(op, [*inputs, bias, *zeros], result, acc_type=int(DType.INT32), **attributes)

    def _stored(self, operator: Weighted, weights: WeightArray) -> Value:
        """Writes weights, whose zero point is added again."""
        stored = weights.astype(np.int16) + operator.weight_zero_point
        if stored.min() < -128 or stored.max() > 127:
            raise NetworkError(f"{operator.name}: its weights and their zero point are no int8")
        return self.graph.constant(np.ascontiguousarray(stored, np.int8))

    def _sum(self, operator: ElementwiseSum, inputs: Sequence[Value], zeros: Sequence[int]) -> Value:
        if operator.left_shift == 0:
            raise NetworkError(f"{operator.name} has XNNPACK's form of a sum, which TOSA cannot state")
        sides = [self._summand(operator, side, inputs[side], zeros[side]) for side in (0, 1)]
        op = Op.ADD if operator.sign > 0 else Op.SUB
        return self.graph.add(op, sides, self._of(operator, "sum", DType.INT32))

    def _summand(self, operator: ElementwiseSum, side: int, value: Value, zero: int) -> Value:
        low, high = self.certificate.tensors[operator.inputs[side]].hull()
        reach = ((low - zero) << operator.left_shift, (high - zero) << operator.left_shift)
        rescale = stated(operator.name, operator.input_rescalers[side], reach)
        centred = self._centred(value, zero, operator.left_shift)
        return self._rescale(centred, rescale, Value(f"{operator.name}/input_{side}", value.shape, DType.INT32), (0, 0))

    def _total(self, operator: Sum, value: Value, zero: int) -> Value:
        if operator.float_offset is not None:
            raise NetworkError(f"{operator.name} has XNNPACK's form of a mean or sum, which TOSA cannot state")
        total = self._centred(value, zero)
        for axis in operator.axes:
            shape = tuple(1 if at == axis + 1 else size for at, size in enumerate(total.shape))
            total = self.graph.add(
                Op.REDUCE_SUM, [total], Value(f"{operator.name}/sum_{axis}", shape, DType.INT32), axis=axis + 1
            )
        return total

    def _pool(self, operator: Pool, image: Value, result: Value) -> Value:
        padding, kept = without_remainder(operator, image.shape[1:3])
        image = self._cropped(operator, image, kept)
        window = {"kernel": operator.kernel, "stride": operator.stride, "pad": padding}
        whole = (operator.q_min, operator.q_max) == _INT8
        pooled = result if whole else _named(result, "pooled", result.shape)
        if isinstance(operator, AveragePool):
            # Its reciprocals are rounded up, so that a mean of n + 1/2 is rounded away from the centre.
            zeros = [self.graph.scalar(operator.centre, np.int8)] * 2
            self.graph.add(Op.AVG_POOL2D, [image, *zeros], pooled, acc_type=int(DType.INT32), **window)
        else:
            self.graph.add(Op.MAX_POOL2D, [image], pooled, nan_mode=1, **window)
        return pooled if whole else self._clamp(pooled, result, operator.q_min, operator.q_max)

    def _moved(self, operator: Operator, inputs: Sequence[Value], result: Value) -> Value:
        """Writes an operator that only moves integers."""
        graph, value = self.graph, inputs[0]
        match operator:
            case Pad() | FilledPad():
                zero = self.network.tensors[operator.inputs[0]].zero_point
                filling = operator.value if isinstance(operator, FilledPad) else zero
                amounts = [amount for pair in ((0, 0), *operator.padding) for amount in pair]
                return graph.add(Op.PAD, [value, graph.shape(amounts), graph.scalar(filling, np.int8)], result)
            case Stack():
                shape = tuple(1 if at == operator.axis + 1 else size for at, size in enumerate(result.shape))
                layers = [
                    self._reshape(each, self._of(operator, f"layer_{at}", DType.INT8, shape))
                    for at, each in enumerate(inputs)
                ]
                return graph.add(Op.CONCAT, layers, result, axis=operator.axis + 1)
            case Concatenation():
                return graph.add(Op.CONCAT, list(inputs), result, axis=operator.axis + 1)
            case Reshape():
                return self._reshape(value, result)
            case Transpose():
                return graph.add(Op.TRANSPOSE, [value], result, perms=(0, *(axis + 1 for axis in operator.permutation)))
            case Rearrangement():
                return self._rearranged(operator, value, result)
        raise _unknown(operator)

    def _rearranged(self, operator: Rearrangement, value: Value, result: Value) -> Value:
        graph, shape = self.graph, value.shape[1:]
        start = _slice_start(operator, shape)
        if start is not None:
            return graph.add(Op.SLICE, [value, graph.shape((0, *start)), graph.shape(result.shape)], result)
        column = self._reshape(value, self._of(operator, "column", DType.INT8, (self.batch, int(np.prod(shape)), 1)))
        positions = np.tile(operator.positions.reshape(1, -1), (self.batch, 1)).astype(np.int32)
        taken = self._of(operator, "taken", DType.INT8, (*positions.shape, 1))
        graph.add(Op.GATHER, [column, graph.constant(positions)], taken)
        return self._reshape(taken, result)

    def _cropped(self, operator: Operator, image: Value, kept: tuple[int, int]) -> Value:
        """Writes the part of an image that windows reach; TOSA takes no rows and columns beyond the last window."""
        shape = (image.shape[0], *kept, image.shape[3])
        if shape == image.shape:
            return image
        result = self._of(operator, "reached", DType.INT8, shape)
        return self.graph.add(Op.SLICE, [image, self.graph.shape((0, 0, 0, 0)), self.graph.shape(shape)], result)

    def _clamp(self, value: Value, result: Value, low: int, high: int) -> Value:
        low_bytes, high_bytes = (np.array([bound], np.int8).tobytes() for bound in (low, high))
        return self.graph.add(Op.CLAMP, [value], result, min_val=low_bytes, max_val=high_bytes, nan_mode=1)

    def _reshape(self, value: Value, result: Value) -> Value:
        return self.graph.add(Op.RESHAPE, [value, self.graph.shape(result.shape)], result)

    def _of(self, operator: Operator, part: str, kind: DType, shape: tuple[int, ...] | None = None) -> Value:
        own = (self.batch, *self.network.tensors[operator.output].shape)
        return Value(f"{operator.name}/{part}", own if shape is None else shape, kind)


def _left(shift: int) -> StatedRescale:
    """Returns the RESCALE that shifts int8 and int32 left: ``(x * 2**30 + 2**(29 - shift)) >> (30 - shift)``."""
    multiplier, right_shift = np.array([1 << 30], np.int32), np.array([30 - shift], np.int8)
    return StatedRescale(multiplier, right_shift, True, tosa_schema.Rounding.SINGLE_ROUND)


_IDENTITY = _left(0)


def _wide(value: Value, part: str) -> Value:
    return Value(f"{value.name}/{part}", value.shape, DType.INT32)


def _named(value: Value, part: str, shape: tuple[int, ...]) -> Value:
    return Value(f"{value.name}/{part}", shape, value.type)


def _slice_start(operator: Rearrangement, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Returns where a rearrangement that takes a box out of its input starts, or None if it is none."""
    made = operator.positions.shape
    if len(made) != len(shape) or any(size > limit for size, limit in zip(made, shape, strict=True)):
        return None
    start = tuple(int(each) for each in np.unravel_index(int(operator.positions.reshape(-1)[0]), shape))
    box = tuple(slice(at, at + size) for at, size in zip(start, made, strict=True))
    whole = np.arange(int(np.prod(shape))).reshape(shape)[box]
    return start if whole.shape == made and (whole == operator.positions).all() else None


def _unknown(operator: Operator) -> NetworkError:
    return NetworkError(f"{operator.name}: TOSA files hold no {type(operator).__name__} yet")
