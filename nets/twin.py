"""The differentiable twin: its forward pass is the integer executor, bit for bit; gradients go straight through.

Every operator computes its exact integers and, beside them, a smooth surrogate of the same quantity; the output has
the integers' values and the surrogate's gradient (the straight-through estimator, Bengio et al., arXiv 1308.3432).
Tensors hold integers in float32, which is exact far beyond int8; accumulators are exact by the executor's bound.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import singledispatch

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from nets.accumulate import accumulate, exact_dtype
from nets.contracts import requantize
from nets.executor import kernel
from nets.narrowing import RealWeights, weight_limit
from nets.network import (
    AveragePool,
    Concatenation,
    Convolution,
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
from nets.rescaler import FloatArray

_OUTPUT_FULL_SCALE = 127  # a bias is trained in units of the output's full scale, like weights in theirs


class _Exact(torch.autograd.Function):
    """The exact value forward, the surrogate's gradient backward."""

    @staticmethod
    def forward(ctx: FunctionCtx, surrogate: Tensor, exact: Tensor) -> Tensor:
        return exact.to(surrogate.dtype)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def _exactly(surrogate: Tensor, exact: Tensor) -> Tensor:
    return _Exact.apply(surrogate, exact)  # type: ignore[no-any-return, no-untyped-call]


class _WeightedTwin(nn.Module):
    """A weighted operator whose weights and bias are trained; scales, multipliers and shifts stay."""

    _scale: Tensor
    _bias_unit: Tensor
    _multiplier: Tensor
    _right_shift: Tensor

    def __init__(self, operator: Weighted, network: QuantizedNetwork, original: RealWeights | None) -> None:
        super().__init__()
        source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
        self.operator, self._source, self._target = operator, source, target
        self._limit = weight_limit(operator.weight_bits)
        self._reach = max(abs(source.q_min - source.zero_point), abs(source.q_max - source.zero_point))
        scale = torch.tensor(operator.rescaler.scale)
        self.register_buffer("_scale", scale.to(torch.float32), persistent=False)
        self.register_buffer("_bias_unit", _OUTPUT_FULL_SCALE / scale.clamp(min=2.0**-62), persistent=False)
        self.register_buffer("_multiplier", torch.tensor(operator.rescaler.multiplier), persistent=False)
        self.register_buffer("_right_shift", torch.tensor(operator.rescaler.right_shift), persistent=False)
        # float64 masters round to exactly the integers that NumPy made of the same real values.
        self.weight = nn.Parameter(torch.tensor(_weight_steps(operator, original) / self._limit))
        self.bias = nn.Parameter(torch.tensor(operator.bias.astype(np.float64)) / self._bias_unit)

    def integers(self) -> tuple[Tensor, Tensor]:
        """Integer weights and bias of the present masters, float64, with straight-through gradients."""
        steps = (self.weight * self._limit).clamp(-self._limit, self._limit)
        bias = self.bias * self._bias_unit
        return _exactly(steps, steps.detach().round()), _exactly(bias, bias.detach().round())

    def forward(self, inputs: list[Tensor]) -> Tensor:
        weights, bias = self.integers()
        dtype = exact_dtype(self._bound(weights.detach(), bias.detach()))
        arranged = weights.permute(0, 3, 1, 2) if isinstance(self.operator, Convolution) else weights
        centred = inputs[0].to(dtype) - self._source.zero_point
        acc = accumulate(self.operator, centred, arranged.to(dtype), bias.to(dtype)).to(torch.float32)
        return _rescaled(acc, self._rescale(acc), self._scale, self._target, self.operator.q_min, self.operator.q_max)

    def _bound(self, weights: Tensor, bias: Tensor) -> int:
        taps = weights.abs().reshape(weights.shape[0], -1).sum(dim=1)
        return int((taps * self._reach + bias.abs()).max().item())

    def _rescale(self, acc: Tensor) -> Tensor:
        rescaler = self.operator.rescaler
        return requantize(
            acc.detach().to(torch.int64), self._multiplier, self._right_shift, rescaler.stored_bits, rescaler.contract
        )

    def trained(self) -> Weighted:
        """The operator with the present integers."""
        weights, bias = self.integers()
        return replace(
            self.operator,
            weights=weights.detach().cpu().numpy().astype(np.int8),
            bias=bias.detach().cpu().numpy().astype(np.int64),
        )


def _weight_steps(operator: Weighted, original: RealWeights | None) -> FloatArray:
    if original is None:
        return operator.weights.astype(np.float64)
    return original.weights / operator.weight_scale.reshape(-1, *(1,) * (operator.weights.ndim - 1))


def _rescaled(acc: Tensor, exact: Tensor, scale: Tensor, target: TensorSpec, q_min: int, q_max: int) -> Tensor:
    surrogate = (acc * scale + target.zero_point).clamp(q_min, q_max)
    return _exactly(surrogate, (exact + target.zero_point).clamp(q_min, q_max))


Step = Callable[[list[Tensor]], Tensor]


