"""Switching energy of a mapped circuit on a trace: evaluated gate by gate on words of bits, many cycles at once.

Zero delay counts each net's settled changes only: a lower bound. With delays, every gate has its library delay at its
load, as a whole number of time steps, and swallows pulses shorter than it (inertial delay, as in event-driven
simulators), so that glitches are counted.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hwmodels.errors import HardwareError
from hwmodels.synthesis.circuit import Circuit, Net
from hwmodels.synthesis.functions import BitFunction, Words

STEP_NS: Final = 0.05  # about a fifth of a loaded gate's delay in OSU 0.18
_MEMORY_WORDS: Final = 1 << 24  # words of waveforms held at once (128 MiB)
_CLOCK: Final = "clk"
Trace = Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy per clock cycle on a trace, in picojoules, without leakage, and the transitions of all nets per cycle.

    ``zero_delay_pj`` and ``transitions`` count settled transitions only, the other two glitches as well.
    """

    zero_delay_pj: float
    delayed_pj: float
    transitions: float
    delayed_transitions: float


def measure_energy(circuit: Circuit, trace: Trace) -> Energy:
    """Returns the mean energy of a clock cycle while a trace is applied.

    The trace has values of each input port but the clock ``clk``, of shape (cycles,) or (cycles, streams); independent
    streams are evaluated side by side. Registers start at 0, and the first cycle is not counted.

    Raises:
        HardwareError: if a port has no values, or the trace is shorter than two cycles.
    """
    settled, streams = _settle(circuit, trace)
    cycles, words_per_cycle = next(iter(settled.values())).shape
    pairs = (cycles - 1) * streams
    mask = _pack(np.ones((1, streams), dtype=np.int64)).reshape(words_per_cycle)  # of the streams in use
    counts = {net: _count((words[1:] ^ words[:-1]) & mask) / pairs for net, words in settled.items()}
    per_net = _energies(circuit)
    fixed = sum(flop.clock_energy_pj for flop in circuit.flip_flops)
    zero = fixed + sum(per_net.get(net, 0.0) * count for net, count in counts.items())
    glitchy = _delayed_counts(circuit, settled, mask, pairs)
    delayed = fixed + sum(per_net.get(net, 0.0) * count for net, count in glitchy.items())
    return Energy(zero, delayed, sum(counts.values()), sum(glitchy.values()))


def _energies(circuit: Circuit) -> dict[Net, float]:
    energies: dict[Net, float] = dict(circuit.input_energy_pj)
    for gate in circuit.gates:
        energies[gate.output] = gate.energy_pj
    for flop in circuit.flip_flops:
        energies[flop.state] = flop.energy_pj
        for net in flop.inputs.values():
            energies[net] = energies.get(net, 0.0) + flop.input_energy_pj
    return energies


def _constant(net: Net, shape: tuple[int, ...]) -> Words:
    return np.full(shape, ~np.uint64(0) if net == "1" else np.uint64(0), dtype=np.uint64)


def _settle(circuit: Circuit, trace: Trace) -> tuple[dict[Net, Words], int]:
    """Returns the settled bits of every net, shape (cycles, words), and the number of streams."""
    bits, cycles, streams = _input_bits(circuit, trace)
    if not circuit.flip_flops or _feeds_forward(circuit):
        return _settle_forward(circuit, bits), streams
    return _settle_cycle_by_cycle(circuit, bits, cycles), streams


def _input_bits(circuit: Circuit, trace: Trace) -> tuple[dict[Net, Words], int, int]:
    bits: dict[Net, Words] = {}
    cycles = streams = 0
    for name, nets in circuit.inputs.items():
        if name == _CLOCK:
            continue
        if name not in trace:
            raise HardwareError(f"the trace has no values for input {name!r}")
        values = np.asarray(trace[name], dtype=np.int64)
        values = values.reshape(values.shape[0], -1)
        cycles, streams = values.shape
        for position, net in enumerate(nets):
            bits[net] = _pack((values >> np.int64(position)) & 1)
    if cycles < 2:
        raise HardwareError("a trace needs at least 2 cycles")
    if len({words.shape for words in bits.values()}) != 1:
        raise HardwareError("the inputs of a trace differ in shape")
    return bits, cycles, streams


