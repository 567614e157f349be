"""Lowers a network to the workloads that the cost models take, sized by its certificate."""

import math
from dataclasses import asdict

from hwmodels.workload import RescalerWorkload, RescaleStage
from nets.narrow import RescalerCertificate, certify
from nets.network import Convolution, NarrowableOperator, QuantizedNetwork, Weighted


def lower(network: QuantizedNetwork) -> tuple[RescalerWorkload, ...]:
    """Returns the workload of every rescaler, sized by the accumulator intervals that this network can reach."""
    certificate = certify(network)
    return tuple(
        _workload(operator, network, certificate.rescalers[operator.name])
        for operator in network.narrowable_operators()
    )


def _workload(
    operator: NarrowableOperator, network: QuantizedNetwork, certificate: RescalerCertificate
) -> RescalerWorkload:
    target = network.tensors[operator.output]
    weighted = operator if isinstance(operator, Weighted) else None
    return RescalerWorkload(
        name=operator.name,
        stages=tuple(RescaleStage(**asdict(stage)) for stage in certificate.stages),
        output_bits=target.bits,
        channels=weighted.out_channels if weighted else 1,
        rescales_per_inference=math.prod(target.shape),
        macs_per_inference=_macs(weighted, network) if weighted else 0,
        weight_bits=weighted.weight_bits if weighted else 0,
        activation_bits=network.tensors[operator.inputs[0]].bits,
        contract=operator.rescaler.contract.name,
    )


def _macs(operator: Weighted, network: QuantizedNetwork) -> int:
    taps = operator.weights[0].size
    positions = network.tensors[operator.output].shape[:-1] if isinstance(operator, Convolution) else ()
    return int(taps) * operator.out_channels * math.prod(positions)
