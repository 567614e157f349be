"""Units of exported designs: memory words, vectors and text, against the integer model and against C."""

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from dse.errors import StudyError
from dse.evaluate.designs import narrowed
from dse.evaluate.lowering import lower
from dse.export.render import c_header, comment, literal, memory_hex, unit_verilog, vectors_hex, wired
from dse.export.units import Unit, units_of
from dse.export.vectors import Vectors, vectors_of
from dse.study.prepared import PreparedStudy, prepare
from dse.study.space import space_over
from hwmodels.architectures import architecture_for
from hwmodels.parsing import parse_files
from nets.execute import IntegerExecutor, accumulator
from nets.execute import executor as execution
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.contracts import FULL_MULTIPLIER_BITS
from nets.network.operators import ElementwiseKind, ElementwiseSum, Method, NarrowableOperator
from nets.network.quantized_network import QuantizedNetwork
from tests.small_studies import small_spec

WIDTHS = (1, 3, 5, 8, 12, 31)


def mixed_choices(prepared: PreparedStudy, first: int = 0) -> dict[str, RescalerChoice]:
    """Another width and method at every rescaler of the digits network."""
    choices = {}
    for position, operator in enumerate(prepared.members[0].network.narrowable_operators()):
        methods = tuple(Method)
        choices[operator.name] = RescalerChoice(
            WIDTHS[(position + first) % len(WIDTHS)], methods[position % len(methods)]
        )
    return choices


def mixed(prepared: PreparedStudy, first: int = 0) -> QuantizedNetwork:
    return narrow(prepared.members[0].network, mixed_choices(prepared, first), prepared.members[0].originals)


@pytest.fixture(scope="session")
def network(digits: PreparedStudy) -> QuantizedNetwork:
    return mixed(digits)


@pytest.fixture(scope="session")
def units(network: QuantizedNetwork, digits: PreparedStudy) -> tuple[Unit, ...]:
    return units_of(network, {name: choice.method.value for name, choice in mixed_choices(digits).items()})


@pytest.fixture(scope="session")
def vectors(network: QuantizedNetwork, units: tuple[Unit, ...], digits: PreparedStudy) -> dict[str, Vectors]:
    return vectors_of(network, units, digits.members[0].splits.validation.inputs[:8].astype(np.int8), 300, 0)


def half_up(value: int, multiplier: int, shift: int) -> int:
    """The contract in Python's unbounded integers."""
    return (value * multiplier + (1 << (shift - 1))) >> shift if shift > 0 else value * multiplier << -shift


def test_every_width_and_both_methods_are_exported(units: tuple[Unit, ...], network: QuantizedNetwork) -> None:
    assert [unit.name for unit in units] == [operator.name for operator in network.narrowable_operators()]
    assert {unit.stages[-1].multiplier_bits for unit in units} == set(WIDTHS)
    assert {unit.method for unit in units} == {"round", "absorb"}
    assert any(unit.is_add for unit in units)


def clamped(unit: Unit, value: int) -> int:
    return min(max(value, unit.q_min), unit.q_max)


def stored_inputs(unit: Unit, operands: np.ndarray) -> list[int]:
    """What an ADD's module receives."""
    return [~int(x) if each.complemented else int(x) for x, each in zip(operands, unit.constants.inputs, strict=True)]


def computed(unit: Unit, channel: int, operands: np.ndarray) -> int:
    """What the unit computes from its constants, in Python's unbounded integers."""
    last = unit.stages[-1]
    multiplier, shift = int(last.multiplier[channel]), int(last.right_shift[channel])
    acc = int(operands[0])
    if unit.is_add and unit.folded:
        pairs = zip(stored_inputs(unit, operands), unit.left_shifts, strict=True)
        acc = sum(x << left for x, left in pairs) + int(unit.constants.offset[0])
    elif unit.is_add:
        zeros = (each.zero_point for each in unit.constants.inputs)
        scaled, halved = (x - z for x, z in zip(stored_inputs(unit, operands), zeros, strict=True))
        stage = unit.stages[0]
        acc = half_up(scaled, int(stage.multiplier[0]), int(stage.right_shift[0])) + (halved << 19)
    if unit.folded:
        return clamped(unit, acc >> shift if shift >= 0 else acc << -shift)
    return clamped(unit, unit.zero_point + half_up(acc, multiplier, shift))