def _feeds_forward(circuit: Circuit) -> bool:
    """Returns whether no register depends on a register."""
    reached: set[Net] = {flop.state for flop in circuit.flip_flops}
    for gate in circuit.gates:
        if not reached.isdisjoint(gate.inputs.values()):
            reached.add(gate.output)
    return all(reached.isdisjoint(flop.inputs.values()) for flop in circuit.flip_flops)


def _settle_forward(circuit: Circuit, bits: dict[Net, Words]) -> dict[Net, Words]:
    nets = dict(bits)
    shape = next(iter(bits.values())).shape
    pending = {flop.state for flop in circuit.flip_flops}
    after = []
    for gate in circuit.gates:
        if pending.isdisjoint(gate.inputs.values()):
            nets[gate.output] = _evaluate(gate.function, gate.inputs, nets, shape)
        else:
            pending.add(gate.output)
            after.append(gate)
    for flop in circuit.flip_flops:
        value = _evaluate(flop.function, flop.inputs, nets, shape)
        nets[flop.state] = np.concatenate([np.zeros_like(value[:1]), value[:-1]])
    for gate in after:
        nets[gate.output] = _evaluate(gate.function, gate.inputs, nets, shape)
    return nets


def _settle_cycle_by_cycle(circuit: Circuit, bits: dict[Net, Words], cycles: int) -> dict[Net, Words]:
    shape = next(iter(bits.values())).shape[1:]
    history: dict[Net, list[Words]] = {}
    state: dict[Net, Words] = {flop.state: np.zeros(shape, dtype=np.uint64) for flop in circuit.flip_flops}
    for cycle in range(cycles):
        nets = {net: words[cycle] for net, words in bits.items()} | state
        for gate in circuit.gates:
            nets[gate.output] = _evaluate(gate.function, gate.inputs, nets, shape)
        for net, words in nets.items():
            history.setdefault(net, []).append(words)
        state = {flop.state: _evaluate(flop.function, flop.inputs, nets, shape) for flop in circuit.flip_flops}
    return {net: np.stack(words) for net, words in history.items()}


def _evaluate(
    function: BitFunction, inputs: Mapping[str, Net], nets: Mapping[Net, Words], shape: tuple[int, ...]
) -> Words:
    return function({name: nets[net] if net in nets else _constant(net, shape) for name, net in inputs.items()})


