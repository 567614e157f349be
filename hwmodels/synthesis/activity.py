"""Switching energy of a mapped circuit on a trace: evaluated gate by gate on words of bits, many cycles at once.

Zero delay counts each net's settled changes only: a lower bound. With delays, every gate has its library delay at its
load, as a whole number of time steps, and swallows pulses shorter than it (inertial delay, as in event-driven
simulators), so that glitches are counted. The step is halved until the energy changes by less than 3 %.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hwmodels.errors import HardwareError
from hwmodels.synthesis.circuit import Circuit, FlipFlop, Net
from hwmodels.synthesis.functions import BitFunction, Words

_SETTLED: Final = 0.03  # relative change of the energy if the time step is halved
_MOST_HALVINGS: Final = 6
_MOST_STEPS: Final = 1 << 15  # of a cycle; a path of 100 gates takes a few hundred
_MEMORY_WORDS: Final = 1 << 24  # words of waveforms held at once (128 MiB)
_CLOCK: Final = "clk"
Trace = Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy per clock cycle on a trace, in picojoules, without leakage, and the transitions of all nets per cycle.

    ``zero_delay_pj`` and ``transitions`` count settled transitions only, ``delayed_pj`` and ``delayed_transitions``
    glitches as well, at time steps of ``step_ns``: half of it changes the energy by less than 3 %.
    """

    zero_delay_pj: float
    delayed_pj: float
    transitions: float
    delayed_transitions: float
    step_ns: float


def measure_energy(circuit: Circuit, trace: Trace) -> Energy:
    """Returns the mean energy of a clock cycle while a trace is applied.

    The trace has values of each input port but the clock ``clk``, of shape (cycles,) or (cycles, streams); independent
    streams are evaluated side by side. Registers start at 0, and the first cycle is not counted.

    Raises:
        HardwareError: if a port has no values, the trace is shorter than two cycles, or the delays are absurd.
    """
    settled, streams = _settle(circuit, trace)
    cycles, words_per_cycle = next(iter(settled.values())).shape
    pairs = (cycles - 1) * streams
    mask = _pack(np.ones((1, streams), dtype=np.int64)).reshape(words_per_cycle)  # of the streams in use
    counts = {net: _count((words[1:] ^ words[:-1]) & mask) / pairs for net, words in settled.items()}
    per_net = _energies(circuit)
    fixed = sum(flop.clock_energy_pj for flop in circuit.flip_flops)
    zero = fixed + sum(per_net.get(net, 0.0) * count for net, count in counts.items())
    glitches = _Glitches(circuit, settled, mask, pairs, per_net)
    step = glitches.settled_step()
    return Energy(zero, fixed + glitches.energy(step), sum(counts.values()), glitches.transitions(step), step)


class _Glitches:
    """Transitions with gate delays, at any time step."""

    def __init__(
        self, circuit: Circuit, settled: dict[Net, Words], mask: Words, pairs: int, energies: Mapping[Net, float]
    ) -> None:
        self._circuit = circuit
        self._settled = settled
        self._mask = mask
        self._pairs = pairs
        self._energies = energies
        self._counts: dict[float, dict[Net, float]] = {}

    def counts(self, step_ns: float) -> dict[Net, float]:
        """Returns transitions per cycle of each net."""
        if step_ns not in self._counts:
            timing = _Timing(self._circuit, step_ns)
            self._counts[step_ns] = _delayed_counts(timing, self._settled, self._mask, self._pairs)
        return self._counts[step_ns]

    def energy(self, step_ns: float) -> float:
        """Returns the energy of the transitions per cycle in pJ."""
        return sum(self._energies.get(net, 0.0) * count for net, count in self.counts(step_ns).items())

    def transitions(self, step_ns: float) -> float:
        """Returns the transitions of all nets per cycle."""
        return sum(self.counts(step_ns).values())

    def settled_step(self) -> float:
        """Returns the first step at which half of it changes the energy by less than 3 %."""
        step = self._circuit.step_ns
        for _ in range(_MOST_HALVINGS):
            coarse, fine = self.energy(step), self.energy(step / 2)
            if abs(coarse - fine) <= _SETTLED * abs(fine):
                return step
            step /= 2
        raise HardwareError(f"the energy of the circuit does not settle down to time steps of {step:g} ns")


def _energies(circuit: Circuit) -> dict[Net, float]:
    energies: dict[Net, float] = dict(circuit.input_energy_pj)
    for gate in circuit.gates:
        energies[gate.output] = gate.energy_pj
    for flop in circuit.flip_flops:
        energies[flop.state] = flop.energy_pj
        for net in flop.inputs.values():
            energies[net] = energies.get(net, 0.0) + flop.input_energy_pj
    for net, energy in circuit.pin_energy_pj.items():
        energies[net] = energies.get(net, 0.0) + energy
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
        nets[flop.state] = np.concatenate([_start(flop, value[:1].shape), value[:-1]])
    for gate in after:
        nets[gate.output] = _evaluate(gate.function, gate.inputs, nets, shape)
    return nets


def _settle_cycle_by_cycle(circuit: Circuit, bits: dict[Net, Words], cycles: int) -> dict[Net, Words]:
    shape = next(iter(bits.values())).shape[1:]
    history: dict[Net, list[Words]] = {}
    state: dict[Net, Words] = {flop.state: _start(flop, shape) for flop in circuit.flip_flops}
    for cycle in range(cycles):
        nets = {net: words[cycle] for net, words in bits.items()} | state
        for gate in circuit.gates:
            nets[gate.output] = _evaluate(gate.function, gate.inputs, nets, shape)
        for net, words in nets.items():
            history.setdefault(net, []).append(words)
        state = {flop.state: _evaluate(flop.function, flop.inputs, nets, shape) for flop in circuit.flip_flops}
    return {net: np.stack(words) for net, words in history.items()}


