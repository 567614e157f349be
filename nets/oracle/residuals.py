"""Why one operator's integers differ between a design and a runtime, on identical inputs."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nets.execute.accumulation import absolute_bound, accumulate, arranged_weights, exact_dtype
from nets.execute.torch_kernels import kernel
from nets.network.contracts import Contract
from nets.network.network import (
    ElementwiseKind,
    ElementwiseProduct,
    ElementwiseSum,
    Mean,
    Operator,
    QuantizedNetwork,
    Requantize,
    TensorSpec,
    Weighted,
)
from nets.network.rescaler import Rescaler

_NEAR = 0.51  # LSB: half a step, and what XNNPACK's 21-bit multipliers add to it

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class OperatorResidual:
    """How one operator's outputs differ, and why; each difference is counted once.

    Attributes:
        operator: its name.
        elements: outputs compared.
        differences: outputs that differ.
        ties: the exact product lies half-way between two integers, and the rules send it to different sides.
        double_roundings: the runtime's rule, given the design's own multipliers, already gives another integer: it
            rounds more than once (to Q31 or float32 first, or each input of a sum).
        scale_errors: rules agree, but the runtime's multiplier, made from float32 scales, is not the design's.
        unexplained: none of these: weights, clamps or the runtime's form of the operator differ; 0 unless something
            is wrong.
        largest: largest difference, in LSB.
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
    """Compare an operator of a design with the same one of a runtime's network.

    Args:
        design: the network as designed.
        runtime: the network as the runtime computes it: imported from the exported file under its profile.
        position: the operator's, in both.
        inputs: int8 tensors, the same for both.
    """
    ours_op, theirs_op = design.operators[position], runtime.operators[position]
    ours, theirs = (
        kernel(op, network)(inputs).numpy().astype(np.int64)
        for op, network in ((ours_op, design), (theirs_op, runtime))
    )
    different = ours != theirs
    ties = doubled = scale_errors = 0
    if different.any() and hasattr(ours_op, "rescaler"):
        explained = different & _only_rescaling_differs(ours_op, theirs_op, design, inputs, theirs)
        exact = _exact(ours_op, design, inputs, explained)
        tie = _ties(exact)
        if _form(ours_op) == _form(theirs_op):
            by_rule = _doubled(ours_op, theirs_op, design, inputs, ours)[explained]
        else:  # they round once where we round several times
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
    ours_op: Operator, theirs_op: Operator, design: QuantizedNetwork, inputs: list[Tensor], theirs: IntArray
) -> BoolArray:
    """Where our operator with their rescalers is theirs; a sum of another form has to be near the real result."""
    if _form(ours_op) != _form(theirs_op):
        return np.asarray(np.abs(theirs - _real_result(ours_op, design, inputs)) <= _NEAR)
    swapped = replace(ours_op, **_rescalers(theirs_op))
    result: BoolArray = kernel(swapped, design)(inputs).numpy() == theirs
    return result


def _rescalers(operator: Operator) -> dict[str, Any]:
    names = ("rescaler", "input_rescalers")
    return {name: getattr(operator, name) for name in names if hasattr(operator, name)}


def _real_result(operator: Operator, network: QuantizedNetwork, inputs: list[Tensor]) -> npt.NDArray[np.float64]:
    """What a sum or mean computes in real numbers, in steps of the output, clamped."""
    specs, target = [network.tensors[index] for index in operator.inputs], network.tensors[operator.output]
    real = [(x.numpy().astype(np.float64) - s.zero_point) * s.scale for x, s in zip(inputs, specs, strict=True)]
    if isinstance(operator, ElementwiseSum):
        total = real[0] + (real[1] if operator.kind is ElementwiseKind.ADD else -real[1])
        result: npt.NDArray[np.float64] = np.clip(
            total / target.scale + target.zero_point, operator.q_min, operator.q_max
        )
        return result
    assert isinstance(operator, Mean)  # noqa: S101 -- the only other operator with two forms
    mean = real[0].mean(axis=tuple(axis + 1 for axis in operator.axes)).reshape(-1, *target.shape)
    clipped: npt.NDArray[np.float64] = np.clip(mean / target.scale + target.zero_point, target.q_min, target.q_max)
    return clipped


def _doubled(
    ours_op: Operator, theirs_op: Operator, design: QuantizedNetwork, inputs: list[Tensor], ours: IntArray
) -> BoolArray:
    """Where their rule with our multipliers already gives another integer; the forms are the same."""
    result: BoolArray = kernel(_under(ours_op, theirs_op), design)(inputs).numpy() != ours
    return result


def _form(operator: Operator) -> object:
    if isinstance(operator, ElementwiseSum):
        return operator.left_shift
    return isinstance(operator, Mean) and operator.float_offset is not None


