"""The contract suite that every registered architecture passes: RTL, reference, formula, stimulus, sweep and export."""

import itertools
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hw_workloads import addition, built_for, constant, convolution, needs_verilator, needs_yosys
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rtl_proof import Case, cases_of, check, input_ports, is_for, pipelined_cases
from verilated import Verilated
from yosys_oracle import parsed_operators, yosys_netlist, yosys_operators

from dse.export.interface import interface_for
from dse.export.render import parameters_verilog, unit_verilog
from dse.export.units import Unit
from hwmodels import HardwareError, RescalerWorkload, load_technology
from hwmodels.architectures.add import ADD
from hwmodels.architectures.add_shift import ADD_SHIFT
from hwmodels.architectures.array import ARRAY
from hwmodels.architectures.base import Architecture
from hwmodels.architectures.forms import FORMS
from hwmodels.architectures.registry import ARCHITECTURES, CHOICES, DEFAULT_CHOICE, architecture_for, contracts
from hwmodels.architectures.rounding import ROUNDED_SHIFTS, half_away, half_up, tflite_double
from hwmodels.architectures.serial import SERIAL
from hwmodels.costs import UnitCost, unit_cost
from hwmodels.models.parsed_parts import design_costs
from hwmodels.orders import DEFAULT_ORDER
from hwmodels.parsing import parse_files
from hwmodels.traces import SHIFT_BITS, load_recording
from nets.narrow import Interval, RescalerConstants, StageConstants, SumInput

Ends = tuple[int, int, int]  # zero point, q_min, q_max
TABLE = load_technology("aladdin40")
EVERY = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=lambda each: each.name)
EXPORTED = [architecture for architecture in ARCHITECTURES.values() if architecture.exported]
CASES = [case for each in ARCHITECTURES.values() for case in cases_of(each)[1 :: 3 if each.folded else 6]]
CASES += [case for each in ARCHITECTURES.values() for case in pipelined_cases(each)[::2]]


def layer(architecture: Architecture, **widths: int) -> RescalerWorkload:
    """A workload of an architecture's kind: one stage, one constant, or two stages."""
    k = min(max(widths.pop("multiplier_bits", 8), architecture.multiplier_bits[0]), architecture.multiplier_bits[1])
    general = convolution(multiplier_bits=k, **widths)
    general = replace(general, contract=architecture.contract, folded=architecture.folded)
    if architecture is ADD_SHIFT:
        return built_for(replace(addition(multiplier_bits=k), folded=True))
    if architecture.stages == 2:
        return addition(multiplier_bits=k)
    if is_for(architecture, general):
        return general
    low = widths.get("right_shift_min", 12)
    return constant((1 << k) - 1 - (5 << k >> 4), operand_bits=general.stages[0].operand_bits, right_shift=low)


