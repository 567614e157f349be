"""How often gates switch: settled changes, and the glitches that unequal path lengths cause, on random inputs.

Values of all cycles and streams are the bits of one Python integer per gate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hwmodels.gates.graph import Kind, Literal
from hwmodels.gates.lowering import GateDesign
from hwmodels.gates.stimulus import CYCLES, STREAMS, random_words

# Delay of a gate in steps: how many simple gates a signal passes.
_DELAYS: Final[Mapping[Kind, int]] = {Kind.AND: 1, Kind.XOR: 2, Kind.MUX: 2, Kind.SUM: 4, Kind.CARRY: 3}
_MOST_STEPS: Final = 160  # of a cycle; changes that come later count as settled
_STILL: Final = 0.1
_ALL: Final = (1 << STREAMS) - 1


@dataclass(frozen=True, slots=True)
class Switching:
    """Transitions of a gate per clock cycle: settled ones, and those on top of them."""

    settled: float
    glitches: float


def switching(design: GateDesign, nodes: Sequence[int]) -> dict[int, Switching]:
    """Returns the transitions of the gates among nodes that are alive, in topological order."""
    values = _settled(design, nodes)
    pairs = (CYCLES - 1) * STREAMS
    before, after = ({node: value >> shift & ((1 << pairs) - 1) for node, value in values.items()}
                     for shift in (0, STREAMS))  # fmt: skip
    every = (1 << pairs) - 1
    waves: dict[int, list[tuple[int, int]]] = {}  # per node, its value from each time on
    result = {}
    for node in nodes:
        kind = design.graph.kinds[node]
        if kind in _DELAYS:
            waves[node] = _wave(design, node, waves, before, after, every)
        else:
            waves[node] = [(0, after[node])]
        changes, last = 0, before[node]
        for _, value in waves[node]:
            changes += (last ^ value).bit_count()
            last = value
        settled = (before[node] ^ after[node]).bit_count()
        result[node] = Switching(settled / pairs, (changes - settled) / pairs)
    return result


def is_redundant(rates: Mapping[int, Switching], gates: Iterable[int]) -> bool:
    """Returns whether over a tenth of the gates never switch: much of such logic is the same as less logic.

    A synthesizer may find that, and these gates then cost nothing.
    """
    still = [rates[gate].settled == 0 for gate in gates]
    return sum(still) > _STILL * len(still)


def _wave(
    design: GateDesign,
    node: int,
    waves: Mapping[int, Sequence[tuple[int, int]]],
    before: Mapping[int, int],
    after: Mapping[int, int],
    every: int,
) -> list[tuple[int, int]]:
    kind, reads = design.graph.kinds[node], design.graph.inputs[node]
    delay = _DELAYS[kind]
    times = sorted({time for literal in reads for time, _ in waves[literal >> 1] if time + delay < _MOST_STEPS})
    places = [0] * len(reads)
    held = [before[literal >> 1] for literal in reads]
    wave, last = [], before[node]
    for time in times:
        for index, literal in enumerate(reads):
            steps = waves[literal >> 1]
            while places[index] < len(steps) and steps[places[index]][0] <= time:
                held[index] = steps[places[index]][1]
                places[index] += 1
        value = _evaluate(kind, [h ^ every if literal & 1 else h for h, literal in zip(held, reads, strict=True)])
        if value != last:
            wave.append((time + delay, value))
            last = value
    if last != after[node]:
        wave.append((_MOST_STEPS, after[node]))
    return wave


def _evaluate(kind: Kind, reads: Sequence[int]) -> int:
    match kind:
        case Kind.AND:
            return reads[0] & reads[1]
        case Kind.XOR:
            return reads[0] ^ reads[1]
        case Kind.MUX:
            return reads[2] ^ (reads[0] & (reads[1] ^ reads[2]))
        case Kind.SUM:
            return reads[0] ^ reads[1] ^ reads[2]
        case _:
            return reads[0] & reads[1] | reads[2] & (reads[0] | reads[1])


def _settled(design: GateDesign, nodes: Sequence[int]) -> dict[int, int]:
    """Returns each node's values of all cycles, the first in the lowest bits; flip-flops start at 0."""
    stimulus = _packed(design)
    graph = design.graph
    order = [node for node in nodes if graph.kinds[node] in _DELAYS]
    now: dict[int, int] = dict.fromkeys(nodes, 0)
    whole: dict[int, int] = dict.fromkeys(nodes, 0)
    flops = [node for node in nodes if graph.kinds[node] is Kind.FLOP]

    def read(literal: Literal) -> int:
        return now[literal >> 1] ^ (_ALL if literal & 1 else 0)

    for cycle in range(CYCLES):
        for node in nodes:
            if graph.kinds[node] is Kind.LEAF:
                now[node] = stimulus[node][cycle]
        for node in order:
            now[node] = _evaluate(graph.kinds[node], [read(literal) for literal in graph.inputs[node]])
        for node in nodes:
            whole[node] |= now[node] << cycle * STREAMS
        following = {node: read(graph.inputs[node][0]) for node in flops}
        now.update(following)
    return whole


def _packed(design: GateDesign) -> dict[int, list[int]]:
    """Returns the values of every leaf, one integer of all streams per cycle; a memory's words are random."""
    words = random_words({name: len(word) for name, word in design.inputs.items()})
    packed = {}
    for name, word in design.inputs.items():
        for place, literal in enumerate(word):
            bits = (words[name] >> min(place, 63)) & 1
            packed[literal >> 1] = _rows(bits)
    others = [node for node, kind in enumerate(design.graph.kinds) if kind is Kind.LEAF and node not in packed]
    generator = np.random.default_rng(len(packed))
    for node in others:
        packed[node] = _rows(generator.integers(0, 2, size=(CYCLES, STREAMS)))
    return packed


def _rows(bits: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[int]:
    return [
        int.from_bytes(row.tobytes(), "little") for row in np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
    ]