class RescaleAwareTwin(nn.Module):
    """A trainable network that computes the integers of the deployed one.

    Args:
        network: the design to be trained, its rescalers already narrowed.
        originals: real weights by operator name to start from, at the operators' own weight scales; the
            integers themselves where a name is missing. Rounded, they must give the network's integers.
    """

    def __init__(self, network: QuantizedNetwork, originals: Mapping[str, RealWeights] | None = None) -> None:
        super().__init__()
        self.network = network
        self._steps: dict[str, Step] = {}
        for operator in network.operators:
            if isinstance(operator, Weighted):
                module = _WeightedTwin(operator, network, (originals or {}).get(operator.name))
                self.add_module(operator.name, module)
                self._steps[operator.name] = module
            else:
                self._steps[operator.name] = _step(operator, network)

    def integers(self, *inputs: Tensor) -> dict[int, Tensor]:
        """Every activation's integers, float32, by tensor index, with gradients.

        Args:
            inputs: int8 or float32 integers ``[batch, *shape]``, channels last, one per network input.
        """
        live = {index: x.to(torch.float32) for index, x in zip(self.network.inputs, inputs, strict=True)}
        for operator in self.network.operators:
            live[operator.output] = self._steps[operator.name]([live[index] for index in operator.inputs])
        return live

    def forward(self, *inputs: Tensor) -> Tensor:
        """Real logits of the first output: ``scale * (q - zero_point)``, float32 ``[batch, classes]``."""
        index = self.network.outputs[0]
        spec = self.network.tensors[index]
        return (self.integers(*inputs)[index] - spec.zero_point) * spec.scale

    def trained_network(self) -> QuantizedNetwork:
        """The integer network of the present weights and biases."""
        modules = (module for module in self.children() if isinstance(module, _WeightedTwin))
        return self.network.with_operators({module.operator.name: module.trained() for module in modules})


@singledispatch
def _step(operator: Operator, network: QuantizedNetwork) -> Step:
    raise NotImplementedError(f"no differentiable twin for {type(operator).__name__}")


def _beside(operator: Operator, network: QuantizedNetwork, surrogate: Step) -> Step:
    """The executor's own kernel gives the value, a smooth function of the same inputs the gradient."""
    exact = kernel(operator, network)
    return lambda inputs: _exactly(surrogate(inputs), exact([x.detach().to(torch.int8) for x in inputs]))


@_step.register
def _(operator: ElementwiseSum, network: QuantizedNetwork) -> Step:
    specs = [network.tensors[index] for index in operator.inputs]
    target = network.tensors[operator.output]
    sign = 1 if operator.kind is ElementwiseKind.ADD else -1
    common = float(operator.rescaler.scale[0]) * 2.0**operator.left_shift
    gains = [float(rescaler.scale[0]) * common for rescaler in operator.input_rescalers]

    def surrogate(inputs: list[Tensor]) -> Tensor:
        left, right = ((x - spec.zero_point) * gain for x, spec, gain in zip(inputs, specs, gains, strict=True))
        return (left + sign * right + target.zero_point).clamp(operator.q_min, operator.q_max)

    return _beside(operator, network, surrogate)


@_step.register
def _(operator: ElementwiseProduct, network: QuantizedNetwork) -> Step:
    zeros = [network.tensors[index].zero_point for index in operator.inputs]
    target, gain = network.tensors[operator.output], float(operator.rescaler.scale[0])

    def surrogate(inputs: list[Tensor]) -> Tensor:
        product = (inputs[0] - zeros[0]) * (inputs[1] - zeros[1])
        return (product * gain + target.zero_point).clamp(operator.q_min, operator.q_max)

    return _beside(operator, network, surrogate)


@_step.register
def _(operator: Requantize, network: QuantizedNetwork) -> Step:
    zero, gain = network.tensors[operator.inputs[0]].zero_point, float(operator.rescaler.scale[0])
    target = network.tensors[operator.output]
    return _beside(
        operator,
        network,
        lambda inputs: ((inputs[0] - zero) * gain + target.zero_point).clamp(operator.q_min, operator.q_max),
    )


@_step.register
def _(operator: Mean, network: QuantizedNetwork) -> Step:
    zero, gain = network.tensors[operator.inputs[0]].zero_point, float(operator.rescaler.scale[0])
    target = network.tensors[operator.output]
    axes = tuple(axis + 1 for axis in operator.axes)

    def surrogate(inputs: list[Tensor]) -> Tensor:
        total = (inputs[0] - zero).sum(dim=axes).reshape(inputs[0].shape[0], *target.shape)
        return (total * gain + target.zero_point).clamp(target.q_min, target.q_max)

    return _beside(operator, network, surrogate)


@_step.register
def _(operator: AveragePool, network: QuantizedNetwork) -> Step:
    (top, bottom), (left, right) = operator.padding

    def surrogate(inputs: list[Tensor]) -> Tensor:
        image = inputs[0].permute(0, 3, 1, 2)
        padded = functional.pad(image, (left, right, top, bottom))
        ones = functional.pad(torch.ones_like(image[:1, :1]), (left, right, top, bottom))
        total, count = (
            functional.avg_pool2d(x, operator.kernel, operator.stride, divisor_override=1) for x in (padded, ones)
        )
        return (total / count).clamp(operator.q_min, operator.q_max).permute(0, 2, 3, 1)

    return _beside(operator, network, surrogate)


@_step.register
def _(operator: MaxPool, network: QuantizedNetwork) -> Step:
    (top, bottom), (left, right) = operator.padding

    def surrogate(inputs: list[Tensor]) -> Tensor:
        image = functional.pad(inputs[0].permute(0, 3, 1, 2), (left, right, top, bottom), value=-128.0)
        pooled = functional.max_pool2d(image, operator.kernel, operator.stride)
        return pooled.clamp(operator.q_min, operator.q_max).permute(0, 2, 3, 1)

    return _beside(operator, network, surrogate)


@_step.register(Pad)
@_step.register(Concatenation)
@_step.register(Reshape)
@_step.register(Transpose)
def _(operator: Operator, network: QuantizedNetwork) -> Step:
    return kernel(operator, network)  # only moves integers, in any dtype, and is differentiable as it is
