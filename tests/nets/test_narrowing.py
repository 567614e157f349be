"""Narrow rescalers: rounded, or absorbed into weights and activation scales."""

from dataclasses import replace

import numpy as np
import pytest
from small_networks import digits_like, random_inputs

from nets.errors import NetworkError
from nets.execute.executor import IntegerExecutor
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.contracts import CONTRACTS, contract_named
from nets.network.operators import ElementwiseKind, ElementwiseSum, Method, Weighted
from nets.network.quantized_network import QuantizedNetwork
from nets.network.rescaler import rescaler_from_scale
from nets.network.scales import weighted_scale
from nets.network.tensors import TensorSpec

HALF_UP = contract_named("half_up")


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize("bits", [1, 2, 5, 16, 31])
def test_absorb_makes_the_product_exactly_representable(contract: str, bits: int) -> None:
    module = digits_like(contract=contract)
    network = narrow(
        module.network,
        {op.name: RescalerChoice(bits, Method.ABSORB) for op in module.network.narrowable_operators()},
        module.originals,
    )
    for operator in network.operators:
        if not isinstance(operator, Weighted):
            continue
        source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
        product = source.scale * operator.weight_scale / target.scale
        np.testing.assert_allclose(product, operator.rescaler.scale, rtol=1e-15)
        assert operator.method is Method.ABSORB


def test_absorb_takes_the_neighbour_with_the_smaller_weight_error() -> None:
    module = digits_like(3, weight_bits=4)
    before = module.network
    after = narrow(before, {"conv_0": RescalerChoice(1, Method.ABSORB)}, module.originals).operator("conv_0")
    conv = before.operator("conv_0")
    assert isinstance(conv, Weighted)
    assert isinstance(after, Weighted)
    real = module.originals["conv_0"].weights
    scale = weighted_scale(
        before.tensors[conv.inputs[0]].scale, conv.weight_scale, before.tensors[conv.output].scale, HALF_UP
    )
    for channel in range(conv.out_channels):
        power = 2.0 ** np.floor(np.log2(scale[channel]))
        errors = []
        for candidate in (power, 2 * power):
            step = conv.weight_scale[channel] * candidate / scale[channel]
            integers = np.clip(np.rint(real[channel] / step), -7, 7)
            errors.append(((integers * step - real[channel]) ** 2).sum())
        chosen = after.weight_scale[channel]
        error = ((after.weights[channel] * chosen - real[channel]) ** 2).sum()
        assert error == pytest.approx(min(errors), rel=1e-9)


def test_round_keeps_the_weights() -> None:
    network = digits_like().network
    changed = narrow(network, {"conv_0": RescalerChoice(3)}).operator("conv_0")
    before = network.operator("conv_0")
    assert isinstance(before, Weighted)
    assert isinstance(changed, Weighted)
    assert (changed.weights == before.weights).all()
    assert (changed.bias == before.bias).all()
    assert changed.rescaler.multiplier_bits == 3
    assert changed.rescaler.multiplier.max() < 8


def test_add_narrows_all_three_multipliers_and_keeps_the_exact_half() -> None:
    network = digits_like().network
    changed = narrow(network, {"add_3": RescalerChoice(2)}).operator("add_3")
    assert isinstance(changed, ElementwiseSum)
    assert all(r.multiplier.max() < 4 for r in (*changed.input_rescalers, changed.rescaler))
    assert 0.5 in [float(r.scale[0]) for r in changed.input_rescalers]


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_add_absorbs_into_the_scales_around_it(bits: int) -> None:
    before = digits_like().network
    choice = {"add_3": RescalerChoice(bits, Method.ABSORB)}
    after = narrow(before, choice)
    add = after.operator("add_3")
    assert isinstance(add, ElementwiseSum)
    scales = [after.tensors[index].scale for index in (*add.inputs, add.output)]
    common = 2 * max(scales[:2])
    real = [scales[0] / common, scales[1] / common, common / (2**20 * scales[2])]
    represented = [float(r.scale[0]) for r in (*add.input_rescalers, add.rescaler)]
    np.testing.assert_allclose(real, represented, rtol=1e-12)
    assert all((r.multiplier < 2**bits).all() for r in (*add.input_rescalers, add.rescaler))
    for index, (old, new) in enumerate(zip(before.tensors, after.tensors, strict=True)):
        assert old.scale <= new.scale * (1 + 1e-12), "nothing clips that did not clip before"
        assert new.scale < old.scale * (1 + 2.0 ** (1 - bits)) * (1 + 1e-12)
        assert index not in (*before.inputs, *before.outputs) or old == new