@pytest.mark.parametrize("first", range(len(WIDTHS)))
def test_stored_constants_give_the_models_outputs(digits: PreparedStudy, first: int) -> None:
    network = mixed(digits, first)
    units = units_of(network, {})
    assert {unit.folded for unit in units} == {False, True}
    found = vectors_of(network, units, digits.members[0].splits.validation.inputs[:4].astype(np.int8), 200, 0)
    for unit in units:
        assert unit.folded == (unit.stages[-1].multiplier_bits == 1)
        rows = found[unit.name]
        for channel, operands, expected in zip(rows.channel, rows.operands, rows.expected, strict=True):
            assert computed(unit, channel, operands) == expected


def test_vectors_come_from_the_network_and_hold_every_channels_ends(
    units: tuple[Unit, ...], vectors: dict[str, Vectors]
) -> None:
    for unit in units:
        rows = vectors[unit.name]
        assert 0 < rows.from_network <= 300
        assert set(rows.channel[: rows.from_network]) == set(range(unit.channels))
        if not unit.is_add:
            ends = rows.operands[rows.from_network :, 0]
            assert len(ends) == 2 * unit.channels
            assert rows.operands[: rows.from_network].min() >= ends.min()
            assert rows.operands[: rows.from_network].max() <= ends.max()
            assert max(int(ends.max()).bit_length(), int(-ends.min() - 1).bit_length()) + 1 == unit.operand_bits
        assert len(set(rows.expected.tolist())) > 1


def test_vectors_do_not_depend_on_how_many_samples_are_held(
    digits: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, inputs = mixed(digits, 0), digits.members[0].splits.validation.inputs[:6].astype(np.int8)
    units = units_of(network, {})
    together = vectors_of(network, units, inputs, 100, 0)
    monkeypatch.setattr(execution, "_HELD_ELEMENTS", 1)
    one_by_one = vectors_of(network, units, inputs, 100, 0)
    tensors = IntegerExecutor(network).tensors(inputs)
    for unit in units:
        one, other = together[unit.name], one_by_one[unit.name]
        assert np.array_equal(one.expected, other.expected)
        assert np.array_equal(one.operands, other.operands)
        operator = network.operator(unit.name)
        assert isinstance(operator, NarrowableOperator)
        if not unit.is_add:
            given = [torch.from_numpy(tensors[index]) for index in operator.inputs]
            reached = accumulator(operator, network)(given).numpy() + unit.constants.offset
            taken = one.operands[: one.from_network, 0]
            assert (taken.min(), taken.max()) == (reached.min(), reached.max())


def test_memory_words_unpack_to_what_was_stored(units: tuple[Unit, ...]) -> None:
    for unit in units:
        if not unit.fields:
            continue
        lines = memory_hex(unit).split()
        assert len(lines) == unit.channels
        last = unit.stages[-1]
        for channel, line in enumerate(lines):
            rest, got = int(line, 16), {}
            assert rest < 1 << unit.word_bits
            for name, width in reversed(unit.fields):
                got[name], rest = rest & ((1 << width) - 1), rest >> width
            bias = got["bias"] - (got["bias"] >> (unit.accumulator_bits - 1) << unit.accumulator_bits)
            assert unit.bias is not None
            assert bias == unit.bias[channel]
            implied = 1 << (last.multiplier_bits - 1)
            assert implied + got.get("mult", 0) == last.multiplier[channel]
            assert got.get("shift", 0) + last.right_shift_min == last.right_shift[channel]


def test_what_is_exported_is_what_is_costed(units: tuple[Unit, ...], network: QuantizedNetwork) -> None:
    """The same workload, and so the same module, parameters and memory."""
    assert [unit.workload for unit in units] == list(lower(network))
    for unit in units:
        architecture = architecture_for(unit.workload)
        assert (unit.module, unit.files) == (architecture.top, architecture.files)
        assert unit.parameters == architecture.parameters(unit.workload)
        assert unit.word_bits == unit.workload.parameter_bits + unit.workload.bias_bits


def test_vector_lines_have_the_width_of_their_fields(units: tuple[Unit, ...], vectors: dict[str, Vectors]) -> None:
    for unit in units:
        lines = vectors_hex(unit, vectors[unit.name]).split()
        assert len(lines) == len(vectors[unit.name])
        assert max(int(line, 16) for line in lines) < 1 << unit.vector_bits


def test_units_connect_every_port_of_their_module(units: tuple[Unit, ...]) -> None:
    for unit in units:
        text = unit_verilog(unit, "digits")
        for port in parse_files(unit.files, unit.module, unit.parameters).ports:
            assert text.count(f"        .{port.name}(") == 1, port.name
        assert (f"parameters_{unit.identifier} " in text) == bool(unit.fields)


@pytest.mark.parametrize(
    ("value", "bits", "text"), [(-128, 8, "$signed(8'h80)"), (127, 8, "$signed(8'h7f)"), (-1, 4, "$signed(4'hf)")]
)
def test_signed_literals(value: int, bits: int, text: str) -> None:
    assert literal(value, bits) == text


def test_literals_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="128 does not fit 8 signed bits"):
        literal(128, 8)
    with pytest.raises(ValueError, match="8 does not fit 3 bits"):
        wired(8, 3)


