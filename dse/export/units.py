"""The rescalers of a design as hardware: module, parameters, constants and the words of the parameter memory."""

import itertools
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dse.errors import StudyError
from dse.evaluate import lower
from hwmodels.architectures import DEFAULT_CHOICE, Architecture, architecture_for, offered
from hwmodels.workload import RescalerWorkload
from nets.network import (
    ElementwiseKind,
    ElementwiseSum,
    IntArray,
    Method,
    NarrowableOperator,
    QuantizedNetwork,
    Rescaler,
    Weighted,
)


@dataclass(frozen=True, eq=False)
class StageValues:
    """Constants of one multiply-and-shift stage in every channel.

    Attributes:
        multiplier_bits: width ``k`` of the multiplier, in bits.
        shift_min: smallest right shift in bits, which is wiring.
        shift_bits: width in bits of the stored, variable part.
        multiplier: int64 ``[channels]``, ``2**(k-1) <= m < 2**k``.
        shift: int64 ``[channels]``, right shift minus ``shift_min``.
    """

    multiplier_bits: int
    shift_min: int
    shift_bits: int
    multiplier: IntArray
    shift: IntArray

    @property
    def right_shift(self) -> IntArray:
        """The whole right shift, ``[channels]``."""
        return self.shift + self.shift_min


@dataclass(frozen=True, eq=False)
class Unit:
    """One rescaler as it is instantiated.

    Attributes:
        name: name of the operator in the network.
        identifier: the same as a Verilog and C identifier, unique in the design.
        method: ``round`` or ``absorb``.
        module: module of the shipped RTL, with its ``files`` and ``parameters``.
        stages: stages in data order; the last one's operand is the accumulator.
        bias: int64 ``[channels]``, or None if nothing is accumulated.
        bias_bits: width in bits of a stored bias.
        operand_bits: width in bits of the accumulator, or of each input of a two-stage ADD.
        output_bits: width in bits of the output.
        zero_point: zero point of the output, which is clamped to ``q_min`` .. ``q_max``.
        input_zero_points: zero points of a two-stage ADD's inputs, scaled input first; empty otherwise.
    """

    name: str
    identifier: str
    method: str
    module: str
    files: tuple[Path, ...]
    parameters: Mapping[str, int]
    stages: tuple[StageValues, ...]
    bias: IntArray | None
    bias_bits: int
    channels: int
    operand_bits: int
    output_bits: int
    zero_point: int
    q_min: int
    q_max: int
    input_zero_points: tuple[int, ...]

    @property
    def is_add(self) -> bool:
        """Whether it takes two inputs instead of an accumulator."""
        return len(self.stages) == 2

    @property
    def channel_bits(self) -> int:
        """Width in bits of a channel's number."""
        return max(1, (self.channels - 1).bit_length())

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        """Fields of a memory word with their widths in bits, most significant first.

        The multiplier's leading one is implied; fields without bits are left out. Empty if constants are wired.
        """
        if self.bias is None:
            return ()
        last = self.stages[-1]
        widths = (("bias", self.bias_bits), ("mult", last.multiplier_bits - 1), ("shift", last.shift_bits))
        return tuple((name, width) for name, width in widths if width)

    @property
    def word_bits(self) -> int:
        """Width in bits of a memory word."""
        return sum(width for _, width in self.fields)

    @property
    def vector_fields(self) -> tuple[tuple[str, int], ...]:
        """Fields of a test vector with their widths in bits, most significant first."""
        expected = ("expected", self.output_bits)
        if self.is_add:
            return (("scaled_input", self.operand_bits), ("halved_input", self.operand_bits), expected)
        bias = (("expected_bias", self.bias_bits),) if self.fields else ()
        return (("channel", self.channel_bits), *bias, ("acc", self.operand_bits), expected)

    @property
    def vector_bits(self) -> int:
        """Width in bits of a test vector."""
        return sum(width for _, width in self.vector_fields)


def units_of(network: QuantizedNetwork, methods: Mapping[str, str]) -> tuple[Unit, ...]:
    """Returns every rescaler whose width is a design variable, sized by the network's certificate.

    Args:
        network: the design, as it ships.
        methods: how each rescaler's width was reached, by operator name.

    Raises:
        StudyError: the shipped RTL has no module for one of them.
    """
    workloads = {workload.name: workload for workload in lower(network)}
    units: dict[str, Unit] = {}
    for operator in network.narrowable_operators():
        identifier = _identifier(operator.name, units)
        method = methods.get(operator.name, Method.ROUND.value)
        units[identifier] = _unit(operator, network, workloads[operator.name], identifier, method)
    return tuple(units.values())


