"""Shift windows: all channels of a layer within 2**S right shifts, chosen where the error is smallest."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import digits_like, mixed, random_inputs

from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.narrow.choice import RescalerChoice
from nets.narrow.narrowing import narrow
from nets.narrow.scale_choice import right_shifts, window_scales
from nets.network import CONTRACTS, Method, NarrowableOperator, QuantizedNetwork, Weighted, fingerprint


def choices(network: QuantizedNetwork, bits: int, window: int | None, method: Method = Method.ABSORB) -> dict:
    return {op.name: RescalerChoice(bits, method, window) for op in network.narrowable_operators()}


@pytest.mark.parametrize("contract", [name for name, row in CONTRACTS.items() if row.hardware])
@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("window", [0, 1, 2])
def test_all_channels_lie_in_the_window_and_products_are_exact(contract: str, bits: int, window: int) -> None:
    module = digits_like(contract=contract, width=8)
    network = narrow(module.network, choices(module.network, bits, window), module.originals)
    for operator in network.narrowable_operators():
        shifts = operator.rescaler.right_shift
        assert shifts.max() - shifts.min() < 2**window
        assert (operator.rescaler.multiplier >= 2 ** (bits - 1)).all()
        assert (operator.rescaler.multiplier < 2**bits).all()
        if isinstance(operator, Weighted):
            product = network.tensors[operator.inputs[0]].scale * operator.weight_scale
            scale = product / network.tensors[operator.output].scale
            np.testing.assert_allclose(scale, operator.rescaler.scale, rtol=1e-15)


def test_a_wide_window_changes_nothing() -> None:
    module = digits_like(2, width=8)
    natural = narrow(module.network, choices(module.network, 1, None), module.originals)
    wide = narrow(module.network, choices(module.network, 1, 5), module.originals)
    assert fingerprint(wide) == fingerprint(natural)


@settings(max_examples=60, deadline=None)
@given(
    scales=st.lists(st.floats(-14, -1), min_size=1, max_size=6),
    bits=st.integers(1, 3),
    window=st.integers(0, 3),
    weights=st.lists(st.floats(0.1, 10), min_size=6, max_size=6),
)
def test_no_other_window_has_a_smaller_error(scales: list[float], bits: int, window: int, weights: list[float]) -> None:
    scale = np.exp2(np.array(scales))
    importance = np.array(weights)[: len(scales)]

    def error_of(candidate: np.ndarray) -> np.ndarray:
        return importance * np.log2(candidate / scale) ** 2

    chosen = window_scales(scale, bits, window, scale, error_of)
    shifts = right_shifts(chosen, bits)
    assert shifts.max() - shifts.min() < 2**window
    multipliers = range(2 ** (bits - 1), 2**bits)
    best = min(
        sum(
            min(
                importance[channel] * np.log2(m * 2.0**-shift / scale[channel]) ** 2
                for m, shift in itertools.product(multipliers, range(start, start + 2**window))
            )
            for channel in range(len(scale))
        )
        for start in range(-2, 18)
    )
    assert error_of(chosen).sum() <= best * (1 + 1e-9) + 1e-12


def test_channels_without_weights_do_not_move_the_window() -> None:
    module = digits_like(width=8)
    conv = module.network.operator("conv_0")
    assert isinstance(conv, Weighted)
    originals = dict(module.originals)
    weights = originals["conv_0"].weights.copy()
    weights[3] = 0
    scales = conv.weight_scale.copy()
    scales[3] = 1e-9
    dead = type(conv)(**{**vars(conv), "weight_scale": scales})
    network = module.network.with_operators({"conv_0": dead})
    originals["conv_0"] = type(originals["conv_0"])(weights, originals["conv_0"].bias)
    made = narrow(network, {"conv_0": RescalerChoice(1, Method.ABSORB, 0)}, originals).operator("conv_0")
    alive = narrow(module.network, {"conv_0": RescalerChoice(1, Method.ABSORB, 0)}, originals).operator("conv_0")
    assert isinstance(made, NarrowableOperator)
    assert isinstance(alive, NarrowableOperator)
    assert set(made.rescaler.right_shift.tolist()) == set(alive.rescaler.right_shift.tolist())


def test_a_window_of_frozen_weights_is_what_the_certificate_proves() -> None:
    module = digits_like(width=8)
    rounded = narrow(module.network, choices(module.network, 4, None, Method.ROUND))
    spans = [np.ptp(op.rescaler.right_shift) for op in rounded.narrowable_operators()]
    assert max(spans) > 1
    wide = narrow(module.network, choices(module.network, 4, 5, Method.ROUND))
    assert fingerprint(wide) == fingerprint(rounded)
    with pytest.raises(NetworkError, match="frozen by method round"):
        narrow(module.network, choices(module.network, 4, 0, Method.ROUND))


@pytest.mark.parametrize("window", [-1, 7])
def test_a_window_outside_of_the_contract_is_refused(window: int) -> None:
    module = digits_like()
    with pytest.raises(NetworkError, match=f"shift_bits = {window} is out of range; use 0 .* to 6"):
        narrow(module.network, choices(module.network, 1, window))


def test_both_backends_run_a_constant_shift_alike() -> None:
    _, _, module = mixed()
    network = narrow(module.network, choices(module.network, 1, 0), module.originals)
    inputs = random_inputs(network.tensors[network.inputs[0]].shape, 8)
    by_torch = IntegerExecutor(network, backend="torch").outputs(inputs)[0]
    assert (IntegerExecutor(network).outputs(inputs)[0] == by_torch).all()
