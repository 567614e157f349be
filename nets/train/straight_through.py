"""Straight-through gradients: exact integers forward, the gradient of the unrounded operation backward.

The estimator is Bengio et al.'s (arXiv 1308.3432): rounding counts as the identity, and a clamp passes the gradient
only strictly inside its bounds, so that saturated outputs (including a ReLU's zero) have no gradient.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nets.network import Convolution, Pads


class _Exact(torch.autograd.Function):
    """Returns the exact value forward and the surrogate's gradient backward."""

    @staticmethod
    def forward(_ctx: Any, surrogate: Tensor, exact: Tensor) -> Tensor:  # noqa: ANN401 -- torch's own signature
        return exact.to(surrogate.dtype)

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return gradients[0], None


def exactly(surrogate: Tensor, exact: Tensor) -> Tensor:
    """Returns a tensor with the values of ``exact`` and the gradient of ``surrogate``; shapes are equal."""
    return _Exact.apply(surrogate, exact)  # type: ignore[no-any-return, no-untyped-call]


def rounded(values: Tensor) -> Tensor:
    """Rounds half to even, with the identity's gradient."""
    return exactly(values, values.detach().round())


@dataclass(frozen=True, slots=True)
class Clamp:
    """Bounds and zero point of an integer output."""

    q_min: int
    q_max: int
    zero_point: int

    def passed(self, gradient: Tensor, outputs: Tensor) -> Tensor:
        """Returns the gradient for outputs strictly inside the bounds, 0 for the others."""
        inside = (outputs > self.q_min) & (outputs < self.q_max)
        return gradient * inside


@dataclass(frozen=True, slots=True)
class Geometry:
    """Stride, dilation, padding and groups of a convolution."""

    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Pads
    groups: int

    @classmethod
    def of(cls, operator: Convolution) -> "Geometry":
        """Returns the geometry of an operator."""
        return cls(operator.stride, operator.dilation, operator.padding, operator.groups)


class _WeightedSum(torch.autograd.Function):
    """Returns the given exact outputs, with the gradients of ``scale * (w * (x - z) + b)``."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        inputs: Tensor,
        weights: Tensor,
        bias: Tensor,
        scale: Tensor,
        outputs: Tensor,
        input_zero: int,
        clamp: Clamp,
        geometry: Geometry | None,
    ) -> Tensor:
        ctx.save_for_backward(inputs, weights, bias, scale, outputs)
        ctx.input_zero, ctx.clamp, ctx.geometry = input_zero, clamp, geometry
        return outputs.to(torch.float32)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        inputs, weights, bias, scale, outputs = ctx.saved_tensors
        through = ctx.clamp.passed(gradients[0], outputs)
        at_accumulator = through * scale
        by_input, by_weight = _sum_gradients(
            at_accumulator, inputs - ctx.input_zero, weights, ctx.geometry, needs_input=ctx.needs_input_grad[0]
        )
        others = tuple(range(outputs.dim() - 1))
        by_scale = None
        if ctx.needs_input_grad[3]:
            # The accumulator is (q - z) / scale to within the rounding that the estimator ignores.
            by_scale = ((through * (outputs - ctx.clamp.zero_point)).sum(dim=others) / scale).sum_to_size(scale.shape)
        by_bias = at_accumulator.sum(dim=others).to(bias.dtype)
        return by_input, by_weight, by_bias, by_scale, None, None, None, None


def _sum_gradients(
    gradient: Tensor, centred: Tensor, weights: Tensor, geometry: Geometry | None, *, needs_input: bool
) -> tuple[Tensor | None, Tensor]:
    """Computes the gradients of the sum of products by its inputs (channels last) and weights."""
    if geometry is None:
        flat = centred.reshape(centred.shape[0], -1)
        by_input = (gradient @ weights).reshape(centred.shape) if needs_input else None
        return by_input, gradient.t() @ flat
    (top, bottom), (left, right) = geometry.padding
    image = centred.permute(0, 3, 1, 2)
    symmetric = top == bottom and left == right
    if not symmetric:
        image = functional.pad(image, (left, right, top, bottom))
    by_image, by_weight, _ = torch.ops.aten.convolution_backward(
        gradient.permute(0, 3, 1, 2),
        image,
        weights.permute(0, 3, 1, 2),
        None,
        geometry.stride,
        [top, left] if symmetric else [0, 0],
        geometry.dilation,
        False,
        [0, 0],
        geometry.groups,
        [needs_input, True, False],
    )
    if by_image is not None and not symmetric:
        by_image = functional.pad(by_image, (-left, -right, -top, -bottom))
    return None if by_image is None else by_image.permute(0, 2, 3, 1), by_weight.permute(0, 2, 3, 1)


def weighted_sum(
    inputs: Tensor,
    weights: Tensor,
    bias: Tensor,
    scale: Tensor,
    outputs: Tensor,
    input_zero: int,
    clamp: Clamp,
    geometry: Geometry | None,
) -> Tensor:
    """Returns the exact outputs of a weighted operator, with gradients by inputs, weights, bias and scale.

    Args:
        inputs: float32 integers, channels last.
        weights: float32 integers, ``[out, height, width, in / groups]`` or ``[out, in]``.
        bias: float64 integers ``[out]``.
        scale: Effective scale ``[out]`` or ``[1]``, float32.
        outputs: Exact int8 outputs, channels last.
        input_zero: Zero point of the inputs.
        clamp: Bounds and zero point of the outputs.
        geometry: The convolution's geometry; None for a fully connected layer.
    """
    return _WeightedSum.apply(  # type: ignore[no-any-return, no-untyped-call]
        inputs, weights, bias, scale, outputs, input_zero, clamp, geometry
    )


class _ScaledSum(torch.autograd.Function):
    """Returns the given exact outputs, with the gradients of ``gain_0 * x_0 + gain_1 * x_1``, both gains scalars."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        left: Tensor,
        right: Tensor,
        gains: Tensor,
        outputs: Tensor,
        zeros: tuple[int, int],
        clamp: Clamp,
    ) -> Tensor:
        ctx.save_for_backward(left, right, gains, outputs)
        ctx.zeros, ctx.clamp = zeros, clamp
        return outputs.to(torch.float32)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        left, right, gains, outputs = ctx.saved_tensors
        through = ctx.clamp.passed(gradients[0], outputs)
        by_gains = None
        if ctx.needs_input_grad[2]:
            centred = (x - zero for x, zero in zip((left, right), ctx.zeros, strict=True))
            by_gains = torch.stack([(through * x).sum() for x in centred])
        sides = [(through * gain).sum_to_size(x.shape) for gain, x in zip(gains, (left, right), strict=True)]
        return sides[0], sides[1], by_gains, None, None, None


def scaled_sum(
    left: Tensor, right: Tensor, gains: Tensor, outputs: Tensor, zeros: tuple[int, int], clamp: Clamp
) -> Tensor:
    """Returns the exact outputs of an elementwise sum, with gradients by both inputs and both gains.

    Args:
        left: float32 integers.
        right: float32 integers.
        gains: float32 ``[2]``: ``s_0 / s_y`` and ``+-s_1 / s_y``.
        outputs: Exact int8 outputs.
        zeros: Zero points of the inputs.
        clamp: Bounds and zero point of the outputs.
    """
    return _ScaledSum.apply(left, right, gains, outputs, zeros, clamp)  # type: ignore[no-any-return, no-untyped-call]