def _identifier(name: str, taken: Container[str]) -> str:
    """Returns a C and Verilog identifier that no other unit has."""
    base = re.sub(r"\W", "_", name, flags=re.ASCII)
    base = base if base[:1].isalpha() else f"r{base}"
    numbered = (f"{base}_{number}" for number in itertools.count(2))
    return next(identifier for identifier in itertools.chain([base], numbered) if identifier not in taken)


def _unit(
    operator: NarrowableOperator, network: QuantizedNetwork, workload: RescalerWorkload, identifier: str, method: str
) -> Unit:
    target = network.tensors[operator.output]
    architecture = _architecture(operator, workload)
    # Ports carry stored integers, which may be wider than the differences that a two-stage ADD computes.
    stored_bits = max(network.tensors[index].bits for index in operator.inputs)
    parameters = architecture.exported_parameters(workload, stored_bits)
    bias = operator.bias if isinstance(operator, Weighted) else None
    sources = [network.tensors[index].zero_point for index in operator.inputs]
    scaled = scaled_input(operator)
    return Unit(
        name=operator.name,
        identifier=identifier,
        method=method,
        module=architecture.top,
        files=architecture.files,
        parameters=parameters,
        stages=_stages(operator, workload),
        bias=bias,
        bias_bits=0 if bias is None else max(workload.stages[-1].operand_bits, _signed_bits(bias)),
        channels=workload.channels,
        operand_bits=parameters[architecture.operand_parameter],
        output_bits=target.bits,
        zero_point=target.zero_point,
        q_min=operator.q_min,
        q_max=operator.q_max,
        input_zero_points=() if scaled is None else (sources[scaled], sources[1 - scaled]),
    )


def scaled_input(operator: NarrowableOperator) -> int | None:
    """Returns which input of an ADD needs a multiplier; None if both are halved, or there is only one."""
    if not isinstance(operator, ElementwiseSum):
        return None
    scaled = [i for i, rescaler in enumerate(operator.input_rescalers) if float(rescaler.scale[0]) != 0.5]
    return scaled[0] if scaled else None


def _architecture(operator: NarrowableOperator, workload: RescalerWorkload) -> Architecture:
    exported = [each.contract for each in offered(DEFAULT_CHOICE, 1) if each.exported]
    if workload.contract not in exported:
        raise StudyError(f"contract {workload.contract!r} has no RTL to export; use one of {', '.join(exported)}")
    architecture = architecture_for(workload)
    if not architecture.exported or architecture.contract != workload.contract:
        raise StudyError(
            f"operator {operator.name!r}: an ADD under contract {workload.contract!r} has no RTL to export"
        )
    if architecture.stages == 2 and isinstance(operator, ElementwiseSum) and operator.kind is ElementwiseKind.SUB:
        raise StudyError(f"operator {operator.name!r}: a SUB has no RTL to export yet")
    return architecture


def _stages(operator: NarrowableOperator, workload: RescalerWorkload) -> tuple[StageValues, ...]:
    rescalers: list[tuple[Rescaler, int]] = [(operator.rescaler, 0)]
    scaled = scaled_input(operator)
    if isinstance(operator, ElementwiseSum) and scaled is not None:
        rescalers.insert(0, (operator.input_rescalers[scaled], operator.left_shift))
    return tuple(_stage(rescaler, wired, workload, position) for position, (rescaler, wired) in enumerate(rescalers))


def _stage(rescaler: Rescaler, wired_left_shift: int, workload: RescalerWorkload, position: int) -> StageValues:
    """Returns the stored values of one stage; a shift that empties the result is stored as the first one that does."""
    stage = workload.stages[position]
    k = stage.multiplier_bits
    emptying = stage.operand_bits + k
    flushed = rescaler.multiplier == 0
    shift = np.where(flushed, emptying, np.minimum(rescaler.right_shift - wired_left_shift, emptying))
    multiplier = np.where(flushed, 2 ** (k - 1), rescaler.multiplier)
    channels = workload.channels
    return StageValues(
        multiplier_bits=k,
        shift_min=stage.right_shift_min,
        shift_bits=stage.shift_bits,
        multiplier=np.broadcast_to(multiplier, channels).astype(np.int64),
        shift=np.broadcast_to(shift - stage.right_shift_min, channels).astype(np.int64),
    )


def _signed_bits(values: IntArray) -> int:
    low, high = int(values.min()), int(values.max())
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1
