"""Weights are requantized from the real values behind them."""

import numpy as np
import pytest
from small_networks import digits_like

from nets.errors import NetworkError
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.narrow.weights import inherit_weights, real_weights, with_weight_bits
from nets.network.operators import Method, Weighted


@pytest.mark.parametrize("bits", [3, 4, 5, 7])
def test_weight_bits_requantizes_from_the_real_weights(bits: int) -> None:
    module = digits_like(weight_bits=8)
    direct = digits_like(weight_bits=bits).network
    narrowed = with_weight_bits(module.network, bits, module.originals)
    for name in ("conv_0", "depthwise_1", "fc_7"):
        one, other = narrowed.operator(name), direct.operator(name)
        assert isinstance(one, Weighted)
        assert isinstance(other, Weighted)
        assert (one.weights == other.weights).all()
        assert np.abs(one.weights).max() == 2 ** (bits - 1) - 1
        assert (one.rescaler.multiplier == other.rescaler.multiplier).all()


def test_same_weight_bits_change_nothing() -> None:
    network = digits_like().network
    assert with_weight_bits(network, 8).operators == network.operators


def test_real_weights_of_the_integers_requantize_to_the_same_integers() -> None:
    network = digits_like(weight_bits=5).network
    values = real_weights(network)["conv_2"]
    conv = network.operator("conv_2")
    assert isinstance(conv, Weighted)
    again = np.rint(values.weights / conv.weight_scale[:, None, None, None])
    assert (again == conv.weights).all()


def test_weight_bits_by_layer() -> None:
    module = digits_like()
    mixed_bits = with_weight_bits(module.network, {"conv_0": 3, "fc_7": 5}, module.originals)
    widths = {op.name: op.weight_bits for op in mixed_bits.operators if isinstance(op, Weighted)}
    assert widths == {"conv_0": 3, "depthwise_1": 8, "conv_2": 8, "conv_4": 8, "fc_7": 5}


@pytest.mark.parametrize(
    ("bits", "message"),
    [({"add_3": 4}, "add_3: no weighted operator"), ({"conv_0": 2}, "use 3 to 8"), (9, "use 3 to 8")],
)
def test_weight_bits_that_cannot_be_are_refused(bits: int | dict[str, int], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        with_weight_bits(digits_like().network, bits)


def test_inherited_weights_are_the_sources_at_the_designs_own_scales() -> None:
    module, source = digits_like(0, weight_bits=6), digits_like(1, weight_bits=6).network
    choices = {op.name: RescalerChoice(1, Method.ABSORB) for op in module.network.narrowable_operators()}
    design = narrow(module.network, choices, module.originals)
    heir = inherit_weights(design, source)
    ours, theirs = heir.operator("conv_4"), source.operator("conv_4")
    assert isinstance(ours, Weighted)
    assert isinstance(theirs, Weighted)
    assert (ours.rescaler.multiplier == 1).all()
    real, wanted = (op.weights * op.weight_scale[:, None, None, None] for op in (ours, theirs))
    reach = ours.weight_scale[:, None, None, None] * 31
    assert (np.abs(real - np.clip(wanted, -reach, reach)) <= ours.weight_scale[:, None, None, None] / 2 + 1e-12).all()
    assert inherit_weights(module.network, module.network).operator("conv_4").weights.tolist() == (
        module.network.operator("conv_4").weights.tolist()
    )
