"""The shipped RTL: its parsed operators against yosys, and its results against exact Python integers."""

from pathlib import Path

import pytest
from hw_workloads import needs_verilator, needs_yosys
from hypothesis import given
from hypothesis import strategies as st
from rtl_proof import check, half_away, half_up, large_cases, small_cases, tflite_double
from verilated import Verilated
from yosys_oracle import parsed_operators, yosys_netlist, yosys_operators

from hwmodels.architectures.registry import ARCHITECTURES, RTL_FOLDER, Shape
from hwmodels.parsing import parse_files

RESCALER = (RTL_FOLDER / "rescaler.v",)
ADD = (RTL_FOLDER / "rescaler_add.v", RTL_FOLDER / "rescaler.v")

RESCALER_SETS = [
    {},
    {"MULT_WIDTH": 1},
    {"MULT_WIDTH": 1, "SHIFT_WIDTH": 0, "SHIFT_MIN": 7},
    {"ACC_WIDTH": 20, "MULT_WIDTH": 8, "SHIFT_WIDTH": 3, "SHIFT_MIN": 12},
    {"ACC_WIDTH": 20, "MULT_WIDTH": 8, "SHIFT_WIDTH": 3, "SHIFT_MIN": 12, "PIPELINE": 1},
    {"SHIFT_WIDTH": 0, "PIPELINE": 1, "SHIFT_MIN": -3},
    {"ACC_WIDTH": 4, "MULT_WIDTH": 2, "SHIFT_MIN": 12},
    {"ACC_WIDTH": 26, "MULT_WIDTH": 4, "SHIFT_MIN": 9, "SHIFT_WIDTH": 2, "OUT_WIDTH": 16},
]
ADD_SETS = [
    {},
    {"MULT_IN_WIDTH": 1, "SHIFT_IN_MIN": -17, "MULT_OUT_WIDTH": 4, "SHIFT_OUT_MIN": 22, "SUM_WIDTH": 30},
    {"MULT_IN_WIDTH": 6, "SHIFT_IN_MIN": -12, "SHIFT_IN_WIDTH": 2, "MULT_OUT_WIDTH": 1, "SUM_WIDTH": 30},
]


@needs_yosys
@pytest.mark.parametrize("parameters", RESCALER_SETS, ids=str)
def test_rescaler_operators_equal_those_of_yosys(parameters: dict[str, int], tmp_path: Path) -> None:
    expected = yosys_operators(yosys_netlist(RESCALER, "rescaler", parameters, tmp_path))
    assert parsed_operators(parse_files(RESCALER, "rescaler", parameters)) == expected
    assert sum(expected[0].values()) >= 13


@needs_yosys
@pytest.mark.parametrize("parameters", ADD_SETS, ids=str)
def test_add_operators_equal_those_of_yosys(parameters: dict[str, int], tmp_path: Path) -> None:
    expected = yosys_operators(yosys_netlist(ADD, "rescaler_add", parameters, tmp_path))
    assert parsed_operators(parse_files(ADD, "rescaler_add", parameters)) == expected


OTHERS = ["floor", "half_away", "tflite_double", "serial", "fractured", "constant"]


@needs_yosys
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(("k", "shift_bits", "shift_min"), [(31, 4, 40), (8, 3, 12), (2, 0, 9)])
def test_operators_of_every_architecture_equal_those_of_yosys(
    name: str, k: int, shift_bits: int, shift_min: int, tmp_path: Path
) -> None:
    described = ARCHITECTURES[name]
    shape = Shape(
        multiplier_bits=k, acc_bits=24, shift_bits=shift_bits, shift_min=shift_min, constant=max((1 << k) - 5 * k, 3)
    )
    parameters = described.parameters(shape)
    expected = yosys_operators(yosys_netlist(described.files, described.top, parameters, tmp_path))
    assert parsed_operators(parse_files(described.files, described.top, parameters)) == expected


# A dozen designs, one of each kind; the script proves all of them on a million vectors each.
SMALL = [case for case in small_cases() if case.parameters.get("SHIFT_MIN") in (-2, 3)]
SMALL += [case for case in small_cases() if case.architecture in ("serial", "tflite_double")][:2]
LARGE = [case for case in large_cases() if case.parameters.get("MULT_WIDTH") in (8, 4)]
LARGE += [case for case in large_cases() if 6 in case.parameters.values() or 171 in case.parameters.values()]
CASES = SMALL + LARGE


@pytest.fixture(scope="session")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Verilated:
    return Verilated([case.dut for case in CASES], tmp_path_factory.mktemp("verilated"))


@needs_verilator
@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda index: CASES[index].label.replace(" ", "-"))
def test_rtl_equals_exact_integers(index: int, simulation: Verilated) -> None:
    vectors, mismatches = check(CASES[index], simulation, index, 5_000)
    assert vectors >= 5_000
    assert mismatches == 0


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(1 << 30, (1 << 31) - 1), st.integers(0, 15))
def test_one_rounding_and_two_agree_but_for_ties(acc: int, multiplier: int, exponent: int) -> None:
    """The references themselves: gemmlowp's two roundings never differ from one by more than one unit."""
    twice = tflite_double(acc, multiplier, 31, exponent)
    assert abs(twice - half_up(acc * multiplier, 31 + exponent)) <= 1
    assert half_away(-acc * multiplier, 31) == -half_away(acc * multiplier, 31)
