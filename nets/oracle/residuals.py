"""The reasons why an operator's integers differ between a design and a runtime, on identical inputs."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nets.execute import accumulator, kernel
from nets.network import (
    ElementwiseSum,
    FloatArray,
    IntArray,
    Interpolation,
    Mean,
    Operator,
    QuantizedNetwork,
    RescaledOperator,
    Softmax,
    Sum,
    Tabulated,
    TensorSpec,
)

_NEAR = 0.51  # LSB: half a step, and what XNNPACK's 21-bit multipliers add to it

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class OperatorResidual:
    """How one operator's outputs differ, and why; each difference is counted once.

    Attributes:
        elements: the number of outputs compared.
        ties: the exact product lies half-way between two integers, and the rules send it to different sides.
        double_roundings: the runtime's rule, given the design's own multipliers, already gives another integer: it
            rounds more than once (to Q31 or float32 first, or each input of a sum).
        scale_errors: rules agree, but the runtime's multiplier, made from float32 scales, is not the design's.
        unexplained: none of these: weights, clamps or the runtime's form of the operator differ; 0 unless something
            is wrong.
        largest: the largest difference, in LSB.
    """

    operator: str
    elements: int
    differences: int
    ties: int
    double_roundings: int
    scale_errors: int
    unexplained: int
    largest: int


def explain(
    design: QuantizedNetwork, runtime: QuantizedNetwork, position: int, inputs: list[Tensor]
) -> OperatorResidual:
    """Compares an operator of a design with the same operator of a runtime's network.

    Args:
        design: the network as designed.
        runtime: the network as the runtime computes it: imported from the exported file under its profile.
        position: the operator's position in both networks.
        inputs: int8 tensors ``[batch, *shape]``, the same for both.
    """
    ours_op, theirs_op = design.operators[position], runtime.operators[position]
    ours, theirs = (
        kernel(op, network)(inputs).numpy().astype(np.int64)
        for op, network in ((ours_op, design), (theirs_op, runtime))
    )
    different = ours != theirs
    ties = doubled = scale_errors = 0
    if isinstance(ours_op, Tabulated | Interpolation | Softmax):  # rounded in the runtime's own form
        doubled = int((different & (np.abs(ours - theirs) <= 1)).sum())
    if different.any() and isinstance(ours_op, RescaledOperator) and isinstance(theirs_op, RescaledOperator):
        explained = different & _only_rescaling_differs(ours_op, theirs_op, design, inputs, theirs)
        exact = _exact(ours_op, design, inputs, explained)
        tie = _ties(exact)
        if _form(ours_op) == _form(theirs_op):
            by_rule = (kernel(_under(ours_op, theirs_op), design)(inputs).numpy() != ours)[explained]
        else:  # the runtime rounds once, the design several times
            by_rule = _rounded_once(ours_op, design.tensors[ours_op.output], exact) != ours[explained]
        ties = int(tie.sum())
        doubled = int((~tie & by_rule).sum())
        scale_errors = int((~tie & ~by_rule).sum())
    return OperatorResidual(
        operator=ours_op.name,
        elements=ours.size,
        differences=int(different.sum()),
        ties=ties,
        double_roundings=doubled,
        scale_errors=scale_errors,
        unexplained=int(different.sum()) - ties - doubled - scale_errors,
        largest=int(np.abs(ours - theirs).max()),
    )


def _only_rescaling_differs(
    ours_op: RescaledOperator,
    theirs_op: RescaledOperator,
    design: QuantizedNetwork,
    inputs: list[Tensor],
    theirs: IntArray,
) -> BoolArray:
    """Marks the outputs that the design's operator would give with the runtime's rescalers.

    If the runtime has another form of a sum or mean, its outputs have to be near the real result instead.
    """
    if _form(ours_op) != _form(theirs_op):
        return np.asarray(np.abs(theirs - _real_result(ours_op, design, inputs)) <= _NEAR)
    swapped = ours_op.with_rescalers(theirs_op.rescalers)
    result: BoolArray = kernel(swapped, design)(inputs).numpy() == theirs
    return result


def _real_result(operator: RescaledOperator, network: QuantizedNetwork, inputs: list[Tensor]) -> FloatArray:
    """Computes a sum or mean in real numbers, in steps of the output, clamped."""
    specs, target = [network.tensors[index] for index in operator.inputs], network.tensors[operator.output]
    real = [(x.numpy().astype(np.float64) - s.zero_point) * s.scale for x, s in zip(inputs, specs, strict=True)]
    if isinstance(operator, ElementwiseSum):
        total = real[0] + operator.sign * real[1]
    else:
        assert isinstance(operator, Sum)  # noqa: S101 -- the only other operator with two forms
        total = real[0].sum(axis=tuple(axis + 1 for axis in operator.axes)).reshape(-1, *target.shape)
        total = total / operator.count if isinstance(operator, Mean) else total
    clipped: FloatArray = np.clip(total / target.scale + target.zero_point, operator.q_min, operator.q_max)
    return clipped


def _form(operator: Operator) -> object:
    if isinstance(operator, ElementwiseSum):
        return operator.left_shift
    return isinstance(operator, Sum) and operator.float_offset is not None


def _under(ours: RescaledOperator, theirs: RescaledOperator) -> RescaledOperator:
    """Returns the first operator, with its own multipliers, under the rules of the second."""
    pairs = zip(ours.rescalers, theirs.rescalers, strict=True)
    return ours.with_rescalers([replace(own, contract=other.contract) for own, other in pairs])


def _exact(
    operator: RescaledOperator, network: QuantizedNetwork, inputs: list[Tensor], chosen: BoolArray
) -> list[tuple[int, int]]:
    """Returns chosen outputs before any rounding, as ``numerator * 2**-shift`` in Python's integers."""
    if isinstance(operator, ElementwiseSum):
        return _exact_sums(operator, network, inputs, chosen)
    rescaler = operator.rescaler
    acc = accumulator(operator, network)(inputs).numpy()
    constants = (np.broadcast_to(values, acc.shape)[chosen] for values in (rescaler.multiplier, rescaler.right_shift))
    return [(int(a) * int(m), int(r)) for a, m, r in zip(acc[chosen], *constants, strict=True)]