@EVERY
class TestArchitecture:
    def test_it_is_registered_with_its_sources(self, architecture: Architecture) -> None:
        assert ARCHITECTURES[architecture.name] is architecture
        assert re.search(rf"^module {architecture.top}\b", architecture.files[0].read_text(), re.MULTILINE)
        assert architecture.choice in (None, "", *CHOICES)

    def test_its_rtl_has_the_ports_that_the_reference_and_the_stimulus_drive(self, architecture: Architecture) -> None:
        workload = layer(architecture)
        parameters = architecture.parameters(workload)
        design = parse_files(architecture.files, architecture.top, parameters)
        controls = {"ENABLE": 0, "RESET": int(architecture is SERIAL)}
        assert dict(design.parameters) == {**parameters, **controls}
        assert design.register_bits >= workload.output_bits
        inputs = {port.name: architecture.input_range(port.name, port.width, port.signed) for port in design.ports}
        outputs = architecture.outputs(parameters, {name: low for name, (low, _) in inputs.items()})
        assert outputs.keys() <= {port.name for port in design.ports if port.direction == "output"}
        assert all(low <= high for low, high in inputs.values())

    @needs_yosys
    @pytest.mark.parametrize(("k", "shift_bits", "shift_min"), [(31, 4, 40), (8, 3, 12), (2, 0, 9)])
    @pytest.mark.parametrize("ends", [None, (-128, -128, 127), (0, -128, 40), (4, -7, 40)], ids=str)
    def test_its_operators_equal_those_of_yosys(
        self, architecture: Architecture, k: int, shift_bits: int, shift_min: int, ends: Ends | None, tmp_path: Path
    ) -> None:
        span = (1 << shift_bits) - 1
        workload = layer(
            architecture,
            multiplier_bits=k,
            operand_bits=24,
            right_shift_min=shift_min,
            right_shift_max=shift_min + span,
        )
        workload = workload if ends is None else built_for(workload, *ends)
        parameters = architecture.parameters(workload)
        expected = yosys_operators(yosys_netlist(architecture.files, architecture.top, parameters, tmp_path))
        assert parsed_operators(parse_files(architecture.files, architecture.top, parameters)) == expected

    def test_its_proof_covers_narrow_and_wide_multipliers(self, architecture: Architecture) -> None:
        cases = cases_of(architecture)
        low, high = architecture.multiplier_bits
        assert len(cases) >= 3
        assert len({case.multiplier_bits for case in cases}) >= min(3, high - low + 1)
        assert {case.architecture.contract for case in cases} == {architecture.contract}
        assert any(case.parameters.get("CONSTANTS", 1) for case in cases)

    @settings(max_examples=60)
    @example(bits=8, k=1, low=0, span=8, out=4, ends=None)  # the upper bits of the amount shift everything out
    @given(
        bits=st.integers(8, 32), k=st.integers(1, 32), low=st.integers(-4, 40), span=st.integers(0, 12),
        out=st.integers(4, 16), ends=st.none() | st.tuples(*[st.integers(-8, 7)] * 3),
    )  # fmt: skip
    def test_its_formula_and_its_parsed_rtl_describe_the_same_hardware(
        self, architecture: Architecture, bits: int, k: int, low: int, span: int, out: int, ends: Ends | None
    ) -> None:
        workload = layer(
            architecture, operand_bits=bits, multiplier_bits=k, right_shift_min=low, right_shift_max=low + span,
            output_bits=out,
        )  # fmt: skip
        if ends is not None:  # in sixteenths of the output's range; -8 and 7 are its ends
            step, (zero, *bounds) = 1 << (workload.output_bits - 4), ends
            q_min, q_max = sorted(bounds)
            workload = built_for(workload, zero * step, q_min * step, (q_max + 1) * step - 1, (zero, -zero))
        if ends is not None and architecture is ADD:
            ones = tuple(
                replace(stage, multiplier=(1 << stage.multiplier_bits) - 1 - (5 << k >> 4)) for stage in workload.stages
            )
            workload = replace(workload, stages=ones)
        formula, rtl = by_formula(architecture, workload), by_rtl(architecture, workload)
        assert rtl.area_um2 == pytest.approx(formula.area_um2, rel=0.08)
        assert rtl.energy_pj == pytest.approx(formula.energy_pj, rel=0.08)
        assert not formula.missing

    def test_its_stimulus_drives_its_ports(self, architecture: Architecture) -> None:
        trace, low = load_recording().in_order(DEFAULT_ORDER), architecture.multiplier_bits[0]
        forms = [form for form in FORMS.values() if form.architecture is architecture]
        values = architecture.sweep_values or (low, 8, 31)
        widths = architecture.sweep_widths or (20,)
        for form, k, bits in itertools.product(forms, values, widths):
            workload = form.workload(architecture.sweep_point(trace, k, bits))
            architecture.check(workload)
            assert architecture.swept_bits(workload) == k
            columns = architecture.stimulus(trace, workload)
            ports = input_ports(architecture, architecture.parameters(workload))
            assert columns.keys() == {port.name for port in ports}
            assert len({values.shape for values in columns.values()}) == 1
            for port in ports:
                legal_low, legal_high = architecture.input_range(port.name, port.width, port.signed)
                assert legal_low <= columns[port.name].min(), (k, port)
                assert columns[port.name].max() <= legal_high, (k, port)
            # The recorded inputs of an ADD hold about a hundred values; over 64 need seven bits that change.
            assert any(len(np.unique(values)) > 64 for values in columns.values())

    def test_its_timing_is_consistent(self, architecture: Architecture) -> None:
        for k in range(architecture.multiplier_bits[0], architecture.multiplier_bits[1] + 1):
            assert architecture.latency(k) >= architecture.interval(k) >= 1
            assert architecture.lanes(k) >= 1

    def test_what_cannot_be_built_is_refused(self, architecture: Architecture) -> None:
        low, high = architecture.multiplier_bits
        workload = layer(architecture)
        wide = replace(workload, stages=tuple(replace(stage, multiplier_bits=high + 1) for stage in workload.stages))
        with pytest.raises(
            HardwareError, match=f"{architecture.name} architecture takes multipliers of {low} to {high}"
        ):
            architecture.check(wide)
        with pytest.raises(HardwareError, match="output_bits is 1"):
            architecture.check(replace(workload, output_bits=1))
        with pytest.raises(HardwareError, match="beyond 512"):
            architecture.check(replace(workload, stages=tuple(replace(s, operand_bits=1000) for s in workload.stages)))


