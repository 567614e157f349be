"""The bit-exact integer executor: batched, one kernel per operator, prepared once."""

from collections.abc import Callable, Mapping
from functools import singledispatch

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from nets.accumulate import absolute_bound, accumulate, arranged_weights, exact_dtype
from nets.contracts import requantize
from nets.errors import NetworkError
from nets.network import (
    AveragePool,
    Concatenation,
    ElementwiseKind,
    ElementwiseProduct,
    ElementwiseSum,
    MaxPool,
    Mean,
    Operator,
    Pad,
    QuantizedNetwork,
    Requantize,
    Reshape,
    TensorSpec,
    Transpose,
    Weighted,
)
from nets.rescaler import Rescaler

Int8Array = npt.NDArray[np.int8]
Kernel = Callable[[list[Tensor]], Tensor]


class IntegerExecutor:
    """Runs a network on batches of int8 inputs, exactly.

    Args:
        network: the network; its arrays are read once.
    """

    def __init__(self, network: QuantizedNetwork) -> None:
        self.network = network
        self._kernels = [kernel(operator, network) for operator in network.operators]

    def tensors(self, *inputs: Int8Array) -> dict[int, Int8Array]:
        """Every activation tensor of one batch.

        Args:
            inputs: one int8 array ``[batch, *shape]`` per network input.

        Returns:
            Tensor index to int8 array ``[batch, *shape]``, the inputs included.
        """
        live = self._run(inputs, keep_all=True)
        return {index: value.numpy() for index, value in live.items()}

    def outputs(self, *inputs: Int8Array, batch_size: int = 256) -> list[Int8Array]:
        """The network's outputs, computed in batches.

        Args:
            inputs: one int8 array ``[samples, *shape]`` per network input.
            batch_size: samples held in memory at once.

        Returns:
            One int8 array ``[samples, *shape]`` per network output.
        """
        samples = inputs[0].shape[0]
        parts = []
        for start in range(0, samples, batch_size):
            live = self._run(tuple(x[start : start + batch_size] for x in inputs), keep_all=False)
            parts.append([live[index].numpy() for index in self.network.outputs])
        return [np.concatenate([part[i] for part in parts]) for i in range(len(self.network.outputs))]

    def _run(self, inputs: tuple[Int8Array, ...], *, keep_all: bool) -> dict[int, Tensor]:
        live = dict(zip(self.network.inputs, self._checked(inputs), strict=True))
        last_use = {} if keep_all else _last_uses(self.network)
        with torch.inference_mode():
            for position, (operator, run) in enumerate(zip(self.network.operators, self._kernels, strict=True)):
                live[operator.output] = run([live[index] for index in operator.inputs])
                for index in set(operator.inputs):
                    if last_use.get(index) == position:
                        del live[index]
        return live

    def _checked(self, inputs: tuple[Int8Array, ...]) -> list[Tensor]:
        if len(inputs) != len(self.network.inputs):
            raise NetworkError(f"{self.network.name!r} has {len(self.network.inputs)} inputs, got {len(inputs)}")
        for index, array in zip(self.network.inputs, inputs, strict=True):
            spec = self.network.tensors[index]
            if array.dtype != np.int8 or array.shape[1:] != spec.shape:
                raise NetworkError(
                    f"input {spec.name!r} takes int8 [samples, {', '.join(map(str, spec.shape))}], "
                    f"got {array.dtype} {list(array.shape)}"
                )
        # Arrays of a shared store are read-only, which torch does not accept without a copy.
        return [torch.from_numpy(x if x.flags.writeable else x.copy()) for x in inputs]


def _last_uses(network: QuantizedNetwork) -> Mapping[int, int]:
    uses = {index: at for at, operator in enumerate(network.operators) for index in operator.inputs}
    return {index: at for index, at in uses.items() if index not in network.outputs}


@singledispatch
def kernel(operator: Operator, network: QuantizedNetwork) -> Kernel:
    """Prepare an operator: int8 input tensors (batch first) to the int8 output tensor."""
    raise NotImplementedError(f"no kernel for {type(operator).__name__}")


@kernel.register
def _weighted(operator: Weighted, network: QuantizedNetwork) -> Kernel:
    source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
    dtype = exact_dtype(absolute_bound(operator, source))
    weights = arranged_weights(operator, dtype)
    bias = torch.tensor(operator.bias, dtype=dtype)
    finish = _finisher(operator.rescaler, target, operator.q_min, operator.q_max)

    def run(inputs: list[Tensor]) -> Tensor:
        centred = inputs[0].to(dtype) - source.zero_point
        result = finish(accumulate(operator, centred, weights, bias).to(torch.int64))
        return result.reshape(centred.shape[0], *target.shape)

    return run


@kernel.register
def _sum(operator: ElementwiseSum, network: QuantizedNetwork) -> Kernel:
    specs = [network.tensors[index] for index in operator.inputs]
    finish = _finisher(operator.rescaler, network.tensors[operator.output], operator.q_min, operator.q_max)
    rescalers = [_scaler(rescaler) for rescaler in operator.input_rescalers]
    sign = 1 if operator.kind is ElementwiseKind.ADD else -1

    def run(inputs: list[Tensor]) -> Tensor:
        left, right = (
            rescale((x.to(torch.int64) - spec.zero_point) << operator.left_shift)
            for x, spec, rescale in zip(inputs, specs, rescalers, strict=True)
        )
        return finish(left + sign * right)

    return run


