"""The reasons why an operator's integers differ between a design and a runtime, on identical inputs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from torch import Tensor

from nets.execute import kernel
from nets.network import (
    ActivationArray,
    AveragePool,
    ElementwiseSum,
    IntArray,
    Interpolation,
    LstmRecurrence,
    Operator,
    PairLookup,
    QuantizedNetwork,
    RescaledOperator,
    Softmax,
    Sum,
    Tabulated,
)
from nets.oracle.values import BoolArray, OutputValues, TwoFormValues, values_at

Rescaled = TypeVar("Rescaled", bound=RescaledOperator)

_NEAR = 0.51  # LSB: half a step, and what XNNPACK's 21-bit multipliers add to it


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

    @classmethod
    def of_all(cls, parts: Iterable["OperatorResidual"]) -> "OperatorResidual":
        """Returns the residual of one operator on several parts of the samples together; there is at least one."""
        first, *others = parts
        for part in others:
            sums = {name: getattr(first, name) + getattr(part, name) for name in _COUNTS}
            first = replace(first, largest=max(first.largest, part.largest), **sums)
        return first


_COUNTS = ("elements", "differences", "ties", "double_roundings", "scale_errors", "unexplained")


def explain(
    design: QuantizedNetwork,
    runtime: QuantizedNetwork,
    position: int,
    inputs: list[Tensor],
    outputs: tuple[ActivationArray, ActivationArray],
) -> OperatorResidual:
    """Compares an operator of a design with the same operator of a runtime's network.

    Args:
        design: the network as designed.
        runtime: the network as the runtime computes it: imported from the exported file under its profile.
        position: the operator's position in both networks.
        inputs: int8 tensors ``[batch, *shape]``, the same for both.
        outputs: what the operator of the design and that of the runtime make of them.
    """
    ours_op, theirs_op = design.operators[position], runtime.operators[position]
    ours, theirs = (each.reshape(-1) for each in outputs)
    at = np.flatnonzero(ours != theirs)
    differ = ours[at].astype(np.int64), theirs[at].astype(np.int64)
    sizes = np.abs(differ[0] - differ[1])
    ties = doubled = scale_errors = 0
    if isinstance(ours_op, Tabulated | Interpolation | Softmax | AveragePool):  # rounded in the runtime's own form
        doubled = int((sizes <= 1).sum())
    if isinstance(ours_op, LstmRecurrence) and isinstance(theirs_op, LstmRecurrence):
        doubled, scale_errors = _of_steps(ours_op, theirs_op, design, inputs, outputs)
    if at.size and isinstance(ours_op, RescaledOperator):
        values = values_at(ours_op, design, inputs, at)
        if isinstance(theirs_op, RescaledOperator):
            ties, doubled, scale_errors = _counted(ours_op, theirs_op, values, differ)
        elif isinstance(theirs_op, Tabulated | PairLookup):
            ties, doubled, scale_errors = _counted_of_real(values, differ)
    return OperatorResidual(
        operator=ours_op.name,
        elements=ours.size,
        differences=at.size,
        ties=ties,
        double_roundings=doubled,
        scale_errors=scale_errors,
        unexplained=at.size - ties - doubled - scale_errors,
        largest=int(sizes.max(initial=0)),
    )


def _of_steps(
    ours_op: LstmRecurrence,
    theirs_op: LstmRecurrence,
    design: QuantizedNetwork,
    inputs: list[Tensor],
    outputs: tuple[ActivationArray, ActivationArray],
) -> tuple[int, int]:
    """Counts the outputs of a recurrence that differ by rounding rules, and by multipliers alone.

    A difference in one step changes the next ones: an output counts if the runtime's rescalers give its integers.
    """
    ours, theirs = outputs
    different = ours != theirs
    pairs = list(zip(ours_op.parts, theirs_op.parts, strict=True))
    rescaled = ours_op.with_parts([own.with_rescalers(other.rescalers) for own, other in pairs])
    explained = different & (kernel(rescaled, design)(inputs).numpy() == theirs)
    under = ours_op.with_parts([_under(own, other) for own, other in pairs])
    by_rule = explained & (kernel(under, design)(inputs).numpy() != ours)
    return int(by_rule.sum()), int((explained & ~by_rule).sum())


def _counted(
    ours_op: RescaledOperator, theirs_op: RescaledOperator, values: OutputValues, differ: tuple[IntArray, IntArray]
) -> tuple[int, int, int]:
    """Returns the numbers of ties, double roundings and scale errors among the outputs that differ."""
    ours, theirs = differ
    if _form(ours_op) == _form(theirs_op):
        explained = values.outputs(ours_op.with_rescalers(theirs_op.rescalers)) == theirs
        by_rule = values.outputs(_under(ours_op, theirs_op)) != ours
    else:  # the runtime rounds once, the design several times
        return _counted_of_real(values, differ)
    return _shared_out(values.ties, explained, by_rule)


def _counted_of_real(values: OutputValues, differ: tuple[IntArray, IntArray]) -> tuple[int, int, int]:
    """Counts as :func:`_counted` does, of a runtime that rounds real results once in a form of its own."""
    ours, theirs = differ
    assert isinstance(values, TwoFormValues)  # noqa: S101 -- no other operator has two forms
    return _shared_out(values.ties, np.abs(theirs - values.real) <= _NEAR, values.rounded_once != ours)


def _shared_out(ties: BoolArray, explained: BoolArray, by_rule: BoolArray) -> tuple[int, int, int]:
    tie = ties & explained
    by_rule = by_rule & explained & ~tie
    return int(tie.sum()), int(by_rule.sum()), int((explained & ~tie & ~by_rule).sum())


def _form(operator: Operator) -> object:
    if isinstance(operator, ElementwiseSum):
        return operator.left_shift
    return isinstance(operator, Sum) and operator.float_offset is not None


def _under(ours: Rescaled, theirs: RescaledOperator) -> Rescaled:
    """Returns the first operator, with its own multipliers, under the rules of the second."""
    pairs = zip(ours.rescalers, theirs.rescalers, strict=True)
    return ours.with_rescalers([replace(own, contract=other.contract) for own, other in pairs])
