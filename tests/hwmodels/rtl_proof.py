"""Equality of the shipped RTL with exact Python integers: which designs, which vectors, and the contracts.

Run as a script it proves everything and writes the table of results:

    python tests/hwmodels/rtl_proof.py docs/results/hardware/equality.csv
"""

import csv
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from verilated import Dut, Verilated

from hwmodels.architectures.registry import ARCHITECTURES

Columns = dict[str, npt.NDArray[np.int64]]


def half_up(p: int, r: int) -> int:
    return (p + (1 << (r - 1))) >> r if r >= 1 else p << -r


def floor(p: int, r: int) -> int:
    return p >> r if r >= 0 else p << -r


def half_away(p: int, r: int) -> int:
    if r < 1:
        return p << -r
    magnitude = (abs(p) + (1 << (r - 1))) >> r
    return -magnitude if p < 0 else magnitude


def saturating_rounding_doubling_high_mul(a: int, b: int) -> int:
    """gemmlowp's, on int32: (2ab + nudge) / 2^32 with division that truncates."""
    product = a * b
    nudged = product + (1 << 30 if product >= 0 else 1 - (1 << 30))
    return abs(nudged) // (1 << 31) * (1 if nudged >= 0 else -1)


def rounding_divide_by_pot(x: int, exponent: int) -> int:
    """gemmlowp's: ties away from zero, by remainder and threshold."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if (x & mask) > threshold else 0)


def tflite_double(acc: int, multiplier: int, k: int, exponent: int) -> int:
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(acc, multiplier << (31 - k)), exponent)


SHIFTED: Mapping[str, Callable[[int, int], int]] = {"half_up": half_up, "floor": floor, "half_away": half_away}


@dataclass(frozen=True)
class Case:
    """One design and the vectors it is held against: all of them, or corners and ``count`` random ones."""

    architecture: str
    parameters: Mapping[str, int]
    exhaustive: bool = False

    @property
    def dut(self) -> Dut:
        described = ARCHITECTURES[self.architecture]
        k = self.parameters.get("MULT_WIDTH", 1)
        piped = self.parameters.get("PIPELINE", 0)
        # A serial unit shows a result one period after the one in which it worked on it.
        clocks = 2 * (k + 1) if self.architecture == "serial" else 1 + piped
        return Dut(described.files, described.top, self.parameters, clocks)

    @property
    def label(self) -> str:
        return f"{self.architecture} {' '.join(f'{name}={value}' for name, value in self.parameters.items())}"


def _widths(k: int, shift_bits: int, shift_min: int, acc: int = 32, out: int = 8) -> dict[str, int]:
    return {"ACC_WIDTH": acc, "MULT_WIDTH": k, "SHIFT_WIDTH": shift_bits, "SHIFT_MIN": shift_min, "OUT_WIDTH": out}


def small_cases() -> Iterator[Case]:
    """Every acc, multiplier, shift and zero point of narrow designs."""
    for name, shift_min in itertools.product(("array", "floor", "half_away"), (-2, 0, 1, 3, 9)):
        yield Case(name, _widths(3, 2, shift_min, acc=5, out=4), exhaustive=True)
    for name, shift_min in itertools.product(("array", "floor", "half_away"), (-3, 1)):
        yield Case(name, _widths(1, 2, shift_min, acc=6, out=4), exhaustive=True)
    yield Case("serial", _widths(3, 2, 2, acc=5, out=4), exhaustive=True)
    for k, low in ((3, 0), (2, 1), (4, 3)):
        wide = {"ACC_WIDTH": 5, "MULT_WIDTH": k, "EXPONENT_WIDTH": 2, "EXPONENT_MIN": low, "OUT_WIDTH": 4}
        yield Case("tflite_double", wide, exhaustive=True)


def large_cases() -> Iterator[Case]:
    """Full-size designs."""
    for name in ("array", "floor", "half_away"):
        for k, shift_min in ((31, 30), (8, 9), (1, 2), (1, -2)):
            yield Case(name, _widths(k, 4, shift_min))
    yield Case("array", {**_widths(8, 3, 9, acc=20), "PIPELINE": 1})
    yield Case("array", _widths(4, 0, 11, acc=26, out=16))
    for k in (31, 8, 2):
        yield Case(
            "tflite_double",
            {"ACC_WIDTH": 32, "MULT_WIDTH": k, "EXPONENT_WIDTH": 4, "EXPONENT_MIN": 0, "OUT_WIDTH": 8},
        )
    for k in (31, 8, 2):
        yield Case("serial", _widths(k, 4, k))
    yield Case("fractured", {"ACC_WIDTH": 32, "SHIFT_WIDTH": 6, "SHIFT_MIN": 1, "OUT_WIDTH": 8})
    for constant in (1, 3, 7, 171, 1431655765, 2147483647, 1073741824):
        bits = constant.bit_length()
        yield Case("constant", {"ACC_WIDTH": 32, "MULTIPLIER": constant, "SHIFT": bits + 9, "OUT_WIDTH": 8})
    for k in (31, 6, 1):
        yield Case(
            "add",
            {
                "MULT_IN_WIDTH": k, "SHIFT_IN_WIDTH": 1, "SHIFT_IN_MIN": k - 19, "SUM_WIDTH": 31,
                "MULT_OUT_WIDTH": k, "SHIFT_OUT_WIDTH": 1, "SHIFT_OUT_MIN": k + 18,
            },
        )  # fmt: skip


def check(case: Case, simulation: Verilated, index: int, count: int) -> tuple[int, int]:
    """Return (vectors, mismatches)."""
    rng = np.random.default_rng(20)
    columns = _exhaustive(case) if case.exhaustive else _random(case, count, rng)
    got = simulation.run(columns, index)
    expected = _EXPECTED[case.architecture](case, columns)
    wrong = sum(int(np.count_nonzero(got[name] != np.array(values))) for name, values in expected.items())
    if all(len(set(values)) < 3 for values in expected.values()):
        raise AssertionError(f"{case.label}: the vectors do not exercise the design")
    return sum(len(values) for values in expected.values()), wrong


def _exhaustive(case: Case) -> Columns:
    p = case.parameters
    acc, k, out = p["ACC_WIDTH"], p["MULT_WIDTH"], p["OUT_WIDTH"]
    shift_bits = p.get("SHIFT_WIDTH", p.get("EXPONENT_WIDTH", 0))
    axes = [
        np.arange(-(1 << (acc - 1)), 1 << (acc - 1)),
        np.arange(1 << (k - 1), 1 << k),
        np.arange(1 << shift_bits),
        np.arange(-(1 << (out - 1)), 1 << (out - 1)),
        np.arange(3),
    ]
    mesh = [axis.reshape(-1).astype(np.int64) for axis in np.meshgrid(*axes, indexing="ij")]
    low = np.array([-(1 << (out - 1)), -1, 0])[mesh[4]]
    high = np.array([(1 << (out - 1)) - 1, 2, 0])[mesh[4]]
    shift = "exponent" if "EXPONENT_WIDTH" in p else "shift"
    columns = {"acc": mesh[0], "mult": mesh[1], shift: mesh[2], "zero_point": mesh[3], "q_min": low, "q_max": high}
    return columns | _control(case, mesh[0].size)


def _control(case: Case, rows: int) -> Columns:
    if case.architecture != "serial":
        return {}
    return {"start": np.ones(rows, dtype=np.int64), "reset": np.zeros(rows, dtype=np.int64)}


def spread(bits: int, signed: bool, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return corners and random numbers of all magnitudes, shuffled."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    corners = [low, low + 1, high - 1, high, *(value for value in (-1, 0, 1) if low <= value <= high)]
    kept = rng.integers(1, bits, count, endpoint=True)  # small numbers as often as large ones
    drawn = rng.integers(low, high, count - len(corners), endpoint=True) >> (bits - kept[len(corners) :])
    values = np.concatenate([np.array(corners, dtype=np.int64), drawn])
    rng.shuffle(values)
    return values


def _normalised(k: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    half = 1 << (k - 1)
    return half + spread(k - 1, False, count, rng) if k > 3 else rng.integers(half, 2 * half, count)


def _random(case: Case, count: int, rng: np.random.Generator) -> Columns:
    p = case.parameters
    out = p.get("OUT_WIDTH", 8)
    columns = {"zero_point": spread(out, True, count, rng)}
    bounds = np.sort(rng.integers(-(1 << (out - 1)), 1 << (out - 1), (count, 2)), axis=1)
    bounds[::2] = (-(1 << (out - 1)), (1 << (out - 1)) - 1)
    columns |= {"q_min": bounds[:, 0], "q_max": bounds[:, 1]}
    if case.architecture == "add":
        for name in ("scaled_input", "scaled_zero", "halved_input", "halved_zero"):
            columns[name] = spread(8, True, count, rng)
        for side in ("in", "out"):
            columns[f"mult_{side}"] = _normalised(p["MULT_IN_WIDTH"], count, rng)
            columns[f"shift_{side}"] = rng.integers(0, 2, count)
        return columns
    if case.architecture == "fractured":
        columns |= {f"acc{lane}": spread(32, True, count, rng) for lane in range(4)}
        columns |= {f"shift{lane}": rng.integers(0, 50, count) for lane in range(4)}
        # The top bit stays 0: acc * mult must fit Verilator's exchange of 64-bit numbers nowhere, but the
        # reference is exact for any; 32-bit multipliers are covered by their full range.
        return columns | {"mult": rng.integers(0, 1 << 32, count), "mode": rng.integers(0, 3, count)}
    columns["acc"] = spread(p["ACC_WIDTH"], True, count, rng)
    if case.architecture != "constant":
        columns["mult"] = _normalised(p["MULT_WIDTH"], count, rng)
        shift = "exponent" if "EXPONENT_WIDTH" in p else "shift"
        columns[shift] = rng.integers(0, 1 << p.get("SHIFT_WIDTH", p.get("EXPONENT_WIDTH", 0)), count)
    return columns | _control(case, count)


def _clamp(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def _rows(columns: Columns, *names: str) -> Iterator[tuple[int, ...]]:
    return zip(*(columns[name].tolist() for name in names), strict=True)


def _shifted(case: Case, columns: Columns) -> dict[str, list[int]]:
    contract, low = SHIFTED[ARCHITECTURES[case.architecture].contract], case.parameters["SHIFT_MIN"]
    names = ("acc", "mult", "shift", "zero_point", "q_min", "q_max")
    return {"q": [_clamp(z + contract(a * m, low + s), lo, hi) for a, m, s, z, lo, hi in _rows(columns, *names)]}


def _double(case: Case, columns: Columns) -> dict[str, list[int]]:
    k, low = case.parameters["MULT_WIDTH"], case.parameters["EXPONENT_MIN"]
    names = ("acc", "mult", "exponent", "zero_point", "q_min", "q_max")
    return {"q": [_clamp(z + tflite_double(a, m, k, low + s), lo, hi) for a, m, s, z, lo, hi in _rows(columns, *names)]}


def _constant(case: Case, columns: Columns) -> dict[str, list[int]]:
    m, r = case.parameters["MULTIPLIER"], case.parameters["SHIFT"]
    rows = _rows(columns, "acc", "zero_point", "q_min", "q_max")
    return {"q": [_clamp(z + half_up(a * m, r), lo, hi) for a, z, lo, hi in rows]}


def _add(case: Case, columns: Columns) -> dict[str, list[int]]:
    p = case.parameters
    names = ("scaled_input", "scaled_zero", "halved_input", "halved_zero", "mult_in", "shift_in", "mult_out")
    results = []
    for x, zx, y, zy, m1, s1, m2, s2, z, lo, hi in _rows(columns, *names, "shift_out", "zero_point", "q_min", "q_max"):
        total = half_up((x - zx) * m1, p["SHIFT_IN_MIN"] + s1) + ((y - zy) << 19)
        results.append(_clamp(z + half_up(total * m2, p["SHIFT_OUT_MIN"] + s2), lo, hi))
    return {"q": results}


def _fractured(case: Case, columns: Columns) -> dict[str, list[int]]:
    """Outputs of idle lanes are not looked at: they keep what they last were, so they are followed here."""
    low = case.parameters["SHIFT_MIN"]
    lanes: dict[str, list[int]] = {f"q{lane}": [] for lane in range(4)}
    names = [f"{port}{lane}" for port in ("acc", "shift") for lane in range(4)]
    held = [0, 0, 0, 0]
    for *values, mult, mode, z, lo, hi in _rows(columns, *names, "mult", "mode", "zero_point", "q_min", "q_max"):
        width = 8 << mode
        for lane in range(0, 4, 1 << mode):
            multiplier = mult >> (8 * lane) & ((1 << width) - 1)
            held[lane] = _clamp(z + half_up(values[lane] * multiplier, low + values[4 + lane]), lo, hi)
        for lane in range(4):
            lanes[f"q{lane}"].append(held[lane])
    return lanes


_EXPECTED: Mapping[str, Callable[[Case, Columns], dict[str, list[int]]]] = {
    "array": _shifted, "floor": _shifted, "half_away": _shifted, "serial": _shifted, "tflite_double": _double,
    "constant": _constant, "add": _add, "fractured": _fractured,
}  # fmt: skip


def prove(count: int) -> Iterator[tuple[Case, int, int]]:
    """Check every case, the large ones on ``count`` vectors."""
    cases = [*small_cases(), *large_cases()]
    with tempfile.TemporaryDirectory(prefix="proof-") as folder:
        simulation = Verilated([case.dut for case in cases], Path(folder))
        for index, case in enumerate(cases):
            yield case, *check(case, simulation, index, count)


def main() -> int:
    failures = 0
    with Path(sys.argv[1]).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("architecture", "contract", "parameters", "vectors", "exhaustive", "mismatches"))
        for case, vectors, wrong in prove(1_000_000):
            parameters = " ".join(f"{name}={value}" for name, value in case.parameters.items())
            contract = ARCHITECTURES[case.architecture].contract
            writer.writerow((case.architecture, contract, parameters, vectors, case.exhaustive, wrong))
            print(f"{wrong:>8} of {vectors:>9}  {case.label}", flush=True)  # noqa: T201
            failures += wrong
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
