"""The rescalers of a design as hardware: module, parameters, constants and the words of the parameter memory."""

import itertools
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dse.errors import StudyError
from dse.evaluate import lowered, single_cycle
from hwmodels.architectures import DEFAULT_CHOICE, Architecture, Choice, architecture_for, offered
from hwmodels.workload import RescalerWorkload
from nets.narrow import RescalerConstants, StageConstants, rescaler_constants
from nets.network import IntArray, Method, NarrowableOperator, QuantizedNetwork, Weighted


@dataclass(frozen=True, eq=False)
class Unit:
    """One rescaler as it is instantiated: the architecture that was costed, with the parameters that were costed.

    A shared bank is one, too: its channels are those of all of its layers, one layer after the other.

    Attributes:
        identifier: name of the operator as a Verilog and C identifier, unique in the design.
        method: how its width was reached.
        workload: what was costed.
        architecture: the architecture that serves the workload.
        constants: the integers of its stages, and what is added to its accumulator.
        bias: int64 ``[channels]``, where the accumulator starts (rounding constant and zero point included if the
            rescaler is folded), or None if nothing is accumulated.
        stored_bits: width in bits of the stored integers of the operator's inputs.
        zero_point: zero point of the output, which is clamped to ``q_min`` .. ``q_max``.
        layers: of a shared bank, the layers that it serves, with their own constants; empty otherwise.
        lanes: rescalers side by side.
    """

    identifier: str
    method: str
    workload: RescalerWorkload
    architecture: Architecture
    constants: RescalerConstants
    bias: IntArray | None
    stored_bits: int
    zero_point: int
    q_min: int
    q_max: int
    layers: tuple["Unit", ...] = ()
    lanes: int = 1

    @property
    def name(self) -> str:
        """Name of the operator in the network."""
        return self.workload.name

    @property
    def module(self) -> str:
        """Module of the shipped RTL."""
        return self.architecture.top

    @property
    def files(self) -> tuple[Path, ...]:
        """Paths of the module's Verilog."""
        return self.architecture.files

    @property
    def parameters(self) -> dict[str, int]:
        """Parameters of the module."""
        return self.architecture.parameters(self.workload)

    @property
    def stages(self) -> tuple[StageConstants, ...]:
        """Stages in data order; the last one's operand is the accumulator."""
        return self.constants.stages

    @property
    def folded(self) -> bool:
        """Whether rounding constant and zero point are part of the bias, or of an ADD's constant."""
        return self.constants.folded

    @property
    def is_add(self) -> bool:
        """Whether it takes two inputs instead of an accumulator."""
        return bool(self.constants.inputs)

    @property
    def left_shifts(self) -> tuple[int, int]:
        """Wired left shifts of a folded ADD's inputs, in bits; the second input is halved exactly."""
        return -self.stages[0].right_shift_min, self.workload.left_shift - 1

    @property
    def channels(self) -> int:
        """Number of sets of constants: of an operator with weights, of channels whose output varies."""
        return self.workload.channels

    @property
    def operand_bits(self) -> int:
        """Width in bits of the accumulator, or of each stored input of an ADD."""
        return self.stored_bits if self.is_add else self.accumulator_bits

    @property
    def accumulator_bits(self) -> int:
        """Width in bits of the accumulator, or of the sum of an ADD."""
        return self.stages[-1].operand_bits

    @property
    def output_bits(self) -> int:
        """Width in bits of the output."""
        return self.workload.output_bits

    @property
    def channel_bits(self) -> int:
        """Width in bits of a channel's number in its layer."""
        return max(layer.channel_bits for layer in self.layers) if self.layers else self.address_bits

    @property
    def address_bits(self) -> int:
        """Width in bits of the number of a memory word."""
        return max(1, (self.channels - 1).bit_length())

    @property
    def layer_bits(self) -> int:
        """Width in bits of a bank's number of a layer; 0 if it is no bank."""
        return max(1, (len(self.layers) - 1).bit_length()) if self.layers else 0

    @property
    def first_words(self) -> tuple[int, ...]:
        """Number of the first memory word of each layer of a bank."""
        return tuple(itertools.accumulate((layer.channels for layer in self.layers[:-1]), initial=0))

    @property
    def interval(self) -> int:
        """Clock cycles between two operands."""
        return self.architecture.interval(self.workload.multiplier_bits)

    @property
    def latency(self) -> int:
        """Clock cycles from an operand to its result."""
        return self.architecture.latency(self.workload.multiplier_bits) + self.workload.pipeline.depth

    @property
    def serial(self) -> bool:
        """Whether it takes several cycles, in which it accepts no operand."""
        return self.interval > 1

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        """Fields of a memory word with their widths in bits, most significant first.

        The multiplier's leading one is implied; fields without bits are left out. Empty if constants are wired.
        """
        if self.bias is None:
            return ()
        last = self.workload.stages[-1]
        multiplier_bits = last.stored_bits - last.shift_bits
        widths = (("bias", self.accumulator_bits), ("mult", multiplier_bits), ("shift", last.shift_bits))
        return tuple((name, width) for name, width in widths if width)

    @property
    def word_bits(self) -> int:
        """Width in bits of a memory word."""
        return sum(width for _, width in self.fields)

    @property
    def parameter_fields(self) -> tuple[tuple[str, int], ...]:
        """Fields without the bias, which any accumulator needs: what the rescaler itself reads."""
        return tuple((name, width) for name, width in self.fields if name != "bias")

    @property
    def parameter_word_bits(self) -> int:
        """Width in bits of a memory word without the bias."""
        return sum(width for _, width in self.parameter_fields)

    @property
    def vector_fields(self) -> tuple[tuple[str, int], ...]:
        """Fields of a test vector with their widths in bits, most significant first."""
        layer = (("layer", self.layer_bits),) if self.layers else ()
        return (*layer, *((name, bits * self.lanes) for name, bits in self.operand_fields))

    @property
    def operand_fields(self) -> tuple[tuple[str, int], ...]:
        """Fields of one lane's operand and result in a test vector."""
        expected = ("expected", self.output_bits)
        if self.is_add:
            return (("scaled_input", self.operand_bits), ("halved_input", self.operand_bits), expected)
        bias = (("expected_bias", self.accumulator_bits),) if self.fields else ()
        return (("channel", self.channel_bits), *bias, ("acc", self.operand_bits), expected)

    @property
    def vector_bits(self) -> int:
        """Width in bits of a test vector."""
        return sum(width for _, width in self.vector_fields)