@kernel.register
def _product(operator: ElementwiseProduct, network: QuantizedNetwork) -> Kernel:
    zeros = [network.tensors[index].zero_point for index in operator.inputs]
    finish = _finisher(operator.rescaler, network.tensors[operator.output], operator.q_min, operator.q_max)
    return lambda inputs: finish((inputs[0].to(torch.int64) - zeros[0]) * (inputs[1].to(torch.int64) - zeros[1]))


@kernel.register
def _requantize(operator: Requantize, network: QuantizedNetwork) -> Kernel:
    zero = network.tensors[operator.inputs[0]].zero_point
    finish = _finisher(operator.rescaler, network.tensors[operator.output], operator.q_min, operator.q_max)
    return lambda inputs: finish(inputs[0].to(torch.int64) - zero)


@kernel.register
def _mean(operator: Mean, network: QuantizedNetwork) -> Kernel:
    zero = network.tensors[operator.inputs[0]].zero_point
    target = network.tensors[operator.output]
    axes = tuple(axis + 1 for axis in operator.axes)
    if operator.float_offset is not None:
        return _float_mean(operator, operator.float_offset, target, axes)
    finish = _finisher(operator.rescaler, target, target.q_min, target.q_max)

    def run(inputs: list[Tensor]) -> Tensor:
        total = (inputs[0].to(torch.int64) - zero).sum(dim=axes)
        return finish(total.reshape(total.shape[0], *target.shape))

    return run


def _float_mean(operator: Mean, offset: float, target: TensorSpec, axes: tuple[int, ...]) -> Kernel:
    scale = torch.tensor(float(operator.rescaler.scale[0]), dtype=torch.float32)
    shift = torch.tensor(offset, dtype=torch.float32)

    def run(inputs: list[Tensor]) -> Tensor:
        total = inputs[0].to(torch.int64).sum(dim=axes).to(torch.float32)
        rounded = torch.round(total * scale + shift).clamp(target.q_min, target.q_max).to(torch.int8)
        return rounded.reshape(total.shape[0], *target.shape)

    return run


@kernel.register
def _average_pool(operator: AveragePool, network: QuantizedNetwork) -> Kernel:
    def run(inputs: list[Tensor]) -> Tensor:
        image = _padded(inputs[0].permute(0, 3, 1, 2).to(torch.float32), operator, 0.0)
        # Sums of at most 2**16 int8 values are exact in float32.
        ones = _padded(torch.ones_like(inputs[0][:1, :, :, :1].permute(0, 3, 1, 2), dtype=torch.float32), operator, 0.0)
        total, count = (
            functional.avg_pool2d(x, operator.kernel, operator.stride, divisor_override=1).round().to(torch.int64)
            for x in (image, ones)
        )
        half = count // 2
        rounded = torch.div(torch.where(total > 0, total + half, total - half), count, rounding_mode="trunc")
        return rounded.clamp(operator.q_min, operator.q_max).to(torch.int8).permute(0, 2, 3, 1)

    return run


@kernel.register
def _max_pool(operator: MaxPool, network: QuantizedNetwork) -> Kernel:
    def run(inputs: list[Tensor]) -> Tensor:
        image = _padded(inputs[0].permute(0, 3, 1, 2).to(torch.float32), operator, float("-inf"))
        result = functional.max_pool2d(image, operator.kernel, operator.stride)
        return result.clamp(operator.q_min, operator.q_max).to(torch.int8).permute(0, 2, 3, 1)

    return run


def _padded(image: Tensor, operator: AveragePool | MaxPool, value: float) -> Tensor:
    (top, bottom), (left, right) = operator.padding
    return functional.pad(image, (left, right, top, bottom), value=value)


@kernel.register
def _pad(operator: Pad, network: QuantizedNetwork) -> Kernel:
    zero = network.tensors[operator.inputs[0]].zero_point
    flat = [amount for pair in reversed(operator.padding) for amount in pair]
    return lambda inputs: functional.pad(inputs[0], flat, value=zero)


@kernel.register
def _concatenation(operator: Concatenation, network: QuantizedNetwork) -> Kernel:
    return lambda inputs: torch.cat(inputs, dim=operator.axis + 1)


@kernel.register
def _reshape(operator: Reshape, network: QuantizedNetwork) -> Kernel:
    shape = network.tensors[operator.output].shape
    return lambda inputs: inputs[0].reshape(inputs[0].shape[0], *shape)


@kernel.register
def _transpose(operator: Transpose, network: QuantizedNetwork) -> Kernel:
    axes = (0, *(axis + 1 for axis in operator.permutation))
    return lambda inputs: inputs[0].permute(axes)


def _scaler(rescaler: Rescaler) -> Callable[[Tensor], Tensor]:
    multiplier, right_shift = torch.tensor(rescaler.multiplier), torch.tensor(rescaler.right_shift)
    return lambda acc: requantize(acc, multiplier, right_shift, rescaler.stored_bits, rescaler.contract)


def _finisher(rescaler: Rescaler, target: TensorSpec, q_min: int, q_max: int) -> Callable[[Tensor], Tensor]:
    """Rescale, add the zero point, clamp: int64 accumulators to int8."""
    rescale = _scaler(rescaler)
    return lambda acc: (rescale(acc) + target.zero_point).clamp(q_min, q_max).to(torch.int8)
