"""Narrow multipliers: a network with k-bit rescalers is made from one with int32 (Q31) rescalers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nets.errors import NetworkError
from nets.narrow.absorption import absorb_into_scales, absorb_into_weights
from nets.narrow.weights import RealWeights, real_weights
from nets.network import Method, NarrowableOperator, QuantizedNetwork, Weighted, with_multiplier_bits


@dataclass(frozen=True, slots=True)
class RescalerChoice:
    """What one rescaler is narrowed to.

    Attributes:
        multiplier_bits: width ``k`` of the multiplier, 1 (a pure shift) to 31 (int32, Q31) bits.
        method: how that width is reached.
        shift_bits: width ``S`` of the shift, in bits: the channels share a window of ``2**S`` right shifts, and 0 is
            one constant shift; None leaves every channel its natural shift.
    """

    multiplier_bits: int
    method: Method = Method.ROUND
    shift_bits: int | None = None


def narrow(
    network: QuantizedNetwork,
    choices: Mapping[str, RescalerChoice],
    originals: Mapping[str, RealWeights] | None = None,
) -> QuantizedNetwork:
    """Gives rescalers their widths; rescalers without a choice stay as they are.

    Under ``absorb`` the ratio of representable to effective scale moves into the weights, or, for an elementwise
    operator, into the scales of the activations around it.

    Args:
        network: the network at int32 (Q31), with its original weight scales.
        choices: choices by operator name.
        originals: real weights of the float model to requantize from under ``absorb``; the values of the integer
            weights by default.

    Raises:
        NetworkError: A name is unknown or has no rescaler, a width is out of range, or tied activation scales leave an
            elementwise operator no choice.
    """
    originals = originals if originals is not None else real_weights(network)
    by_scales = {
        name: choice.multiplier_bits
        for name, choice in choices.items()
        if choice.method is Method.ABSORB and not isinstance(_narrowable(network, name), Weighted)
    }
    network = absorb_into_scales(network, by_scales) if by_scales else network
    return network.with_operators(
        {name: _narrowed(_narrowable(network, name), network, choice, originals) for name, choice in choices.items()}
    )


def _narrowable(network: QuantizedNetwork, name: str) -> NarrowableOperator:
    operator = network.operator(name)
    if not isinstance(operator, NarrowableOperator):
        raise NetworkError(f"operator {name!r} has no rescaler whose width can be chosen")
    return operator


def _narrowed(
    operator: NarrowableOperator,
    network: QuantizedNetwork,
    choice: RescalerChoice,
    originals: Mapping[str, RealWeights],
) -> NarrowableOperator:
    if choice.method is Method.ABSORB and isinstance(operator, Weighted):
        operator = absorb_into_weights(operator, network, choice.multiplier_bits, originals[operator.name])
    else:
        operator = with_multiplier_bits(operator, network.tensors, choice.multiplier_bits)
    return replace(operator, method=choice.method)