def _delayed_counts(circuit: Circuit, settled: dict[Net, Words], mask: Words, pairs: int) -> dict[Net, float]:
    """Returns transitions per cycle of each net with gate delays, all cycles evaluated side by side."""
    steps = _steps(circuit)
    chunk = max(1, _MEMORY_WORDS // (steps * max(_widest_front(circuit), 1)))
    counts: dict[Net, float] = {}
    every = np.broadcast_to(mask, next(iter(settled.values()))[1:].shape).reshape(-1)
    for start in range(0, every.size, chunk):
        part = slice(start, start + chunk)
        before = {net: words[:-1].reshape(-1)[part] for net, words in settled.items()}
        after = {net: words[1:].reshape(-1)[part] for net, words in settled.items()}
        for net, count in _waves(circuit, before, after, every[part], steps).items():
            counts[net] = counts.get(net, 0.0) + count / pairs
    return counts


def _waves(
    circuit: Circuit, before: dict[Net, Words], after: dict[Net, Words], mask: Words, steps: int
) -> dict[Net, float]:
    uses = _uses(circuit)
    waves: dict[Net, Words] = {}
    counts: dict[Net, float] = {}
    launch = {flop.state: _ticks(flop.delay_ns) for flop in circuit.flip_flops}
    driven = {gate.output for gate in circuit.gates}
    for net in [net for net in before if net not in driven]:
        counts[net] = _count((before[net] ^ after[net]) & mask)
        if uses[net]:
            waves[net] = _step_wave(before[net], after[net], launch.get(net, 0), steps)
    shape = (steps, mask.size)
    for gate in circuit.gates:
        ideal = _evaluate(gate.function, gate.inputs, waves, shape)
        wave = _inertial(ideal, before[gate.output], _ticks(gate.delay_ns))
        counts[gate.output] = _count((wave[1:] ^ wave[:-1]) & mask) + _count((wave[0] ^ before[gate.output]) & mask)
        if uses[gate.output]:
            waves[gate.output] = wave
        for net in set(gate.inputs.values()):
            uses[net] -= 1
            if uses[net] == 0:
                waves.pop(net, None)
    return counts


def _uses(circuit: Circuit) -> Counter[Net]:
    """Returns the number of gates that read each net."""
    return Counter(net for gate in circuit.gates for net in set(gate.inputs.values()))


def _widest_front(circuit: Circuit) -> int:
    """Returns the most waveforms that are alive at once."""
    uses, widest = _uses(circuit), 0
    alive = len(uses.keys() - {gate.output for gate in circuit.gates})
    for gate in circuit.gates:
        alive += gate.output in uses
        widest = max(widest, alive)
        for net in set(gate.inputs.values()):
            uses[net] -= 1
            alive -= uses[net] == 0
    return widest


def _ticks(delay_ns: float) -> int:
    return max(1, round(delay_ns / STEP_NS))


def _steps(circuit: Circuit) -> int:
    """Returns the time steps until everything has settled."""
    arrival: dict[Net, int] = {flop.state: _ticks(flop.delay_ns) for flop in circuit.flip_flops}
    for gate in circuit.gates:
        latest = max((arrival.get(net, 0) for net in gate.inputs.values()), default=0)
        arrival[gate.output] = latest + _ticks(gate.delay_ns)
    return max(arrival.values(), default=0) + 2


def _step_wave(before: Words, after: Words, at: int, steps: int) -> Words:
    wave = np.empty((steps, before.size), dtype=np.uint64)
    wave[: at + 1] = before
    wave[at + 1 :] = after
    return wave


def _inertial(ideal: Words, before: Words, delay: int) -> Words:
    """Returns a gate's output: its function of the inputs, delayed, pulses shorter than the delay swallowed.

    The output changes at a time only if the function has had the new value throughout the delay before it.
    """
    ones, zeros = _window(ideal, before, delay)
    wave, unknown = ones, ~(ones | zeros)
    reach = 1
    while unknown.any():
        # If the function changed within the window, the output keeps its last value.
        held = np.concatenate([np.broadcast_to(before, (min(reach, len(wave)), before.size)), wave[:-reach]])
        open_before = np.concatenate(
            [np.zeros((min(reach, len(wave)), before.size), dtype=np.uint64), unknown[:-reach]]
        )
        wave = wave | (unknown & held)
        unknown = unknown & open_before
        reach *= 2
    return wave


def _window(ideal: Words, before: Words, delay: int) -> tuple[Words, Words]:
    """Returns the times before which the function was 1, and those before which it was 0, for ``delay`` steps."""
    ones = np.concatenate([np.broadcast_to(before, (delay, before.size)), ideal])[: len(ideal) + delay - 1]
    zeros = ~ones
    span = 1
    while span < delay:
        shift = min(span, delay - span)
        ones = ones[shift:] & ones[:-shift]
        zeros = zeros[shift:] & zeros[:-shift]
        span += shift
    return ones, zeros


def _pack(bits: npt.NDArray[np.int64]) -> Words:
    """Packs (cycles, streams) bits into (cycles, words)."""
    cycles, streams = bits.shape
    words = -(-streams // 64)
    padded = np.zeros((cycles, words * 64), dtype=np.uint8)
    padded[:, :streams] = bits
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64).reshape(cycles, words)


def _count(words: Words) -> float:
    return float(np.bitwise_count(words).sum(dtype=np.int64))
