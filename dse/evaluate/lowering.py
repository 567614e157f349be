"""Lowers a network to the workloads that the cost models take, sized by its certificate."""

import math

from hwmodels.workload import OutputConstants, RescalerWorkload, RescaleStage
from nets.narrow import RescalerConstants, rescaler_constants
from nets.network import (
    SUM_LEFT_SHIFT,
    ElementwiseSum,
    MatrixProduct,
    NarrowableOperator,
    QuantizedNetwork,
    Sliding,
    TransposedConvolution,
    Weighted,
)


def lower(network: QuantizedNetwork) -> tuple[RescalerWorkload, ...]:
    """Returns the workload of every rescaler, sized by what this network can reach, folded if that is exact."""
    constants = rescaler_constants(network)
    return tuple(lowered(operator, network, constants[operator.name]) for operator in network.narrowable_operators())


def lowered(operator: NarrowableOperator, network: QuantizedNetwork, constants: RescalerConstants) -> RescalerWorkload:
    """Returns the workload of one rescaler with the given constants; channels of constant output are no work."""
    target = network.tensors[operator.output]
    weighted = operator if isinstance(operator, Weighted) else None
    channels = 1 if constants.live is None else constants.live.size
    positions = math.prod(target.shape) // (weighted.out_channels if weighted else 1)
    return RescalerWorkload(
        name=operator.name,
        stages=tuple(
            RescaleStage(
                operand_bits=stage.operand_bits,
                multiplier_bits=stage.multiplier_bits,
                right_shift_min=stage.right_shift_min,
                right_shift_max=stage.right_shift_max,
                multiplier=stage.constant_multiplier if stage.multiplier_bits > 1 else None,
            )
            for stage in constants.stages
        ),
        output_bits=target.bits,
        channels=channels,
        rescales_per_inference=positions * channels,
        macs_per_inference=_macs(operator, network, channels),
        weight_bits=_weight_bits(operator, network),
        activation_bits=max(network.tensors[index].bits for index in operator.inputs),
        contract=operator.rescaler.contract.name,
        left_shift=operator.left_shift if isinstance(operator, ElementwiseSum) else SUM_LEFT_SHIFT,
        output=OutputConstants(
            zero_point=target.zero_point,
            q_min=operator.q_min,
            q_max=operator.q_max,
            input_zero_points=tuple(each.zero_point for each in constants.inputs),
        ),
        folded=constants.folded,
        unfolded_bits=constants.unfolded_bits,
        weights=int(weighted.weights[0].size) * channels if weighted else 0,
        uses_of_input=_uses_of_input(operator, network, channels),
        uses_of_weight=_uses_of_weight(operator, network),
    )


def _weight_bits(operator: NarrowableOperator, network: QuantizedNetwork) -> int:
    """Returns the width of what a MAC multiplies by: a stored weight less its zero point takes a bit more."""
    match operator:
        case Weighted():
            return operator.weight_bits + (operator.weight_zero_point != 0)
        case MatrixProduct():
            return network.tensors[operator.inputs[1]].bits
    return 0


def _uses_of_input(operator: NarrowableOperator, network: QuantizedNetwork, channels: int) -> int:
    """Returns the output channels that an input element is multiplied for."""
    if isinstance(operator, MatrixProduct):
        return network.tensors[operator.output].shape[-1]
    groups = operator.groups if isinstance(operator, Sliding) else 1
    return max(channels // groups, 1)


def _uses_of_weight(operator: NarrowableOperator, network: QuantizedNetwork) -> int:
    """Returns the outputs of one inference that a weight is multiplied for."""
    if isinstance(operator, MatrixProduct):
        return network.tensors[operator.output].shape[-2]
    return _positions(operator, network) if isinstance(operator, Weighted) else 1


def _macs(operator: NarrowableOperator, network: QuantizedNetwork, channels: int) -> int:
    if isinstance(operator, MatrixProduct):
        shape, left = (network.tensors[index].shape for index in (operator.output, operator.inputs[0]))
        return math.prod(shape) * operator.depth(left)
    if not isinstance(operator, Weighted):
        return 0
    return int(operator.weights[0].size) * channels * _positions(operator, network)


def _positions(operator: Weighted, network: QuantizedNetwork) -> int:
    """Returns how often a layer applies its weights.

    Every element of a transposed convolution's input meets all weights; a fully connected layer may have rows.
    """
    index = operator.inputs[0] if isinstance(operator, TransposedConvolution) else operator.output
    return math.prod(network.tensors[index].shape[:-1])
