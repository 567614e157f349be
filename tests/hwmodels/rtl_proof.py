"""Equality of the shipped RTL with exact Python integers: which designs, and which vectors.

Run as a script it proves every design and writes the table of results:

    python tests/hwmodels/rtl_proof.py docs/results/hardware/equality.csv
"""

import csv
import itertools
import math
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from hw_workloads import addition, built_for, constant, convolution
from verilated import Dut, Verilated

from hwmodels import HardwareError, RescalerWorkload
from hwmodels.architectures.base import Architecture, Columns
from hwmodels.architectures.registry import ARCHITECTURES
from hwmodels.parsing import Port, parse_files
from hwmodels.workload import Pipeline

BOUNDS = ("q_min", "q_max")  # ports of every module
EXHAUSTIVE_LIMIT = 50_000  # vectors
HELD = 100  # operands of a pipelined unit between two changes of its layer's constants


@dataclass(frozen=True)
class Case:
    """One design and the vectors that it is compared on: all of them, or corners and random ones."""

    architecture: Architecture
    parameters: Mapping[str, int]
    multiplier_bits: int
    exhaustive: bool = False
    depth: int = 0  # of its pipeline

    @property
    def dut(self) -> Dut:
        """The module; one that takes an operand per cycle gets one, another its next when its result is there."""
        interval, latency = (f(self.multiplier_bits) for f in (self.architecture.interval, self.architecture.latency))
        clocks = 1 if interval == 1 else -(-(latency + self.depth) // interval) * interval
        return Dut(self.architecture.files, self.architecture.top, self.parameters, clocks)

    @property
    def lag(self) -> int:
        """Operands that have entered since the one whose result is there."""
        latency = self.architecture.latency(self.multiplier_bits) + self.depth
        return latency - 1 if self.architecture.interval(self.multiplier_bits) == 1 else 0

    @property
    def label(self) -> str:
        return f"{self.architecture.name} {' '.join(f'{name}={value}' for name, value in self.parameters.items())}"


def narrow_workloads() -> Iterator[RescalerWorkload]:
    """Workloads whose every operand, multiplier, shift and zero point can be tried."""
    widths = [(3, 5, low) for low in (-2, 0, 1, 3, 9)] + [(1, 6, -3), (1, 6, 1), (2, 5, 3), (4, 5, 7)]
    for k, acc_bits, low in widths:
        yield convolution(
            operand_bits=acc_bits, multiplier_bits=k, right_shift_min=low, right_shift_max=low + 3, output_bits=4
        )
    for acc_bits, low, span in ((9, 3, 0), (9, 2, 1), (8, 0, 0), (8, -1, 7), (5, 2, 3)):
        yield convolution(
            operand_bits=acc_bits, multiplier_bits=1, right_shift_min=low, right_shift_max=low + span, output_bits=4
        )


def constant_outputs(workloads: Iterable[RescalerWorkload]) -> Iterator[RescalerWorkload]:
    """Workloads built for constants in turn: saturating, clamping on one side, on both, without a zero point."""
    ends = [(-1, 0.0, 1.0), (0, 0.5, 1.0), (0.2, 0.0, 0.7), (0, 0.3, 0.6), (-1, 0.2, 1.0)]
    shown = (each for each in workloads if each.stages[0].right_shift_min < each.stages[0].operand_bits)
    for workload, (zero, low, high) in zip(shown, itertools.cycle(ends)):
        half = 1 << (workload.output_bits - 1)
        q_min, q_max = (round(-half + end * (2 * half - 1)) for end in (low, high))
        yield built_for(workload, math.ceil(zero * half), q_min, q_max)


def wide_workloads() -> Iterator[RescalerWorkload]:
    """Workloads of full size."""
    yield convolution(operand_bits=26, multiplier_bits=4, right_shift_min=11, right_shift_max=11, output_bits=16)
    for k, low, span in ((31, 31, 15), (8, 9, 15), (8, 1, 48), (2, 2, 15), (1, 2, 15), (1, -2, 15)):
        yield convolution(operand_bits=32, multiplier_bits=k, right_shift_min=low, right_shift_max=low + span)
    yield from map(constant, (1, 3, 7, 171, 1431655765, 2147483647, 1073741824))
    yield from (addition(multiplier_bits=k, sum_bits=31, shift_bits=1) for k in (31, 6, 1))
    yield from (apart(bits) for bits in (0, 1, 3, 12))


def apart(bits: int) -> RescalerWorkload:
    """A folded ADD's shifts: the inputs' scales differ by that many bits more than by one halving."""
    add = addition(multiplier_bits=1)
    first, last = add.stages
    return replace(add, stages=(replace(first, right_shift_min=bits - 19, right_shift_max=bits - 19), last))


def cases_of(architecture: Architecture) -> list[Case]:
    """Return the designs of an architecture: of every workload above that it can be built for, and piped ones."""
    cases = [
        Case(architecture, architecture.parameters(workload), workload.multiplier_bits, exhaustive)
        for exhaustive, workloads in (
            (True, [*narrow_workloads(), *constant_outputs(narrow_workloads())]),
            (False, [*wide_workloads(), *constant_outputs(wide_workloads())]),
        )
        for workload in (
            replace(each, contract=architecture.contract, folded=architecture.folded) for each in workloads
        )
        if is_for(architecture, workload)
    ]
    return [case for case in cases if not case.exhaustive or math.prod(map(len, axes(case))) * 3 <= EXHAUSTIVE_LIMIT]


def is_for(architecture: Architecture, workload: RescalerWorkload) -> bool:
    """Return whether a workload can be built, and its lowest inputs have a result."""
    if len(workload.stages) != architecture.stages:
        return False
    general = replace(workload, stages=tuple(replace(stage, multiplier=None) for stage in workload.stages))
    if general != workload and is_for(architecture, general):
        return False  # nothing about it needs a constant
    try:
        architecture.check(workload)
        parameters = architecture.parameters(workload)
        ports = input_ports(architecture, parameters)
        architecture.outputs(parameters, {port.name: legal(architecture, port)[0] for port in ports})
    except HardwareError:
        return False
    return True


def pipelined_cases(architecture: Architecture) -> list[Case]:
    """Return pipelined designs: the widest one with many registers and with few, a narrow one, one for constants."""
    built = [
        replace(each, contract=architecture.contract, folded=architecture.folded)
        for workloads in ([*narrow_workloads()], [*wide_workloads()])
        for each in (*workloads, *constant_outputs(workloads))
    ]
    built = [each for each in built if is_for(architecture, each)]
    widest = max(built, key=lambda each: each.multiplier_bits)
    constants = max(built, key=lambda each: (each.output is not None, each.multiplier_bits, each.stages[-1].shift_bits))
    narrow = max(built, key=lambda each: (each.stages[-1].shift_bits > 0, -each.stages[-1].operand_bits))
    chosen = [(widest, 3), (widest, 1), (constants, 2), (narrow, 2)]
    cases = {case.label: case for case in (_piped(architecture, *each) for each in chosen)}
    return [case for case in cases.values() if case.depth]


def _piped(architecture: Architecture, workload: RescalerWorkload, slices: int) -> Case:
    most = architecture.most_registers(workload)
    workload = replace(workload, pipeline=Pipeline(**{place: min(slices, count) for place, count in most.items()}))
    architecture.check(workload)
    parameters = architecture.parameters(workload)
    return Case(architecture, parameters, workload.multiplier_bits, depth=workload.pipeline.depth)


def input_ports(architecture: Architecture, parameters: Mapping[str, int]) -> list[Port]:
    ports = parse_files(architecture.files, architecture.top, parameters).ports
    return [port for port in ports if port.direction == "input" and port.name != "clk"]


def legal(architecture: Architecture, port: Port) -> tuple[int, int]:
    return architecture.input_range(port.name, port.width, port.signed)


def axes(case: Case) -> list[range]:
    """Return all legal values of each input port but the bounds."""
    ports = [port for port in input_ports(case.architecture, case.parameters) if port.name not in BOUNDS]
    return [range(low, high + 1) for low, high in (legal(case.architecture, port) for port in ports)]


def exhaustive_columns(case: Case, ports: Sequence[Port]) -> Columns:
    """Return every combination of legal values, each with three pairs of bounds if those are ports."""
    names = [port.name for port in ports if port.name not in BOUNDS]
    pairs = bound_pairs(case, ports)
    rows = np.array([(*row, pair) for row in itertools.product(*axes(case)) for pair in range(len(pairs) or 1)])
    columns = {name: rows[:, place].astype(np.int64) for place, name in enumerate(names)}
    bounds = np.array(pairs, dtype=np.int64).reshape(-1, 2)[rows[:, -1]].T if pairs else ()
    return {**columns, **dict(zip(BOUNDS, bounds, strict=False))}


def bound_pairs(case: Case, ports: Sequence[Port]) -> list[tuple[int, int]]:
    """Return pairs of bounds that do not clamp, clamp on both sides and leave one value; none without such ports."""
    port = next((port for port in ports if port.name == BOUNDS[0]), None)
    return [] if port is None else [legal(case.architecture, port), (-1, 2), (0, 0)]


def random_columns(case: Case, ports: Sequence[Port], count: int, rng: np.random.Generator) -> Columns:
    """Return corners and random values; every second pair of bounds does not clamp."""
    columns = {port.name: spread(*legal(case.architecture, port), count, rng) for port in ports}
    pairs = bound_pairs(case, ports)
    if not pairs:
        return columns
    bounds = np.sort(np.stack([columns[name] for name in BOUNDS]), axis=0)
    bounds[:, ::2] = np.array(pairs[0])[:, None]
    return {**columns, **dict(zip(BOUNDS, bounds, strict=True))}


def spread(low: int, high: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return corners and random numbers of all magnitudes, shuffled."""
    if high - low < 8:
        return rng.integers(low, high, count, endpoint=True)
    base = max(low, 0)
    corners = [low, low + 1, high - 1, high, *(value for value in (-1, 0, 1) if low <= value <= high)]
    bits = (high - base).bit_length()
    kept = rng.integers(0, bits, count - len(corners))  # small numbers as often as large ones
    drawn = base + (rng.integers(low - base, high - base, count - len(corners), endpoint=True) >> kept)
    values = np.concatenate([np.array(corners, dtype=np.int64), drawn])
    rng.shuffle(values)
    return values


def check(case: Case, simulation: Verilated, index: int, count: int) -> tuple[int, int]:
    """Return (compared outputs, mismatches)."""
    ports = simulation.inputs(index)
    rng = np.random.default_rng(20)
    columns = exhaustive_columns(case, ports) if case.exhaustive else random_columns(case, ports, count, rng)
    rows = len(next(iter(columns.values())))
    # An idle lane keeps its output, which may have seen a change of the constants: there, they never change.
    span = HELD if len(simulation.outputs(index)) == 1 else rows
    if case.lag:
        own = case.architecture.held
        columns = {name: held(values, span) if name in own else values for name, values in columns.items()}
    outputs = simulation.run(columns, index)
    data = {port.name: outputs[port.name] for port in simulation.outputs(index) if port.name.startswith("q")}
    expected: dict[str, list[int]] = {name: [] for name in data}
    kept = dict.fromkeys(data, 0)  # registers start at 0
    names = list(columns)
    for row in zip(*(values.tolist() for values in columns.values()), strict=True):
        kept |= case.architecture.outputs(case.parameters, dict(zip(names, row, strict=True)))
        for name, value in kept.items():
            expected[name].append(value)
    if all(len(set(values)) < 3 for values in expected.values()):
        raise AssertionError(f"{case.label}: the vectors do not exercise the design")
    fair = unmixed(rows, case.lag, span)
    wrong = [np.roll(data[name], -case.lag)[fair] != np.array(values)[fair] for name, values in expected.items()]
    return sum(map(len, wrong)), sum(int(np.count_nonzero(each)) for each in wrong)


def held(values: npt.NDArray[np.int64], span: int) -> npt.NDArray[np.int64]:
    """Return a layer's constants: each one stays for ``span`` operands."""
    return np.repeat(values[::span], span)[: len(values)]


def unmixed(count: int, lag: int, span: int) -> npt.NDArray[np.bool_]:
    """Return which operands leave before the layer's constants change."""
    at = np.arange(count)
    return (at % span < span - lag) & (at < count - lag)


def prove(count: int) -> Iterator[tuple[Case, int, int]]:
    """Check every design of every architecture, the large ones on ``count`` vectors."""
    cases = [case for each in ARCHITECTURES.values() for case in (*cases_of(each), *pipelined_cases(each))]
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
            name, contract = case.architecture.name, case.architecture.contract
            parameters = " ".join(f"{name}={value}" for name, value in case.parameters.items())
            writer.writerow((name, contract, parameters, vectors, case.exhaustive, wrong))
            print(f"{wrong:>8} of {vectors:>9}  {case.label}", flush=True)  # noqa: T201
            failures += wrong
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
