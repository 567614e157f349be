"""The shipped RTL: its parsed operators against yosys, and its results against exact Python integers."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hw_workloads import needs_verilator, needs_yosys
from verilated import Verilated
from yosys_oracle import parsed_operators, yosys_netlist, yosys_operators

from hwmodels.parsing import parse_files
from hwmodels.rtl_model import RTL_FOLDER

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


def round_shift(x: int, r: int) -> int:
    """Contract half_up on exact integers."""
    return (x + (1 << (r - 1))) >> r if r >= 1 else x << -r


def corners_and_random(bits: int, signed: bool, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    corners = [low, low + 1, high - 1, high, *(value for value in (-1, 0, 1) if low <= value <= high)]
    widths = rng.integers(0, bits + 1, count)  # small numbers as often as large ones
    drawn = rng.integers(low, high, count, endpoint=True) >> (bits - widths)
    return np.concatenate([np.array(corners, dtype=np.int64), drawn.astype(np.int64)])


@needs_verilator
@pytest.mark.parametrize(
    "parameters",
    [
        {"ACC_WIDTH": 32, "MULT_WIDTH": 31, "SHIFT_WIDTH": 4, "SHIFT_MIN": 30},
        {"ACC_WIDTH": 20, "MULT_WIDTH": 8, "SHIFT_WIDTH": 3, "SHIFT_MIN": 9, "PIPELINE": 1},
        {"ACC_WIDTH": 18, "MULT_WIDTH": 1, "SHIFT_WIDTH": 3, "SHIFT_MIN": -2},
        {"ACC_WIDTH": 5, "MULT_WIDTH": 2, "SHIFT_WIDTH": 3, "SHIFT_MIN": 5, "OUT_WIDTH": 4},
    ],
    ids=str,
)
def test_rescaler_equals_exact_integers(parameters: dict[str, int], tmp_path: Path) -> None:
    rtl = Verilated(RESCALER, "rescaler", parameters, tmp_path, clocks=1 + parameters.get("PIPELINE", 0))
    rng = np.random.default_rng(1)
    k, out = parameters["MULT_WIDTH"], parameters.get("OUT_WIDTH", 8)
    acc = corners_and_random(parameters["ACC_WIDTH"], True, 20_000, rng)
    half = 1 << (k - 1)
    columns = {
        "acc": acc,
        "mult": rng.integers(half, 2 * half, acc.size),
        "shift": rng.integers(0, 1 << parameters["SHIFT_WIDTH"], acc.size),
        "zero_point": rng.integers(-(1 << (out - 1)), 1 << (out - 1), acc.size),
    }
    bounds = np.sort(rng.integers(-(1 << (out - 1)), 1 << (out - 1), (acc.size, 2)), axis=1)
    bounds[::2] = (-(1 << (out - 1)), (1 << (out - 1)) - 1)
    got = rtl.run({**columns, "q_min": bounds[:, 0], "q_max": bounds[:, 1]})
    rows = zip(*(columns[name].tolist() for name in columns), *bounds.T.tolist(), strict=True)
    expected = [
        min(max(z + round_shift(x * m, parameters["SHIFT_MIN"] + s), low), high) for x, m, s, z, low, high in rows
    ]
    assert np.array_equal(got, expected)
    assert len(set(expected)) > 10


@needs_verilator
@pytest.mark.parametrize("k", [1, 6, 31])
def test_add_equals_exact_integers(k: int, tmp_path: Path) -> None:
    parameters = {
        "MULT_IN_WIDTH": k, "SHIFT_IN_WIDTH": 1, "SHIFT_IN_MIN": k - 19,
        "SUM_WIDTH": 31, "MULT_OUT_WIDTH": k, "SHIFT_OUT_WIDTH": 1, "SHIFT_OUT_MIN": k + 18,
    }  # fmt: skip
    rtl = Verilated(ADD, "rescaler_add", parameters, tmp_path)
    rng = np.random.default_rng(2)
    names = ("scaled_input", "halved_input", "scaled_zero", "halved_zero")
    columns = {name: corners_and_random(8, True, 20_000, rng) for name in names}
    rows = columns["scaled_input"].size
    for name in names:
        rng.shuffle(columns[name])
    half = 1 << (k - 1)
    for name, high in (("mult_in", 2 * half), ("mult_out", 2 * half)):
        columns[name] = rng.integers(half, high, rows)
    for name in ("shift_in", "shift_out"):
        columns[name] = rng.integers(0, 2, rows)
    got = rtl.run({**columns, "zero_point": -3, "q_min": -128, "q_max": 127})
    order = (
        "scaled_input",
        "scaled_zero",
        "halved_input",
        "halved_zero",
        "mult_in",
        "shift_in",
        "mult_out",
        "shift_out",
    )
    expected = []
    for x, zx, y, zy, m1, s1, m2, s2 in zip(*(columns[name].tolist() for name in order), strict=True):
        total = round_shift((x - zx) * m1, k - 19 + s1) + ((y - zy) << 19)
        expected.append(min(max(-3 + round_shift(total * m2, k + 18 + s2), -128), 127))
    assert np.array_equal(got, expected)
    assert len(set(expected)) > 100
