"""Units that are built for the multiplier of their layer: an ADD's two, and that of a layer with one scale."""

from dataclasses import replace
from pathlib import Path

import pytest
from hw_workloads import addition, built_for, constant, convolution, needs_verilator, needs_yosys
from hypothesis import given, settings
from hypothesis import strategies as st
from rtl_proof import Case, check
from verilated import Verilated
from yosys_oracle import parsed_operators, yosys_netlist, yosys_operators

from hwmodels import RescalerWorkload, load_technology
from hwmodels.architectures.registry import ARCHITECTURES, architecture_for
from hwmodels.costs import unit_cost
from hwmodels.models.parsed_parts import design_costs
from hwmodels.parsing import parse_files

ADD, CONSTANT, ARRAY = (ARCHITECTURES[name] for name in ("add", "constant", "array"))
MULTIPLIERS = [(1 << 30, (1 << 31) - 1), (1518500250, 1717986918), (0x55555555, 0x6DB6DB6D), (5, 7)]


def constant_addition(mult_in: int, mult_out: int) -> RescalerWorkload:
    bits = max(mult_in, mult_out).bit_length()
    first, last = addition(multiplier_bits=bits).stages
    stages = (replace(first, multiplier=mult_in), replace(last, multiplier=mult_out))
    return built_for(replace(addition(multiplier_bits=bits), stages=stages), zero_point=4, q_max=90)


def test_only_a_unit_with_constant_outputs_takes_a_constant_multiplier() -> None:
    workload = constant(171)
    assert architecture_for(workload) is ARRAY
    assert architecture_for(built_for(workload)) is CONSTANT
    assert architecture_for(built_for(convolution())) is ARRAY
    parameters = ADD.parameters(replace(constant_addition(1 << 30, 5), output=None))
    assert (parameters["MULT_IN"], parameters["MULT_OUT"]) == (0, 0)
    assert ADD.parameters(constant_addition(1 << 30, 5))["MULT_IN"] == 1 << 30


def test_constant_multipliers_are_not_stored() -> None:
    assert addition(multiplier_bits=31).parameter_bits == 60
    assert constant_addition(1 << 30, (1 << 31) - 1).parameter_bits == 0
    assert constant(171).parameter_bits == 0
    assert constant(171).bias_bits == 32


@settings(max_examples=40)
@given(
    st.integers(1 << 30, (1 << 31) - 1),
    st.integers(1 << 30, (1 << 31) - 1),
    st.integers(-128, 127),
    st.integers(-128, 127),
)
def test_an_add_computes_with_its_constants(mult_in: int, mult_out: int, scaled: int, halved: int) -> None:
    """Whatever its ports for multipliers say, it computes what the programmable one does with these at its ports."""
    parameters = ADD.parameters(constant_addition(mult_in, mult_out))
    inputs = {"scaled_input": scaled, "halved_input": halved}
    programmable = {**parameters, "MULT_IN": 0, "MULT_OUT": 0}
    expected = ADD.outputs(programmable, {**inputs, "mult_in": mult_in, "mult_out": mult_out})
    assert ADD.outputs(parameters, {**inputs, "mult_in": 0, "mult_out": 0}) == expected


@settings(max_examples=30)
@given(st.integers(1 << 30, (1 << 31) - 1), st.integers(1 << 30, (1 << 31) - 1))
def test_formula_and_parsed_rtl_describe_the_same_hardware(mult_in: int, mult_out: int) -> None:
    table, workload = load_technology("aladdin40"), constant_addition(mult_in, mult_out)
    formula = unit_cost([part.cost(table) for part in ADD.parts(workload)])
    rtl = unit_cost(design_costs(parse_files(ADD.files, ADD.top, ADD.parameters(workload)), table))
    assert rtl.area_um2 == pytest.approx(formula.area_um2, rel=0.08)
    programmable = replace(workload, stages=addition(multiplier_bits=31).stages)
    assert formula.area_um2 < 0.75 * unit_cost([part.cost(table) for part in ADD.parts(programmable)]).area_um2


@needs_yosys
@pytest.mark.parametrize(("mult_in", "mult_out"), MULTIPLIERS)
def test_operators_equal_those_of_yosys(mult_in: int, mult_out: int, tmp_path: Path) -> None:
    parameters = ADD.parameters(constant_addition(mult_in, mult_out))
    expected = yosys_operators(yosys_netlist(ADD.files, ADD.top, parameters, tmp_path))
    assert parsed_operators(parse_files(ADD.files, ADD.top, parameters)) == expected


@needs_verilator
@pytest.mark.slow
def test_rtl_equals_exact_integers(tmp_path: Path) -> None:
    workloads = [constant_addition(*pair) for pair in MULTIPLIERS]
    cases = [Case(ADD, ADD.parameters(workload), workload.multiplier_bits) for workload in workloads]
    cases.append(Case(CONSTANT, CONSTANT.parameters(built_for(constant(1518500250))), 31))
    simulation = Verilated([case.dut for case in cases], tmp_path)
    for place, case in enumerate(cases):
        vectors, mismatches = check(case, simulation, place, 20_000)
        assert (vectors >= 20_000, mismatches) == (True, 0)
