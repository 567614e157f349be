"""Outputs on a part of the validation split, kept for the evaluation on all of it that a promoted design gets next."""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dse.design import DesignPoint
from dse.study import outputs_of
from nets.datasets import Samples
from nets.network import ActivationArray, QuantizedNetwork

_MOST = 64  # designs whose outputs are kept; a batch is promoted as a whole, after its last part was evaluated


@dataclass
class PartOutputs:
    """Outputs of untrained designs on a part of the samples, by network and design; the oldest are dropped."""

    _kept: OrderedDict[tuple[str, DesignPoint], tuple[npt.NDArray[np.intp], ActivationArray]] = field(
        default_factory=OrderedDict
    )

    def keep(self, name: str, point: DesignPoint, indices: npt.NDArray[np.intp], outputs: ActivationArray) -> None:
        """Keeps what a network of a design gives for some samples.

        Args:
            name: name of the network in the study.
            point: the network's own part of the design.
            indices: the samples.
            outputs: integers, ``[samples, elements]``.
        """
        self._kept[name, point] = indices, outputs
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def completed(self, name: str, point: DesignPoint, network: QuantizedNetwork, samples: Samples) -> ActivationArray:
        """Returns the outputs for all samples, ``[samples, elements]``; runs the network on those that lack."""
        indices, known = self._kept.pop((name, point), (np.arange(0), None))
        if known is None:
            return outputs_of(network, samples)
        outputs = np.empty((len(samples), known.shape[1]), known.dtype)
        outputs[indices] = known
        if len(rest := np.setdiff1d(np.arange(len(samples)), indices)):
            outputs[rest] = outputs_of(network, samples.take(rest))
        return outputs
