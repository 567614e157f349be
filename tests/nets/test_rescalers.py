"""Multipliers and shifts represent effective scales as closely as their width allows."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_layers import Layers
from small_networks import digits_like

from nets.errors import NetworkError
from nets.importers.tflite import network_from_bytes
from nets.network.contracts import CONTRACTS, FULL_MULTIPLIER_BITS, contract_named
from nets.network.operators import ElementwiseSum, RescaledOperator
from nets.network.rescaler import neighbouring_scales, rescaler_from_scale
from nets.network.scales import with_multiplier_bits

scales = st.floats(2.0**-20, 4.0, exclude_min=True)
HALF_UP = contract_named("half_up")


@given(scales, st.integers(1, 31))
def test_multiplier_is_normalised_and_the_nearest_of_its_width(scale: float, bits: int) -> None:
    rescaler = rescaler_from_scale(np.array([scale]), bits, HALF_UP)
    multiplier, shift = int(rescaler.multiplier[0]), int(rescaler.right_shift[0])
    assert 2 ** (bits - 1) <= multiplier < 2**bits
    represented = Fraction(multiplier) / Fraction(2) ** shift
    neighbours = [Fraction(m) / Fraction(2) ** shift for m in (multiplier - 1, multiplier + 1)]
    assert abs(represented - Fraction(scale)) <= min(abs(n - Fraction(scale)) for n in neighbours)


@given(scales, st.integers(1, 31))
def test_neighbouring_scales_enclose_the_scale_with_nothing_representable_between(scale: float, bits: int) -> None:
    below, above = (float(bound[0]) for bound in neighbouring_scales(np.array([scale]), bits))
    assert below <= scale <= above
    step = Fraction(above) - Fraction(below)
    mantissa = Fraction(below) / step if step else None
    assert mantissa is None or (mantissa.denominator == 1 and 2 ** (bits - 1) <= mantissa < 2**bits)


def test_dead_channel_gets_a_shift_that_empties_it() -> None:
    rescaler = rescaler_from_scale(np.array([1e-30]), 4, HALF_UP)
    assert int(rescaler.multiplier[0]) == 8
    assert int(rescaler.right_shift[0]) == HALF_UP.right_shift_max


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_scale_that_is_not_positive_and_finite_is_refused(scale: float) -> None:
    with pytest.raises(NetworkError, match="positive and finite"):
        rescaler_from_scale(np.array([scale]), 8, HALF_UP)


@pytest.mark.parametrize("bits", [0, 32, -1])
def test_width_out_of_range_is_refused(bits: int) -> None:
    with pytest.raises(NetworkError, match=f"multiplier_bits = {bits}"):
        rescaler_from_scale(np.array([0.5]), bits, HALF_UP)


@pytest.mark.parametrize("contract", [name for name, contract in CONTRACTS.items() if contract.hardware])
def test_scales_of_a_networks_own_tensors_give_its_own_rescalers(contract: str) -> None:
    layers = Layers(np.random.default_rng(7))
    left, right = layers.input(6, 6, 3), layers.input(6, 6, 3)
    results = [layers.elementwise(kind, left, right) for kind in ("ADD", "SUB", "MUL")]
    results += [layers.requantize("QUANTIZE", left), layers.depthwise(left), layers.dense(right, 4)]
    network = network_from_bytes(layers.content(*results), "m", contract=contract)
    assert len(network.operators) == 6
    for operator in network.operators:
        assert isinstance(operator, RescaledOperator)
        again = with_multiplier_bits(operator, network.tensors, FULL_MULTIPLIER_BITS)
        for own, other in zip(operator.rescalers, again.rescalers, strict=True):
            assert own.multiplier.tolist() == other.multiplier.tolist()
            assert own.right_shift.tolist() == other.right_shift.tolist()


def test_rescalers_are_replaced_in_their_order() -> None:
    add = digits_like().network.operator("add_3")
    assert isinstance(add, ElementwiseSum)
    swapped = add.with_rescalers(add.rescalers[::-1])
    assert swapped.rescalers == add.rescalers[::-1]
    assert swapped.rescaler is add.input_rescalers[0]
