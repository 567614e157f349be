"""The lane of a shared bank: wide enough for every layer, with every layer's integers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwmodels.architectures import ARCHITECTURES, Architecture, architecture_for
from hwmodels.architectures.rounding import half_up
from hwmodels.banks import alignment, banks, built_workloads, memory_formats
from tests.hwmodels.hw_workloads import convolution

CONTRACTS = ("half_up", "floor", "half_away", "tflite_double")


def in_bank(architecture: Architecture, parameters: dict[str, int], stored: dict[str, int]) -> int:
    constants = {"zero_point": 3, "q_min": -100, "q_max": 90}
    ports = {**stored, "exponent": stored["shift"], **constants}  # tflite_double calls it so
    return architecture.outputs(parameters, ports)["q"]


@given(data=st.data(), contract=st.sampled_from(CONTRACTS))
def test_a_bank_has_the_integers_of_every_layer(data: st.DataObject, contract: str) -> None:
    narrowest = 2 if contract == "tflite_double" else 1  # which takes a pure shift as two bits
    widths = data.draw(st.lists(st.integers(narrowest, 31), min_size=1, max_size=3))
    lows = data.draw(st.lists(st.integers(1, 8), min_size=len(widths), max_size=len(widths)))
    layers = [
        replace(
            convolution(name=str(i), multiplier_bits=k, right_shift_min=k + low, right_shift_max=k + low + 3),
            contract=contract,
        )
        for i, (k, low) in enumerate(zip(widths, lows, strict=True))
    ]
    (bank,) = banks(built_workloads(layers, style="shared"), architecture_for).values()
    architecture, (wide,) = architecture_for(bank), bank.stages
    parameters = architecture.parameters(bank)
    for layer in layers:
        (stage,), own = layer.stages, architecture_for(layer)
        k, by = stage.multiplier_bits, alignment(stage.multiplier_bits, wide.multiplier_bits, architecture)
        multiplier = data.draw(st.integers(1 << (k - 1), (1 << k) - 1))
        shift = data.draw(st.integers(stage.right_shift_min, stage.right_shift_max))
        acc = data.draw(st.integers(-(1 << 19), (1 << 19) - 1))
        stored = {"acc": acc, "mult": multiplier << by, "shift": shift + by - wide.right_shift_min}
        assert 0 <= stored["shift"] < 1 << wide.shift_bits
        assert stored["mult"] >> (wide.multiplier_bits - 1) == 1, "the leading one is implied"
        alone = {"acc": acc, "mult": multiplier, "shift": shift - stage.right_shift_min}
        assert in_bank(architecture, parameters, stored) == in_bank(own, own.parameters(layer), alone)


def test_layers_of_one_scale_share_a_range_of_shifts_whatever_their_width() -> None:
    layers = [
        convolution(name=str(k), multiplier_bits=k, right_shift_min=k + 5, right_shift_max=k + 9) for k in (1, 8, 31)
    ]
    (bank,) = banks(layers, architecture_for).values()
    (stage,) = bank.stages
    assert (stage.right_shift_min, stage.right_shift_max) == (36, 40)
    words = memory_formats(layers, architecture_for, style="shared")
    assert {word.parameter_bits for word in words} == {30 + 3}


@given(data=st.data())
def test_a_fractured_bank_reaches_the_shifts_of_every_mode(data: st.DataObject) -> None:
    fractured = ARCHITECTURES["fractured"]
    widths = data.draw(st.lists(st.integers(1, 32), min_size=1, max_size=3))
    layers = [
        convolution(name=str(i), multiplier_bits=k, right_shift_min=k + 1, right_shift_max=k + 4)
        for i, k in enumerate(widths)
    ]
    (bank,) = banks(layers, lambda _: fractured).values()
    parameters = fractured.parameters(bank)
    for k in widths:
        mode = next(bits for bits in (8, 16, 32) if k <= bits)
        multiplier, shift = data.draw(st.integers(1 << (k - 1), (1 << k) - 1)), k + data.draw(st.integers(1, 4))
        port = shift + mode - k - parameters["SHIFT_MIN"]
        assert 0 <= port < 1 << parameters["SHIFT_WIDTH"]
        inputs = {
            "mode": (8, 16, 32).index(mode), "mult": multiplier << (mode - k), "zero_point": 0, "q_min": -128,
            "q_max": 127, **{f"{name}{lane}": 0 for name in ("acc", "shift") for lane in range(4)},
        }  # fmt: skip
        inputs |= {"acc0": -777, "shift0": port}
        expected = min(max(half_up(-777 * multiplier, shift), -128), 127)
        assert fractured.outputs(parameters, inputs)["q0"] == expected


def test_a_bank_that_is_not_folded_has_operands_without_folded_constants() -> None:
    folded = replace(convolution(multiplier_bits=1, operand_bits=18), folded=True, unfolded_bits=17)
    for layers, bits in (([folded], 18), ([folded, convolution(name="wide", operand_bits=10)], 17)):
        (bank,) = banks(built_workloads(layers, style="shared"), architecture_for).values()
        assert bank.stages[-1].operand_bits == bits


@pytest.mark.parametrize("k", [2, 31])
def test_a_layer_alone_is_not_shifted(k: int) -> None:
    assert all(each.alignment(k, k) == 0 for each in ARCHITECTURES.values())