def _exact_sums(
    operator: ElementwiseSum, network: QuantizedNetwork, inputs: list[Tensor], chosen: BoolArray
) -> list[tuple[int, int]]:
    signs = (1, operator.sign)
    final = operator.rescaler
    shifts = [int(r.right_shift[0]) + int(final.right_shift[0]) - operator.left_shift for r in operator.input_rescalers]
    common = max(*shifts, 1)
    factors = [
        sign * int(rescaler.multiplier[0]) * int(final.multiplier[0]) << (common - shift)
        for sign, rescaler, shift in zip(signs, operator.input_rescalers, shifts, strict=True)
    ]
    zeros = [network.tensors[index].zero_point for index in operator.inputs]
    left, right = (
        np.broadcast_to(x.numpy(), chosen.shape)[chosen].astype(np.int64) - z
        for x, z in zip(inputs, zeros, strict=True)
    )
    return [(int(a) * factors[0] + int(b) * factors[1], common) for a, b in zip(left, right, strict=True)]


def _ties(exact: list[tuple[int, int]]) -> BoolArray:
    """Marks the values that lie half-way between two integers."""
    return np.array([r >= 1 and n % (1 << r) == 1 << (r - 1) for n, r in exact], dtype=bool)


def _rounded_once(operator: RescaledOperator, target: TensorSpec, exact: list[tuple[int, int]]) -> IntArray:
    """Returns the outputs that rounding the exact values once, half up, would give."""
    rounded = [(2 * n + (1 << r)) >> (r + 1) if r >= 0 else n << -r for n, r in exact]
    clamped = (min(max(q + target.zero_point, operator.q_min), operator.q_max) for q in rounded)
    return np.array(list(clamped), dtype=np.int64)
