"""Narrow multipliers: a network with k-bit rescalers is made from one with int32 (Q31) rescalers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from nets.errors import NetworkError
from nets.narrow.absorption import PLAIN, ScaleError, WeightErrors, absorb_into_scales, absorb_into_weights
from nets.narrow.choice import RescalerChoice
from nets.narrow.folding import rescaler_constants
from nets.narrow.scale_choice import check_window
from nets.narrow.weights import RealWeights, real_weights
from nets.network import Method, NarrowableOperator, QuantizedNetwork, Weighted, with_multiplier_bits

Narrowed = TypeVar("Narrowed", bound=NarrowableOperator)


def narrow(
    network: QuantizedNetwork,
    choices: Mapping[str, RescalerChoice],
    originals: Mapping[str, RealWeights] | None = None,
) -> QuantizedNetwork:
    """Gives rescalers their widths; rescalers without a choice stay as they are.

    Under ``absorb`` the ratio of representable to effective scale moves into the weights, or, for an elementwise
    operator, into the scales of the activations around it. Under ``round`` the shifts stay what they are, and a window
    has to hold them all.

    Args:
        network: the network at int32 (Q31), with its original weight scales.
        choices: choices by operator name.
        originals: real weights of the float model to requantize from under ``absorb``; the values of the integer
            weights by default.

    Raises:
        NetworkError: A name is unknown or has no rescaler, a width is out of range, tied activation scales leave an
            elementwise operator no choice, or rounded multipliers need more shifts than their window has.
    """
    originals = originals if originals is not None else real_weights(network)
    network = with_absorbing_scales(network, choices)
    made = network.with_operators(
        {name: narrowed(narrowable(network, name), network, choice, originals) for name, choice in choices.items()}
    )
    check_rounded_windows(made, choices)
    return made


def with_absorbing_scales(
    network: QuantizedNetwork, choices: Mapping[str, RescalerChoice], error_of: ScaleError | None = None
) -> QuantizedNetwork:
    """Returns the network with the activation scales that elementwise operators under ``absorb`` need."""
    bits = {
        name: choice.multiplier_bits
        for name, choice in choices.items()
        if choice.method is Method.ABSORB and not isinstance(narrowable(network, name), Weighted)
    }
    return absorb_into_scales(network, bits, error_of) if bits else network


def narrowable(network: QuantizedNetwork, name: str) -> NarrowableOperator:
    """Returns the operator of a name, or raises a NetworkError if no width of its rescaler can be chosen."""
    operator = network.operator(name)
    if not isinstance(operator, NarrowableOperator):
        raise NetworkError(f"operator {name!r} has no rescaler whose width can be chosen")
    return operator


def narrowed(
    operator: Narrowed,
    network: QuantizedNetwork,
    choice: RescalerChoice,
    originals: Mapping[str, RealWeights],
    errors: WeightErrors = PLAIN,
) -> Narrowed:
    """Returns one operator narrowed; the network has the activation scales that its choice needs.

    Raises:
        NetworkError: A width is out of range.
    """
    if choice.method is Method.ABSORB and isinstance(operator, Weighted):
        operator = absorb_into_weights(operator, network, choice, originals[operator.name], errors)
    else:
        operator = with_multiplier_bits(operator, network.tensors, choice.multiplier_bits)
    return replace(operator, method=choice.method)


def check_rounded_windows(network: QuantizedNetwork, choices: Mapping[str, RescalerChoice]) -> None:
    """Raises a NetworkError if frozen weights need more shifts than a window has; the certificate counts them."""
    windows = {
        name: choice.shift_bits
        for name, choice in choices.items()
        if choice.method is Method.ROUND and choice.shift_bits is not None
    }
    if not windows:
        return
    constants = rescaler_constants(network)
    for name, shift_bits in windows.items():
        check_window(shift_bits, narrowable(network, name).rescaler.contract)
        last = constants[name].stages[-1]
        if last.right_shift_max - last.right_shift_min >= 2**shift_bits:
            raise NetworkError(
                f"operator {name!r}: its weights are frozen by method round, and its channels need right shifts "
                f"{last.right_shift_min} to {last.right_shift_max}, more than 2**{shift_bits}; use method absorb"
            )
