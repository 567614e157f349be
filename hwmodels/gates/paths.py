"""Longest paths through the gates of a design."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwmodels.gates.graph import Kind
from hwmodels.gates.lowering import GateDesign
from hwmodels.technologies import GateKind


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When gates have settled, in ns after inputs and registers have.

    Attributes:
        times: per node that is alive, its time.
        last: the node that settles last of those that a register or an output reads, None without any.
        before: per node, the input that it waits for.
    """

    times: Mapping[int, float]
    last: int | None
    before: Mapping[int, int]

    @property
    def delay_ns(self) -> float:
        """Longest path between inputs, registers and outputs, without the registers' own delays."""
        return 0.0 if self.last is None else self.times[self.last]

    def path(self, kinds: Mapping[int, GateKind]) -> Counter[GateKind]:
        """Returns the gates on the longest path."""
        found, node = Counter[GateKind](), self.last
        while node is not None:
            if node in kinds and node in self.before:
                found[kinds[node]] += 1
            node = self.before.get(node)
        return found


def arrivals(
    design: GateDesign, nodes: Sequence[int], kinds: Mapping[int, GateKind], delays_ns: Mapping[GateKind, float]
) -> Arrivals:
    """Returns when gates settle, given those that are alive in topological order, their kinds and delays."""
    times, before = dict[int, float](), dict[int, int]()
    for node in nodes:
        reads = design.graph.inputs[node]
        if not reads or design.graph.kinds[node] is Kind.FLOP:
            times[node] = 0.0
            continue
        latest = max((literal >> 1 for literal in reads), key=times.__getitem__)
        before[node] = latest
        times[node] = times[latest] + delays_ns.get(kinds[node], 0.0)
    ends = [literal >> 1 for word in design.outputs.values() for literal in word]
    ends += [design.graph.inputs[node][0] >> 1 for node in nodes if design.graph.kinds[node] is Kind.FLOP]
    return Arrivals(times, max(ends, key=times.__getitem__, default=None), before)