def by_formula(architecture: Architecture, workload: RescalerWorkload) -> UnitCost:
    """The cost of an architecture's components."""
    return unit_cost([part.cost(TABLE) for part in architecture.parts(workload)])


def by_rtl(architecture: Architecture, workload: RescalerWorkload) -> UnitCost:
    design = parse_files(architecture.files, architecture.top, architecture.parameters(workload))
    return unit_cost(design_costs(design, TABLE))


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Verilated:
    return Verilated([case.dut for case in CASES], tmp_path_factory.mktemp("verilated"))


@needs_verilator
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label.replace(" ", "-"))
def test_rtl_equals_exact_integers(case: Case, simulation: Verilated) -> None:
    """Some of the designs on a few vectors; the script ``rtl_proof.py`` proves all of them on a million each."""
    vectors, mismatches = check(case, simulation, CASES.index(case), 5_000)
    assert vectors >= (300 if case.exhaustive else 4_000)
    assert mismatches == 0


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(1 << 30, (1 << 31) - 1), st.integers(0, 15))
def test_one_rounding_and_two_agree_but_for_ties(acc: int, multiplier: int, exponent: int) -> None:
    """The references themselves: gemmlowp's two roundings never differ from one by more than one unit."""
    twice = tflite_double(acc, multiplier, 31, exponent)
    assert abs(twice - half_up(acc * multiplier, 31 + exponent)) <= 1
    assert half_away(-acc * multiplier, 31) == -half_away(acc * multiplier, 31)


@given(st.integers(-(1 << 40), 1 << 40), st.integers(-5, 40), st.sampled_from(sorted(ROUNDED_SHIFTS)))
def test_the_references_round_as_their_contracts_say(p: int, r: int, contract: str) -> None:
    exact: dict[str, Callable[[float], int]] = {
        "half_up": lambda x: math.floor(x + 0.5),
        "floor": math.floor,
        "half_away": lambda x: int(math.copysign(math.floor(abs(x) + 0.5), x)),
    }
    assert ROUNDED_SHIFTS[contract](p, r) == exact[contract](p / 2.0**r)


RTL_SETS = [
    (ARRAY, {}),
    (ARRAY, {"MULT_WIDTH": 1}),
    (ARRAY, {"MULT_WIDTH": 1, "SHIFT_WIDTH": 0, "SHIFT_MIN": 7}),
    (ARRAY, {"ACC_WIDTH": 20, "MULT_WIDTH": 8, "SHIFT_WIDTH": 3, "SHIFT_MIN": 12}),
    (ARRAY, {"ACC_WIDTH": 20, "MULT_WIDTH": 8, "SHIFT_WIDTH": 3, "SHIFT_MIN": 12, "PRODUCT_STAGES": 3, "SUM_STAGE": 1}),
    (ARRAY, {"SHIFT_WIDTH": 0, "PRODUCT_STAGES": 1, "SHIFT_MIN": -3}),
    (ARRAY, {"MULT_WIDTH": 1, "SHIFT_STAGE": 1, "SUM_STAGE": 1}),
    (ARRAY, {"ACC_WIDTH": 4, "MULT_WIDTH": 2, "SHIFT_MIN": 12}),
    (ARRAY, {"ACC_WIDTH": 26, "MULT_WIDTH": 4, "SHIFT_MIN": 9, "SHIFT_WIDTH": 2, "OUT_WIDTH": 16}),
    (ADD, {}),
    (ADD, {"MULT_IN_WIDTH": 1, "SHIFT_IN_MIN": -17, "MULT_OUT_WIDTH": 4, "SHIFT_OUT_MIN": 22, "SUM_WIDTH": 30}),
    (ADD, {"MULT_IN_WIDTH": 6, "SHIFT_IN_MIN": -12, "SHIFT_IN_WIDTH": 2, "MULT_OUT_WIDTH": 1, "SUM_WIDTH": 30}),
]


