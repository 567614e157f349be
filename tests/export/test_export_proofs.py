"""Exported units are proven equal to the network's integers; a wrong constant anywhere is found."""

from dataclasses import replace

import pytest

from dse.errors import StudyError
from dse.export import Unit, prove_unit, units_of
from dse.study.prepared import PreparedStudy
from hwmodels.proof import Outcome
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.operators import Method
from nets.network.quantized_network import QuantizedNetwork

pytest.importorskip("pyosys", reason="pyosys is not installed")
WIDTHS = {"conv_0": 1, "depthwise_1": 4, "add_3": 5, "fc_7": 31}


@pytest.fixture(scope="module")
def network(digits: PreparedStudy) -> QuantizedNetwork:
    original = digits.members[0].network
    choices = {
        operator.name: RescalerChoice(WIDTHS.get(operator.name, 8), Method.ROUND)
        for operator in original.narrowable_operators()
    }
    return narrow(original, choices, digits.members[0].originals)


@pytest.fixture(scope="module")
def units(network: QuantizedNetwork) -> dict[str, Unit]:
    return {unit.name: unit for unit in units_of(network, {})}


@pytest.mark.parametrize("name", WIDTHS)
def test_exported_units_are_proven_for_all_operands(
    name: str, units: dict[str, Unit], network: QuantizedNetwork
) -> None:
    proof = prove_unit(units[name], network, "test", 60)
    assert proof.proof.outcome is Outcome.PROVEN
    assert proof.channels == units[name].channels
    assert proof.operands == f"all of {units[name].operand_bits} bits"


@pytest.mark.parametrize(("name", "field"), [("conv_0", "right_shift"), ("depthwise_1", "multiplier")])
def test_a_wrong_constant_of_one_channel_is_found(
    name: str, field: str, units: dict[str, Unit], network: QuantizedNetwork
) -> None:
    unit = units[name]
    stage = unit.stages[-1]
    values = getattr(stage, field).copy()
    values[-1] = (
        next(value for value in (stage.right_shift_min, stage.right_shift_max) if value != values[-1])
        if (field == "right_shift")
        else values[-1] ^ 1
    )
    wrong = replace(unit, constants=replace(unit.constants, stages=(replace(stage, **{field: values}),)))
    proof = prove_unit(wrong, network, "test", 60)
    assert proof.proof.outcome is Outcome.REFUTED
    assert proof.channel == unit.channels - 1


def test_a_wrong_bias_in_the_memory_is_found(units: dict[str, Unit], network: QuantizedNetwork) -> None:
    unit = units["conv_0"]
    assert unit.bias is not None
    with pytest.raises(StudyError, match=r"conv_0.*channel 0.*bias"):
        prove_unit(replace(unit, bias=unit.bias + 1), network, "test", 60)