def _with_contract(rescaler: Rescaler, contract: Contract) -> Rescaler:
    """The same multiplier and shift under another rule."""
    return replace(rescaler, contract=contract)


def _under(ours: Operator, theirs: Operator) -> Operator:
    """Our operator, with our multipliers, under the rules of theirs."""
    own, other = _rescalers(ours), _rescalers(theirs)
    changed: dict[str, Any] = {"rescaler": _with_contract(own["rescaler"], other["rescaler"].contract)}
    if "input_rescalers" in own:
        pairs = zip(own["input_rescalers"], other["input_rescalers"], strict=True)
        changed["input_rescalers"] = tuple(_with_contract(a, b.contract) for a, b in pairs)
    return replace(ours, **changed)


def _exact(
    operator: Operator, network: QuantizedNetwork, inputs: list[Tensor], where: BoolArray
) -> list[tuple[int, int]]:
    """Chosen outputs before any rounding, as ``numerator * 2**-shift`` in Python's integers."""
    if isinstance(operator, ElementwiseSum):
        return _exact_sums(operator, network, inputs, where)
    rescaler: Rescaler = _rescalers(operator)["rescaler"]
    acc = accumulators(operator, network, inputs)
    constants = (np.broadcast_to(values, acc.shape)[where] for values in (rescaler.multiplier, rescaler.right_shift))
    return [(int(a) * int(m), int(r)) for a, m, r in zip(acc[where], *constants, strict=True)]


def _exact_sums(
    operator: ElementwiseSum, network: QuantizedNetwork, inputs: list[Tensor], where: BoolArray
) -> list[tuple[int, int]]:
    signs = (1, 1 if operator.kind is ElementwiseKind.ADD else -1)
    final = operator.rescaler
    shifts = [int(r.right_shift[0]) + int(final.right_shift[0]) - operator.left_shift for r in operator.input_rescalers]
    common = max(*shifts, 1)
    factors = [
        sign * int(rescaler.multiplier[0]) * int(final.multiplier[0]) << (common - shift)
        for sign, rescaler, shift in zip(signs, operator.input_rescalers, shifts, strict=True)
    ]
    zeros = [network.tensors[index].zero_point for index in operator.inputs]
    left, right = (
        np.broadcast_to(x.numpy(), where.shape)[where].astype(np.int64) - z for x, z in zip(inputs, zeros, strict=True)
    )
    return [(int(a) * factors[0] + int(b) * factors[1], common) for a, b in zip(left, right, strict=True)]


def _ties(exact: list[tuple[int, int]]) -> BoolArray:
    """Whether each value lies half-way between two integers."""
    return np.array([r >= 1 and n % (1 << r) == 1 << (r - 1) for n, r in exact], dtype=bool)


def _rounded_once(operator: Operator, target: TensorSpec, exact: list[tuple[int, int]]) -> IntArray:
    """Outputs if the exact values were rounded once, half up."""
    low, high = getattr(operator, "q_min", target.q_min), getattr(operator, "q_max", target.q_max)
    rounded = [(2 * n + (1 << r)) >> (r + 1) if r >= 0 else n << -r for n, r in exact]
    return np.array([min(max(q + target.zero_point, low), high) for q in rounded], dtype=np.int64)


def accumulators(operator: Operator, network: QuantizedNetwork, inputs: list[Tensor]) -> IntArray:
    """What an operator's only rescaler is given, int64, shape of the output.

    Raises:
        TypeError: the operator has no accumulator.
    """
    source = network.tensors[operator.inputs[0]]
    target = network.tensors[operator.output]
    if isinstance(operator, Weighted):
        return _weighted(operator, source, inputs[0]).reshape(-1, *target.shape)
    centred = [
        x.numpy().astype(np.int64) - network.tensors[i].zero_point for x, i in zip(inputs, operator.inputs, strict=True)
    ]
    if isinstance(operator, ElementwiseProduct):
        return centred[0] * centred[1]
    if isinstance(operator, Requantize):
        return centred[0]
    if isinstance(operator, Mean):
        total: IntArray = centred[0].sum(axis=tuple(axis + 1 for axis in operator.axes))
        return total.reshape(-1, *target.shape)
    raise TypeError(f"{type(operator).__name__} has no accumulator")


def _weighted(operator: Weighted, source: TensorSpec, x: Tensor) -> IntArray:
    dtype = exact_dtype(absolute_bound(operator, source))
    weights, bias = arranged_weights(operator, dtype), torch.tensor(operator.bias, dtype=dtype)
    with torch.inference_mode():
        acc: IntArray = accumulate(operator, x.to(dtype) - source.zero_point, weights, bias).to(torch.int64).numpy()
    return acc
