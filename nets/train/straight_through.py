"""Straight-through gradients: exact integers forward, the gradient of the unrounded operation backward.

The estimator is Bengio et al.'s (arXiv 1308.3432): rounding counts as the identity, and a clamp passes the gradient
only strictly inside its bounds, so that saturated outputs (including a ReLU's zero) have no gradient.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nets.execute import spread
from nets.network import ElementwiseSum, RescaledOperator, Sliding, TransposedConvolution, Weighted


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


@dataclass(frozen=True, eq=False, slots=True)
class CurrentWeights:
    """The present integers of an operator, and the same values as differentiable tensors.

    Attributes:
        operator: the operator with its present integers.
        weights: float32 integers, shape of the operator's weights.
        bias: float64 integers ``[out]``.
        scale: float32; the represented effective scale, ``[out]`` or ``[1]``.
    """

    operator: Weighted
    weights: Tensor
    bias: Tensor
    scale: Tensor


def _inside(gradient: Tensor, outputs: Tensor, operator: RescaledOperator) -> Tensor:
    """Returns the gradient of outputs strictly inside the operator's clamp, 0 of the others."""
    return gradient * ((outputs > operator.q_min) & (outputs < operator.q_max))


class _ExactOutputs(torch.autograd.Function):
    """Returns the last of several tensors, the exact outputs; operator and zero points follow the tensors."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:  # noqa: ANN401
        *tensors, ctx.operator, ctx.zeros = arguments
        ctx.save_for_backward(*tensors)
        return tensors[-1].to(torch.float32)  # type: ignore[no-any-return]


class _WeightedSum(_ExactOutputs):
    """Has the gradients of ``scale * (w * (x - z) + b)``."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        inputs, weights, bias, scale, outputs = ctx.saved_tensors
        input_zero, output_zero = ctx.zeros
        through = _inside(gradients[0], outputs, ctx.operator)
        at_accumulator = through * scale
        by_input, by_weight = sum_gradients(
            at_accumulator, inputs - input_zero, weights, ctx.operator, needs_input=ctx.needs_input_grad[0]
        )
        others = tuple(range(outputs.dim() - 1))
        by_scale = None
        if ctx.needs_input_grad[3]:
            # The accumulator is (q - z) / scale to within the rounding that the estimator ignores.
            by_scale = ((through * (outputs - output_zero)).sum(dim=others) / scale).sum_to_size(scale.shape)
        by_bias = at_accumulator.sum(dim=others).to(bias.dtype)
        return by_input, by_weight, by_bias, by_scale, None, None, None


def sum_gradients(
    gradient: Tensor, centred: Tensor, weights: Tensor, operator: Weighted, *, needs_input: bool
) -> tuple[Tensor | None, Tensor]:
    """Computes the gradients of the sum of products by its inputs (channels last) and weights."""
    if not isinstance(operator, Sliding):
        flat, gradient = centred.reshape(-1, weights.shape[1]), gradient.reshape(-1, weights.shape[0])
        by_input = (gradient @ weights).reshape(centred.shape) if needs_input else None
        return by_input, gradient.t() @ flat
    (top, bottom), (left, right) = operator.padding
    image = spread(centred, operator).permute(0, 3, 1, 2)
    symmetric = top == bottom and left == right
    if not symmetric:
        image = functional.pad(image, (left, right, top, bottom))
    by_image, by_weight, _ = torch.ops.aten.convolution_backward(
        gradient.permute(0, 3, 1, 2),
        image,
        weights.permute(0, 3, 1, 2),
        None,
        operator.stride,
        [top, left] if symmetric else [0, 0],
        operator.dilation,
        False,
        [0, 0],
        operator.groups,
        [needs_input, True, False],
    )
    if by_image is not None and not symmetric:
        by_image = functional.pad(by_image, (-left, -right, -top, -bottom))
    by_weight = by_weight.permute(0, 2, 3, 1)
    if by_image is None:
        return None, by_weight
    rows, columns = operator.spacing if isinstance(operator, TransposedConvolution) else (1, 1)
    return by_image.permute(0, 2, 3, 1)[:, ::rows, ::columns], by_weight


def weighted_sum(inputs: Tensor, current: CurrentWeights, outputs: Tensor, zeros: tuple[int, int]) -> Tensor:
    """Returns the exact outputs of a weighted operator, with gradients by inputs, weights, bias and scale.

    Args:
        inputs: float32 integers, channels last.
        current: the operator, and its integers and scale as differentiable tensors.
        outputs: exact int8 outputs, channels last.
        zeros: zero points of the inputs and of the outputs.
    """
    return _WeightedSum.apply(  # type: ignore[no-any-return, no-untyped-call]
        inputs, current.weights, current.bias, current.scale, outputs, current.operator, zeros
    )


class _ScaledSum(_ExactOutputs):
    """Has the gradients of ``gain_0 * x_0 + gain_1 * x_1``, both gains scalars."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        left, right, gains, outputs = ctx.saved_tensors
        through = _inside(gradients[0], outputs, ctx.operator)
        by_gains = None
        if ctx.needs_input_grad[2]:
            centred = (x - zero for x, zero in zip((left, right), ctx.zeros, strict=True))
            by_gains = torch.stack([(through * x).sum() for x in centred])
        sides = [(through * gain).sum_to_size(x.shape) for gain, x in zip(gains, (left, right), strict=True)]
        return sides[0], sides[1], by_gains, None, None, None


def scaled_sum(
    left: Tensor, right: Tensor, gains: Tensor, outputs: Tensor, operator: ElementwiseSum, zeros: tuple[int, ...]
) -> Tensor:
    """Returns the exact outputs of an elementwise sum, with gradients by both inputs and both gains.

    Args:
        left: float32 integers.
        right: float32 integers.
        gains: float32 ``[2]``: ``s_0 / s_y`` and ``+-s_1 / s_y``.
        outputs: exact int8 outputs.
        operator: the operator, for its clamp.
        zeros: zero points of the inputs.
    """
    return _ScaledSum.apply(left, right, gains, outputs, operator, zeros)  # type: ignore[no-any-return, no-untyped-call]