@needs_yosys
@pytest.mark.parametrize(("architecture", "parameters"), RTL_SETS, ids=lambda each: getattr(each, "name", str(each)))
def test_operators_of_varied_parameters_equal_those_of_yosys(
    architecture: Architecture, parameters: dict[str, int], tmp_path: Path
) -> None:
    expected = yosys_operators(yosys_netlist(architecture.files, architecture.top, parameters, tmp_path))
    assert parsed_operators(parse_files(architecture.files, architecture.top, parameters)) == expected
    assert sum(expected[0].values()) >= 13


@pytest.mark.parametrize("architecture", EXPORTED, ids=lambda each: each.name)
@pytest.mark.parametrize(("k", "span"), [(8, 4), (1, 4), (31, 0)])
def test_its_export_elaborates(architecture: Architecture, k: int, span: int, tmp_path: Path) -> None:
    workload = layer(architecture, multiplier_bits=k, right_shift_min=12, right_shift_max=12 + span, channels=5)
    unit = unit_of(architecture, workload)
    interface = interface_for((unit,), None, None, "rom")
    texts = [unit_verilog(unit, "test", interface)]
    texts += [parameters_verilog(unit, "test", interface)] if unit.fields else []
    path = tmp_path / "unit.v"
    path.write_text("".join(texts))
    design = parse_files((path, *unit.files), f"unit_{unit.identifier}", {})
    assert {"clk", "q"} <= {port.name for port in design.ports}
    core = parse_files(unit.files, unit.module, unit.parameters)
    assert {register.width for register in core.registers} <= {register.width for register in design.registers}


def unit_of(architecture: Architecture, workload: RescalerWorkload) -> Unit:
    """The exported unit of a workload, with constants of the right widths."""
    half, channels = 1 << (workload.stages[-1].operand_bits - 1), workload.channels
    stages = tuple(
        StageConstants(
            operand_bits=stage.operand_bits,
            multiplier_bits=stage.multiplier_bits,
            multiplier=np.full(channels, stage.multiplier or 1 << (stage.multiplier_bits - 1)),
            right_shift=np.full(channels, stage.right_shift_min),
        )
        for stage in workload.stages
    )
    one_stage = architecture.stages == 1
    inputs = () if one_stage else (SumInput(0, 1, complemented=False), SumInput(1, 2, complemented=False))
    constants = RescalerConstants(
        stages=stages, offset=np.zeros(channels, np.int64), inputs=inputs, saturates=True,
        accumulator=Interval(np.full(channels, -half), np.full(channels, half - 1)),
        unfolded_because="" if workload.folded else "a test",
        unfolded_bits=stages[-1].operand_bits,
    )  # fmt: skip
    return Unit(
        identifier="u", method="round", workload=workload, architecture=architecture, constants=constants,
        bias=np.arange(channels) if one_stage else None, stored_bits=8, zero_point=-3, q_min=-128, q_max=127,
    )  # fmt: skip


class TestSelection:
    def test_every_choice_serves_every_width_of_the_default_contract(self) -> None:
        for choice in CHOICES:
            for k in range(1, 32):
                architecture = architecture_for(convolution(multiplier_bits=k), choice)
                assert architecture.choice == (DEFAULT_CHOICE if choice == "serial" and k == 1 else choice)
                assert architecture.contract == convolution().contract

    def test_every_contract_with_hardware_has_an_architecture_of_the_default_choice(self) -> None:
        assert contracts() == ("half_up", "floor", "half_away", "tflite_double")
        for contract in contracts():
            assert architecture_for(replace(convolution(), contract=contract)).contract == contract
            assert architecture_for(replace(addition(), contract=contract)) is ARCHITECTURES["add"]

    def test_a_constant_multiplier_is_no_choice_of_a_study(self) -> None:
        assert architecture_for(constant(171)).choice == DEFAULT_CHOICE
        with pytest.raises(HardwareError, match="a constant multiplier and shift are needed"):
            ARCHITECTURES["constant"].check(convolution())


@EVERY
def test_designs_of_the_sweep_are_those_that_the_published_names_say(architecture: Architecture) -> None:
    width = 8 if architecture.swept == "multiplier_bits" else 2
    point = architecture.sweep_point(load_recording().in_order(DEFAULT_ORDER), width, 20)
    assert (getattr(point, architecture.swept), point.acc_bits) == (width, 20)
    assert architecture.swept == "shift_bits" or point.shift_bits == SHIFT_BITS
    workload = architecture.sweep_workload(point)
    assert workload.multiplier_bits == point.multiplier_bits
    assert workload.stages[-1].operand_bits == 20
    assert workload.folded == architecture.folded
    assert workload.contract == architecture.contract