def test_text_from_files_cannot_leave_a_comment(units: tuple[Unit, ...]) -> None:
    assert comment("a */ int x; /* b\n`define y") == "a __ int x; __ b__define y"
    workload = dataclasses.replace(units[0].workload, name="evil\nendmodule */")
    hostile = dataclasses.replace(units[0], workload=workload)
    assert len(re.findall(r"^endmodule", unit_verilog(hostile, "x\nendmodule"), re.MULTILINE)) == 1


@pytest.mark.usefixtures("trained_once")
def test_other_contracts_of_hardware_are_exported_where_there_is_no_add() -> None:
    with pytest.raises(StudyError, match=r"operator 'add_3': an ADD under contract 'floor' has no RTL"):
        units_of(prepare(small_spec(network__contract="floor")).members[0].network, {})
    with pytest.raises(StudyError, match="contract 'tflite_double' has no RTL to export; use one of half_up, floor"):
        units_of(prepare(small_spec(network__contract="tflite_double")).members[0].network, {})


@pytest.mark.parametrize("bits", [1, 4])
def test_equal_input_scales_make_an_add_of_two_wired_shifts(digits: PreparedStudy, bits: int) -> None:
    network = digits.members[0].network
    add = next(op for op in network.narrowable_operators() if isinstance(op, ElementwiseSum))
    scale = network.tensors[add.inputs[0]].scale
    tensors = {index: dataclasses.replace(network.tensors[index], scale=scale) for index in add.inputs}
    space = space_over(tuple(network.narrowable_operators()), digits.spec.search, digits.spec.fidelity.finetune)
    equal = network.with_tensors(tensors)
    equal = narrow(equal, dict(space.uniform(bits, Method.ROUND, digits.spec.fidelity.finetune).choices))
    unit = next(unit for unit in units_of(equal, {}) if unit.name == add.name)
    assert unit.is_add
    assert unit.folded == (bits == 1)
    assert (unit.stages[0].multiplier_bits, unit.stages[0].right_shift_min) == (1, -19)
    inputs = digits.members[0].splits.validation.inputs[:4].astype(np.int8)
    rows = vectors_of(equal, units_of(equal, {}), inputs, 200, 0)[add.name]
    for operands, expected in zip(rows.operands, rows.expected, strict=True):
        assert computed(unit, 0, operands) == expected


