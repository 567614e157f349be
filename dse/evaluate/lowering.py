"""Lowers a network to the workloads that the cost models take, sized by its certificate."""

import math

from hwmodels.workload import OutputConstants, RescalerWorkload, RescaleStage
from nets.narrow import RescalerConstants, rescaler_constants
from nets.network import Convolution, NarrowableOperator, QuantizedNetwork, Weighted


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
        macs_per_inference=_macs(weighted, network, channels) if weighted else 0,
        weight_bits=_weight_bits(weighted) if weighted else 0,
        activation_bits=max(network.tensors[index].bits for index in operator.inputs),
        contract=operator.rescaler.contract.name,
        output=OutputConstants(
            zero_point=target.zero_point,
            q_min=operator.q_min,
            q_max=operator.q_max,
            input_zero_points=tuple(each.zero_point for each in constants.inputs),
        ),
        folded=constants.folded,
    )


def _weight_bits(operator: Weighted) -> int:
    """Returns the width of what a MAC multiplies by: a stored weight less its zero point takes a bit more."""
    return operator.weight_bits + (operator.weight_zero_point != 0)


def _macs(operator: Weighted, network: QuantizedNetwork, channels: int) -> int:
    taps = operator.weights[0].size
    positions = network.tensors[operator.output].shape[:-1] if isinstance(operator, Convolution) else ()
    return int(taps) * channels * math.prod(positions)
