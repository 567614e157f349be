"""The limits that a study sets to figures of its designs, as its trials recorded them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.design import LOSSES, FloatMatrix


@dataclass(frozen=True)
class Limits:
    """The study's constraints as its trials recorded them.

    Attributes:
        names: names of the limited metrics.
        excess: amount by which every trial exceeds the limits, ``[trials, limits]``, in the metrics' units.
    """

    names: tuple[str, ...]
    excess: FloatMatrix

    @classmethod
    def of(cls, recorded: Sequence[Mapping[str, float]]) -> "Limits":
        """Returns the limits by the excesses that trials recorded; one that recorded no value for a limit keeps it."""
        names = tuple(sorted({name for constraints in recorded for name in constraints}))
        excess = [[constraints.get(name, 0.0) for name in names] for constraints in recorded]
        return cls(names, np.array(excess, dtype=np.float64).reshape(len(recorded), len(names)))

    def with_losses(
        self, excess: FloatMatrix, known: npt.NDArray[np.float64], losses: npt.NDArray[np.float64]
    ) -> FloatMatrix:
        """Returns ``excess`` with the limited losses predicted by a line through the losses of the trials.

        Args:
            excess: excess of designs over the limits, predicted like sums of costs, ``[designs, limits]``.
            known: losses of the trials, ``[trials]``.
            losses: losses of the designs, ``[designs]``.
        """
        names = {figure.name for figure in LOSSES}
        columns = [
            np.polyval(np.polyfit(known, self.excess[:, n], 1), losses) if name in names else excess[:, n]
            for n, name in enumerate(self.names)
        ]
        return np.array(columns).reshape(len(self.names), len(excess)).T

    def violation(self, excess: FloatMatrix) -> npt.NDArray[np.float64]:
        """Returns one number per design, 0 if it is feasible; each limit is scaled by its median absolute excess."""
        unit = np.maximum(np.median(np.abs(self.excess), axis=0), np.finfo(float).tiny)
        violation: npt.NDArray[np.float64] = (np.maximum(excess, 0.0) / unit).sum(axis=1)
        return violation
