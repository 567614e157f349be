"""Static timing: the longest path of a mapped circuit, with transition times carried from gate to gate.

Rising and falling transitions are separate, an arc passes on what its sense says, and a net takes the latest arrival
and the slowest transition of all arcs that end there (as OpenSTA does). Wires have no delay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hwmodels.synthesis.liberty import TimingArc

Net = int | str
_RISE: Final = 0
_FALL: Final = 1
# Direction of the input transition that makes an output rise or fall, per sense of an arc.
_CAUSES: Final[Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "positive_unate": ((_RISE,), (_FALL,)),
    "negative_unate": ((_FALL,), (_RISE,)),
    "non_unate": ((_RISE, _FALL), (_RISE, _FALL)),
}
_CLOCK_CAUSES: Final = ((_RISE,), (_RISE,))


@dataclass(frozen=True, slots=True)
class TimedOutput:
    """An output of a cell: its net, load in pF, and the arcs that end there, each with the net of its input."""

    net: Net
    load_pf: float
    arcs: tuple[tuple[Net, TimingArc], ...]


class ArrivalTimes:
    """Arrival and transition times of nets in ns, per direction; the clock edge is at 0.

    Args:
        inputs: nets that are driven from outside; their transitions take ``slew_ns`` and arrive at 0.
        launched: outputs of flip-flops, whose clock has an ideal edge.
        gates: outputs of gates in topological order.
    """

    def __init__(
        self, inputs: Iterable[Net], slew_ns: float, launched: Iterable[TimedOutput], gates: Iterable[TimedOutput]
    ) -> None:
        self._times: dict[Net, Sequence[tuple[float, float] | None]] = dict.fromkeys(inputs, ((0.0, slew_ns),) * 2)
        edge = ((0.0, 0.0),) * 2
        for output in launched:
            self._times[output.net] = _merged(output.load_pf, [(edge, arc, _CLOCK_CAUSES) for _, arc in output.arcs])
        for output in gates:
            sources = [(self._times.get(net, ()), arc, _CAUSES[arc.sense]) for net, arc in output.arcs]
            self._times[output.net] = _merged(output.load_pf, sources)

    def latest(self, nets: Iterable[Net]) -> float:
        """Returns the latest arrival at any of the nets, 0 if none has one."""
        times = (time for net in nets for time in self._times.get(net, ()) if time is not None)
        return max((arrival for arrival, _ in times), default=0.0)


_Source = tuple[Sequence[tuple[float, float] | None], TimingArc, tuple[tuple[int, ...], tuple[int, ...]]]


def _merged(load_pf: float, sources: Iterable[_Source]) -> tuple[tuple[float, float] | None, ...]:
    """Returns (latest arrival, slowest transition) of a rising and of a falling output, None if it has no arc."""
    latest: list[tuple[float, float] | None] = [None, None]
    for times, arc, causes in sources:
        for direction in (_RISE, _FALL):
            delay, transition = arc.delays[direction], arc.transitions[direction]
            for cause in causes[direction] if times and delay is not None else ():
                came = times[cause]
                if came is None or delay is None:
                    continue
                arrival = came[0] + delay.at(load_pf, came[1])
                slew = max(transition.at(load_pf, came[1]), 0.0) if transition is not None else came[1]
                known = latest[direction] or (arrival, slew)
                latest[direction] = (max(known[0], arrival), max(known[1], slew))
    return tuple(latest)