def _start(flop: FlipFlop, shape: tuple[int, ...]) -> Words:
    return _constant("1" if flop.starts_high else "0", shape)


def _evaluate(
    function: BitFunction, inputs: Mapping[str, Net], nets: Mapping[Net, Words], shape: tuple[int, ...]
) -> Words:
    value = function({name: nets[net] if net in nets else _constant(net, shape) for name, net in inputs.items()})
    return value if value.shape == shape else np.broadcast_to(value, shape)  # a tie cell has no inputs


class _Timing:
    """The delays of a circuit as whole numbers of time steps.

    Attributes:
        delays: of each gate's output, rising and falling, at least 1.
        launches: of each flip-flop's output, at least 1.
        steps: time steps of a cycle until everything has settled.
    """

    def __init__(self, circuit: Circuit, step_ns: float) -> None:
        self.circuit = circuit
        self.delays = {
            g.output: (_ticks(g.delays_ns[0], step_ns), _ticks(g.delays_ns[1], step_ns)) for g in circuit.gates
        }
        self.launches = {flop.state: _ticks(flop.delay_ns, step_ns) for flop in circuit.flip_flops}
        self.steps = self._latest() + 2
        if self.steps > _MOST_STEPS:
            delays = [(max(gate.delays_ns), gate.cell) for gate in circuit.gates]
            slowest, cell = max([*delays, *((flop.delay_ns, "flip-flop") for flop in circuit.flip_flops)])
            raise HardwareError(
                f"a cycle has {self.steps} time steps of {step_ns:g} ns, more than {_MOST_STEPS}; the slowest cell, a "
                f"{cell}, takes {slowest:g} ns: check the delay tables and units of the library"
            )

    def _latest(self) -> int:
        arrival: dict[Net, int] = dict(self.launches)
        for gate in self.circuit.gates:
            latest = max((arrival.get(net, 0) for net in gate.inputs.values()), default=0)
            arrival[gate.output] = latest + max(self.delays[gate.output])
        return max(arrival.values(), default=0)


def _delayed_counts(timing: _Timing, settled: dict[Net, Words], mask: Words, pairs: int) -> dict[Net, float]:
    """Returns transitions per cycle of each net with gate delays, all cycles evaluated side by side."""
    chunk = max(1, _MEMORY_WORDS // (timing.steps * max(_widest_front(timing.circuit), 1)))
    counts: dict[Net, float] = {}
    every = np.broadcast_to(mask, next(iter(settled.values()))[1:].shape).reshape(-1)
    for start in range(0, every.size, chunk):
        part = slice(start, start + chunk)
        before = {net: words[:-1].reshape(-1)[part] for net, words in settled.items()}
        after = {net: words[1:].reshape(-1)[part] for net, words in settled.items()}
        for net, count in _waves(timing, before, after, every[part]).items():
            counts[net] = counts.get(net, 0.0) + count / pairs
    return counts


def _waves(timing: _Timing, before: dict[Net, Words], after: dict[Net, Words], mask: Words) -> dict[Net, float]:
    circuit, steps = timing.circuit, timing.steps
    uses = _uses(circuit)
    waves: dict[Net, Words] = {}
    counts: dict[Net, float] = {}
    driven = {gate.output for gate in circuit.gates}
    for net in [net for net in before if net not in driven]:
        counts[net] = _count((before[net] ^ after[net]) & mask)
        if uses[net]:
            waves[net] = _step_wave(before[net], after[net], timing.launches.get(net, 0), steps)
    shape = (steps, mask.size)
    for gate in circuit.gates:
        ideal = _evaluate(gate.function, gate.inputs, waves, shape)
        wave = _inertial(ideal, before[gate.output], *timing.delays[gate.output])
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


def _ticks(delay_ns: float, step_ns: float) -> int:
    return max(1, round(delay_ns / step_ns))


def _step_wave(before: Words, after: Words, at: int, steps: int) -> Words:
    wave = np.empty((steps, before.size), dtype=np.uint64)
    wave[: at + 1] = before
    wave[at + 1 :] = after
    return wave


def _inertial(ideal: Words, before: Words, rise: int, fall: int) -> Words:
    """Returns a gate's output: its function of the inputs, delayed, pulses shorter than the delay swallowed.

    The output rises (falls) at a time only if the function has been 1 (0) for the ``rise`` (``fall``) steps before it.
    """
    ones = _throughout(ideal, before, rise)
    wave, unknown = ones, ~(ones | _throughout(~ideal, ~before, fall))
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


def _throughout(ideal: Words, before: Words, delay: int) -> Words:
    """Returns the times before which a word was 1 for ``delay`` steps; it was ``before`` until the first of them."""
    ones = np.concatenate([np.broadcast_to(before, (delay, before.size)), ideal])[: len(ideal) + delay - 1]
    span = 1
    while span < delay:
        shift = min(span, delay - span)
        ones = ones[shift:] & ones[:-shift]
        span += shift
    return ones


def _pack(bits: npt.NDArray[np.int64]) -> Words:
    """Packs (cycles, streams) bits into (cycles, words)."""
    cycles, streams = bits.shape
    words = -(-streams // 64)
    padded = np.zeros((cycles, words * 64), dtype=np.uint8)
    padded[:, :streams] = bits
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64).reshape(cycles, words)


def _count(words: Words) -> float:
    return float(np.bitwise_count(words).sum(dtype=np.int64))