def test_scales_chosen_for_an_add_move_its_neighbours_exactly() -> None:
    module = digits_like(2)
    after = narrow(module.network, {"add_3": RescalerChoice(1, Method.ABSORB)}, module.originals)
    for name in ("conv_2", "conv_4", "conv_0"):
        operator = after.operator(name)
        assert isinstance(operator, Weighted)
        source, target = after.tensors[operator.inputs[0]], after.tensors[operator.output]
        again = rescaler_from_scale(source.scale * operator.weight_scale / target.scale, 31, HALF_UP)
        assert (operator.rescaler.multiplier == again.multiplier).all()
        assert (operator.rescaler.right_shift == again.right_shift).all()
        real = module.originals[name].bias
        assert (
            np.abs(operator.bias * source.scale * operator.weight_scale - real) <= source.scale * operator.weight_scale
        ).all()
    inputs = random_inputs((8, 8, 1), 200)
    logits = [IntegerExecutor(network).outputs(inputs)[0] for network in (module.network, after)]
    agreement = (logits[0].argmax(axis=1) == logits[1].argmax(axis=1)).mean()
    assert agreement > 0.9, "coarser scales cost little"


def test_scales_that_are_tied_leave_no_choice() -> None:
    """The network's inputs keep their scales: a sum of two of them cannot choose any."""
    tensors = (TensorSpec("a", (4,), 0.1, 0), TensorSpec("b", (4,), 0.13, 0), TensorSpec("y", (4,), 0.2, 0))
    rescalers = [rescaler_from_scale(np.array([scale]), 31, HALF_UP) for scale in (0.1 / 0.26, 0.5, 1e-6)]
    add = ElementwiseSum(
        name="add_0",
        inputs=(0, 1),
        output=2,
        kind=ElementwiseKind.ADD,
        left_shift=20,
        input_rescalers=(rescalers[0], rescalers[1]),
        rescaler=rescalers[2],
        q_min=-128,
        q_max=127,
    )
    network = QuantizedNetwork("sum of inputs", tensors, (add,), (0, 1), (2,))
    with pytest.raises(NetworkError, match=r"'add_0' cannot absorb: the scale of '[ab]' is tied; use method round"):
        narrow(network, {"add_0": RescalerChoice(1, Method.ABSORB)})


@pytest.mark.parametrize("method", Method)
def test_a_pool_has_nothing_to_narrow(method: Method) -> None:
    with pytest.raises(NetworkError, match="'average_pool_5' has no rescaler whose width can be chosen"):
        narrow(digits_like().network, {"average_pool_5": RescalerChoice(2, method)})


@pytest.mark.parametrize("method", Method)
def test_every_narrowable_operator_keeps_its_method(method: Method) -> None:
    network = digits_like().network
    narrowed = narrow(network, {op.name: RescalerChoice(3, method) for op in network.narrowable_operators()})
    assert [op.name for op in narrowed.narrowable_operators()] == [op.name for op in network.narrowable_operators()]
    assert {op.method for op in narrowed.narrowable_operators()} == {method}
    assert {op.rescaler.multiplier_bits for op in narrowed.narrowable_operators()} == {3}


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(NetworkError, match=r"no operator 'conv_9'.*conv_0"):
        narrow(digits_like().network, {"conv_9": RescalerChoice(2)})


def test_operator_without_rescaler_is_refused() -> None:
    with pytest.raises(NetworkError, match="'reshape_6' has no rescaler"):
        narrow(digits_like().network, {"reshape_6": RescalerChoice(2)})


def test_the_oracles_own_form_of_an_add_is_not_narrowed() -> None:
    network = digits_like().network
    add = network.operator("add_3")
    assert isinstance(add, ElementwiseSum)
    oracle = network.with_operators({"add_3": replace(add, left_shift=0)})
    with pytest.raises(NetworkError, match="'add_3' has XNNPACK's form"):
        narrow(oracle, {"add_3": RescalerChoice(31)})