def units_of(
    network: QuantizedNetwork,
    methods: Mapping[str, str],
    choice: Choice = DEFAULT_CHOICE,
    pipelined: Callable[[RescalerWorkload], RescalerWorkload] = single_cycle,
) -> tuple[Unit, ...]:
    """Returns every rescaler whose width is a design variable, sized by the network's certificate.

    Args:
        network: the design, as it ships.
        methods: how each rescaler's width was reached, by operator name.
        choice: how a rescaler is built, as a study file names it.
        pipelined: gives a workload the pipeline that was costed.

    Raises:
        StudyError: the shipped RTL has no module for one of them.
    """
    constants = rescaler_constants(network)
    units: dict[str, Unit] = {}
    for operator in network.narrowable_operators():
        identifier = _identifier(operator.name, units)
        method = methods.get(operator.name, Method.ROUND.value)
        own = constants[operator.name]
        workload = pipelined(lowered(operator, network, own))
        units[identifier] = unit_of(operator, network, own, workload, identifier, method, choice)
    return tuple(units.values())


def _identifier(name: str, taken: Container[str]) -> str:
    """Returns a C and Verilog identifier that no other unit has."""
    base = re.sub(r"\W", "_", name, flags=re.ASCII)
    base = base if base[:1].isalpha() else f"r{base}"
    numbered = (f"{base}_{number}" for number in itertools.count(2))
    return next(identifier for identifier in itertools.chain([base], numbered) if identifier not in taken)


def unit_of(
    operator: NarrowableOperator,
    network: QuantizedNetwork,
    constants: RescalerConstants,
    workload: RescalerWorkload,
    identifier: str,
    method: str,
    choice: Choice,
) -> Unit:
    """Returns the unit of one rescaler.

    Raises:
        StudyError: the shipped RTL has no module for it.
    """
    return Unit(
        identifier=identifier,
        method=method,
        workload=workload,
        architecture=architecture_of(workload, constants, choice),
        constants=constants,
        bias=operator.bias[constants.live] + constants.offset if isinstance(operator, Weighted) else None,
        stored_bits=max(network.tensors[index].bits for index in operator.inputs),
        zero_point=network.tensors[operator.output].zero_point,
        q_min=operator.q_min,
        q_max=operator.q_max,
    )


def architecture_of(workload: RescalerWorkload, constants: RescalerConstants, choice: Choice) -> Architecture:
    """Returns the architecture that is exported for a workload.

    Raises:
        StudyError: there is none.
    """
    offered_here = (each for each in offered(choice, 1) if each.exported and not each.folded)
    exported = list(dict.fromkeys(each.contract for each in offered_here))
    if workload.contract not in exported:
        raise StudyError(f"contract {workload.contract!r} has no RTL to export; use one of {', '.join(exported)}")
    architecture = architecture_for(workload, choice)
    if not architecture.exported or not (workload.folded or architecture.contract == workload.contract):
        raise StudyError(
            f"operator {workload.name!r}: an ADD under contract {workload.contract!r} has no RTL to export"
        )
    if constants.inputs and constants.inputs[0].complemented and not _is_wired(constants.stages[0]):
        raise StudyError(
            f"operator {workload.name!r}: a SUB whose subtracted input has a multiplier rounds otherwise than an ADD "
            "of its complement, and has no RTL to export; use k = 1 or exchange the inputs' scales"
        )
    return architecture


def _is_wired(stage: StageConstants) -> bool:
    """Returns whether the input stage of an ADD is a shift that drops no bit."""
    return stage.multiplier_bits == 1 and stage.right_shift_max <= 0


def layers_of(units: Sequence[Unit]) -> list[Unit]:
    """Returns the layers that units serve; a unit of one layer is that layer's."""
    return [layer for unit in units for layer in unit.layers or (unit,)]


def variable_shift(stage: StageConstants) -> IntArray:
    """Returns the part of each channel's right shift that is not wiring, int64 ``[channels]``."""
    return np.asarray(stage.right_shift - stage.right_shift_min, np.int64)
