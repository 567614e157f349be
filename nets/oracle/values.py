"""The values of chosen outputs of an operator before they are rounded, and what rescalers make of them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nets.execute import accumulator, kernel
from nets.network import (
    ElementwiseProduct,
    ElementwiseSum,
    FloatArray,
    IntArray,
    Mean,
    QuantizedNetwork,
    Requantize,
    RescaledOperator,
    Sum,
    TensorSpec,
    rescaling,
)

BoolArray = npt.NDArray[np.bool_]
_CODE_BITS, _HALF_CODE = 16, 2**15  # of an integer of a pair, up to int16
Exact = list[tuple[int, int]]  # ``numerator * 2**-shift``, in Python's integers


class OutputValues(ABC):
    """Chosen outputs of one operator, ``[outputs]``."""

    @abstractmethod
    def outputs(self, operator: RescaledOperator) -> IntArray:
        """Returns what the operator gives there with other rescalers."""

    @property
    @abstractmethod
    def ties(self) -> BoolArray:
        """Whether the exact values lie half-way between two integers."""


class TwoFormValues(OutputValues):
    """Outputs of an operator that some runtimes compute in another form, which rounds once."""

    @property
    @abstractmethod
    def real(self) -> FloatArray:
        """The results in real numbers, in steps of the output, clamped."""

    @property
    @abstractmethod
    def rounded_once(self) -> IntArray:
        """The outputs that rounding the exact values once, half up, would give."""


def values_at(
    operator: RescaledOperator, network: QuantizedNetwork, inputs: list[Tensor], at: IntArray
) -> OutputValues:
    """Returns the values of chosen outputs.

    Args:
        operator: the operator.
        network: its network.
        inputs: int8 tensors ``[batch, *shape]``.
        at: places of the outputs in the flattened ``[batch, *shape]``.
    """
    if isinstance(operator, ElementwiseSum):
        return _Sums.of(operator, network, inputs, at)
    accumulators = accumulator(operator, network)(inputs).numpy()
    channel = at % accumulators.shape[-1]
    taken = accumulators.reshape(-1)[at]
    if isinstance(operator, ElementwiseProduct | Requantize):
        return _Single(operator, network, taken, channel)
    if isinstance(operator, Sum):
        return _Totals(operator, network, taken, channel, inputs, at)
    return _Accumulated(operator, network, taken, channel)


@dataclass(frozen=True, eq=False)
class _Accumulated(OutputValues):
    """What one rescaler receives: accumulators, int64 ``[outputs]``, and their channels."""

    operator: RescaledOperator
    network: QuantizedNetwork
    accumulators: IntArray
    channel: IntArray

    def outputs(self, operator: RescaledOperator) -> IntArray:
        rescaler, zero = operator.rescaler, self.network.tensors[operator.output].zero_point
        of_outputs = replace(
            rescaler, multiplier=self._of_each(rescaler.multiplier), right_shift=self._of_each(rescaler.right_shift)
        )
        scaled = rescaling(of_outputs)(torch.from_numpy(self.accumulators)).numpy()
        clamped: IntArray = np.clip(scaled + zero, operator.q_min, operator.q_max)
        return clamped

    @property
    def ties(self) -> BoolArray:
        """Whether products are odd multiples of ``2**(r - 1)``, where ``r`` is the right shift.

        A product has as many factors of two as both of its factors together, so that it need not be computed.
        """
        rescaler = self.operator.rescaler
        multiplier, right_shift = self._of_each(rescaler.multiplier), self._of_each(rescaler.right_shift)
        twos = _factors_of_two(self.accumulators) + _factors_of_two(multiplier)
        odd = (self.accumulators != 0) & (multiplier != 0)
        return np.asarray(odd & (right_shift >= 1) & (twos == right_shift - 1))

    def _rounded_once(self) -> IntArray:
        rescaler = self.operator.rescaler
        constants = (self._of_each(each).tolist() for each in (rescaler.multiplier, rescaler.right_shift))
        exact = [(a * m, r) for a, m, r in zip(self.accumulators.tolist(), *constants, strict=True)]
        return _rounded(exact, self.operator, self.network)

    def _of_each(self, constants: IntArray) -> IntArray:
        """Returns the constant of every output, of ``[channels]`` or ``[1]``."""
        return constants[self.channel] if constants.size > 1 else np.full(len(self.channel), constants[0])


def _factors_of_two(values: IntArray) -> IntArray:
    """Returns how often 2 divides each integer; of 0 any number."""
    lowest = values & -values
    return np.frexp(lowest.astype(np.float64))[1].astype(np.int64) - 1


@dataclass(frozen=True, eq=False)
class _Single(_Accumulated, TwoFormValues):
    """Products and changes of quantization: one rescaler for all, or a table of a runtime that computes in float32."""

    @property
    def real(self) -> FloatArray:
        operator, target = self.operator, self.network.tensors[self.operator.output]
        unit = np.prod([self.network.tensors[index].scale for index in operator.inputs])
        steps = self.accumulators * (unit / target.scale) + target.zero_point
        clipped: FloatArray = np.clip(steps, operator.q_min, operator.q_max)
        return clipped

    @property
    def rounded_once(self) -> IntArray:
        return self._rounded_once()


@dataclass(frozen=True, eq=False)
class _Totals(_Accumulated, TwoFormValues):
    """Sums and means over axes: one of their forms adds in floating point and rounds otherwise than a rescaler."""

    inputs: list[Tensor]
    at: IntArray

    def outputs(self, operator: RescaledOperator) -> IntArray:
        taken: IntArray = kernel(operator, self.network)(self.inputs).numpy().reshape(-1)[self.at].astype(np.int64)
        return taken

    @property
    def real(self) -> FloatArray:
        operator = self.operator
        assert isinstance(operator, Sum)  # noqa: S101 -- values_at makes them of these only
        source, target = self.network.tensors[operator.inputs[0]], self.network.tensors[operator.output]
        values = (self.inputs[0].numpy().astype(np.float64) - source.zero_point) * source.scale
        totals = values.sum(axis=tuple(axis + 1 for axis in operator.axes)).reshape(-1)[self.at]
        reals = totals / operator.count if isinstance(operator, Mean) else totals
        clipped: FloatArray = np.clip(reals / target.scale + target.zero_point, operator.q_min, operator.q_max)
        return clipped

    @property
    def rounded_once(self) -> IntArray:
        return self._rounded_once()


@dataclass(frozen=True, eq=False)
class _Sums(TwoFormValues):
    """Elementwise sums: an output depends on two integers alone, so that each pair of them is computed once.

    Attributes:
        left, right: int8 or int16 ``[pairs]``.
        of_output: the pair of every output, ``[outputs]``.
    """

    operator: ElementwiseSum
    network: QuantizedNetwork
    left: Tensor
    right: Tensor
    of_output: IntArray

    @classmethod
    def of(cls, operator: ElementwiseSum, network: QuantizedNetwork, inputs: list[Tensor], at: IntArray) -> "_Sums":
        """Returns the sums at some places of the flattened output."""
        shape = np.broadcast_shapes(*(each.shape for each in inputs))
        left, right = (each.broadcast_to(shape).reshape(-1)[torch.from_numpy(at)].numpy() for each in inputs)
        codes = (left.astype(np.int64) << _CODE_BITS) + (right.astype(np.int64) + _HALF_CODE)
        pairs, of_output = np.unique(codes, return_inverse=True)
        first = torch.from_numpy((pairs >> _CODE_BITS).astype(left.dtype))
        second = torch.from_numpy(((pairs & (2 * _HALF_CODE - 1)) - _HALF_CODE).astype(right.dtype))
        return cls(operator, network, first, second, of_output)

    def outputs(self, operator: RescaledOperator) -> IntArray:
        made: IntArray = kernel(operator, self.network)([self.left, self.right]).numpy().astype(np.int64)
        return made[self.of_output]

    @property
    def ties(self) -> BoolArray:
        half = [r >= 1 and n % (1 << r) == 1 << (r - 1) for n, r in self._exact]
        return np.array(half, dtype=bool)[self.of_output]

    @property
    def real(self) -> FloatArray:
        operator, target = self.operator, self.network.tensors[self.operator.output]
        first, second = (
            (each.numpy().astype(np.float64) - spec.zero_point) * spec.scale for each, spec in self._with_specs()
        )
        steps = (first + operator.sign * second) / target.scale + target.zero_point
        clipped: FloatArray = np.clip(steps, operator.q_min, operator.q_max)
        return clipped[self.of_output]

    @property
    def rounded_once(self) -> IntArray:
        return _rounded(self._exact, self.operator, self.network)[self.of_output]

    @cached_property
    def _exact(self) -> Exact:
        """The results of all pairs before any rounding."""
        operator, final = self.operator, self.operator.rescaler
        shifts = [
            int(r.right_shift[0]) + int(final.right_shift[0]) - operator.left_shift for r in operator.input_rescalers
        ]
        common = max(*shifts, 1)
        factors = [
            sign * int(rescaler.multiplier[0]) * int(final.multiplier[0]) << (common - shift)
            for sign, rescaler, shift in zip((1, operator.sign), operator.input_rescalers, shifts, strict=True)
        ]
        first, second = (
            (each.numpy().astype(np.int64) - spec.zero_point).tolist() for each, spec in self._with_specs()
        )
        return [(a * factors[0] + b * factors[1], common) for a, b in zip(first, second, strict=True)]

    def _with_specs(self) -> list[tuple[Tensor, TensorSpec]]:
        specs = [self.network.tensors[index] for index in self.operator.inputs]
        return list(zip((self.left, self.right), specs, strict=True))


def _rounded(exact: Exact, operator: RescaledOperator, network: QuantizedNetwork) -> IntArray:
    zero = network.tensors[operator.output].zero_point
    rounded = [(2 * n + (1 << r)) >> (r + 1) if r >= 0 else n << -r for n, r in exact]
    clamped = [min(max(q + zero, operator.q_min), operator.q_max) for q in rounded]
    return np.array(clamped, dtype=np.int64)
