"""Settled values of a mapped circuit's outputs, from the nets that the energy measurement evaluates."""

import numpy as np
import numpy.typing as npt

from hwmodels.synthesis.activity import Trace, _constant, _settle
from hwmodels.synthesis.circuit import Circuit
from hwmodels.synthesis.functions import Words


def simulate(circuit: Circuit, trace: Trace) -> dict[str, npt.NDArray[np.int64]]:
    """Return the settled value of each output port before each clock edge, unsigned, shape (cycles, streams)."""
    settled, streams = _settle(circuit, trace)
    shape = next(iter(settled.values())).shape
    results = {}
    for name, nets in circuit.outputs.items():
        value = np.zeros((shape[0], streams), dtype=np.int64)
        for position, net in enumerate(nets):
            words = settled.get(net, _constant(net, shape))
            value |= _unpack(words, streams) << np.int64(position)
        results[name] = value
    return results


def _unpack(words: Words, streams: int) -> npt.NDArray[np.int64]:
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    return bits[:, :streams].astype(np.int64)