def as_difference(network: QuantizedNetwork, *, exchanged: bool) -> tuple[QuantizedNetwork, str]:
    """The network with a SUB for its ADD, its inputs exchanged or not."""
    add = next(op for op in network.narrowable_operators() if isinstance(op, ElementwiseSum))
    order = -1 if exchanged else 1
    sub = dataclasses.replace(
        add,
        kind=ElementwiseKind.SUB,
        inputs=add.inputs[::order],
        input_rescalers=add.input_rescalers[::order],
    )
    return network.with_operators({add.name: sub}), add.name


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("bits", [1, 8])
def test_a_difference_is_a_sum_of_the_complement(digits: PreparedStudy, bits: int, exchanged: bool) -> None:
    choices = {op.name: RescalerChoice(bits) for op in digits.operators}
    network, name = as_difference(narrow(digits.members[0].network, choices), exchanged=exchanged)
    operator = network.operator(name)
    assert isinstance(operator, ElementwiseSum)
    subtracts_the_scaled = float(operator.input_rescalers[1].scale[0]) != 0.5
    if bits == 8 and subtracts_the_scaled:
        with pytest.raises(StudyError, match=f"operator '{name}': a SUB whose subtracted input has a multiplier"):
            units_of(network, {})
        return
    units = units_of(network, {})
    unit = next(unit for unit in units if unit.name == name)
    assert unit_verilog(unit, "digits").count("_input(~") == 1
    inputs = digits.members[0].splits.validation.inputs[:4].astype(np.int8)
    rows = vectors_of(network, units, inputs, 200, 0)[name]
    for operands, expected in zip(rows.operands, rows.expected, strict=True):
        assert computed(unit, 0, operands) == expected


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("first", [0, 3])
def test_c_header_rescales_like_the_model(digits: PreparedStudy, first: int, tmp_path: Path) -> None:
    network = mixed(digits, first)
    units = units_of(network, {})
    vectors = vectors_of(network, units, digits.members[0].splits.validation.inputs[:8].astype(np.int8), 300, 0)
    assert any(unit.is_add and unit.folded for unit in units) == (first == 3)
    (tmp_path / "rescalers.h").write_text(c_header(units, "digits trial */ 3", "half_up"))
    single = [unit for unit in units if not unit.is_add]
    sums = [unit for unit in units if unit.is_add and unit.folded]
    table, sum_table = (", ".join(f"&{unit.identifier}" for unit in group) or "0" for group in (single, sums))
    (tmp_path / "main.c").write_text(
        '#include "rescalers.h"\n#include <stdio.h>\n'
        f"int main(void) {{\n    const rescaler_t *all[] = {{ {table} }};\n"
        f"    const folded_sum_t *sums[] = {{ {sum_table} }};\n    int u, c, acc;\n"
        '    while (scanf("%d %d %d", &u, &c, &acc) == 3)\n'
        '        if (u < 0) printf("%d %s\\n", add_folded(sums[-1 - u], c, acc), sums[-1 - u]->name);\n'
        '        else printf("%d %s\\n", rescale(all[u], c, acc), all[u]->name);\n'
        "    return 0;\n}\n"
    )
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused-const-variable", "-fsanitize=undefined"]
    command = ["cc", *flags, str(tmp_path / "main.c"), "-o", str(tmp_path / "main")]
    subprocess.run(command, check=True, capture_output=True, text=True)
    lines, expected = [], []
    for number, unit in [*enumerate(single), *((-1 - i, unit) for i, unit in enumerate(sums))]:
        rows = vectors[unit.name]
        operands = np.column_stack([rows.channel, rows.operands]) if number >= 0 else rows.operands
        for (first, second), q in zip(operands, rows.expected, strict=True):
            lines.append(f"{number} {first} {second}")
            expected.append(f"{q} {unit.name}")
    done = subprocess.run([tmp_path / "main"], input="\n".join(lines), capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == expected
    assert done.stderr == ""


def test_full_width_is_exported_too(digits: PreparedStudy) -> None:
    units = units_of(digits.members[0].network, {})
    assert {unit.stages[-1].multiplier_bits for unit in units} == {FULL_MULTIPLIER_BITS}


def test_narrowed_points_of_a_study_can_all_be_exported(digits: PreparedStudy) -> None:
    space = space_over(digits.operators, digits.spec.search, digits.spec.fidelity.finetune)
    for bits in (1, 2, 16):
        for method in (Method.ROUND, Method.ABSORB):
            assert units_of(narrowed(digits.members[0], space.uniform(bits, method, digits.spec.fidelity.finetune)), {})
