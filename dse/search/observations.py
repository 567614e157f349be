"""What searches learn from: one loss per trial, that of the level which the trial's design asks for.

The fidelity ladder stops most designs early. What they lose untrained says something about what they would lose
trained, but is another figure, often ten times as large, and must not stand beside trained losses as if it were one. A
trial that was stopped has the loss that is expected at the level which its design asks for, by a line through the
trials that reached both levels. Losses span orders of magnitude, so the line is drawn through ``arcsinh(loss /
reference)``, which is linear near zero and logarithmic beyond the reference. (This is the autoregressive model of
Kennedy and O'Hagan, Biometrika 87 (2000) 1-13, without its Gaussian processes; the surrogate adds one over designs.)
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.design import Observation

_PRIOR = 2.0  # weight of "the levels agree", in trials; enough to decide before two trials have reached both levels
_PRIOR_VARIANCE = 1.0  # of the difference between two levels before any trial shows it, as arcsinh: a factor of e

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ExpectedLosses:
    """The loss of every trial at the level that its design asks for.

    Attributes:
        values: measured or expected losses, ``[trials]``.
        deviations: standard deviation of ``arcsinh(values / reference)`` that is due to the trial having been stopped
            below that level, ``[trials]``; 0 if the loss was measured.
    """

    values: Floats
    deviations: Floats


@dataclass(frozen=True, slots=True)
class _Line:
    """Expected ``arcsinh`` of a loss at a higher level, by that at a lower one, and the spread around it."""

    slope: float
    offset: float
    deviation: float


def expected_losses(observations: Sequence[Observation], reference: float) -> ExpectedLosses:
    """Returns the loss of every trial at the level that its design asks for.

    Args:
        observations: what the trials show.
        reference: scale of the losses (:attr:`dse.design.Figure.reference`).
    """
    values = np.array([seen.levels[seen.reached] for seen in observations], dtype=np.float64)
    deviations, stopped = np.zeros(len(observations)), defaultdict(list)
    for index, seen in enumerate(observations):
        if not seen.is_whole:
            stopped[seen.reached, seen.asked].append(index)
    for (low, high), indices in stopped.items():
        pairs = [(s.levels[low], s.levels[high]) for s in observations if low in s.levels and high in s.levels]
        line = _line(*np.arcsinh(np.array(pairs, dtype=np.float64).reshape(-1, 2) / reference).T)
        below = np.arcsinh(values[indices] / reference)
        values[indices] = reference * np.sinh(line.offset + line.slope * below)
        deviations[indices] = line.deviation
    return ExpectedLosses(values, deviations)


def _line(low: Floats, high: Floats) -> _Line:
    """Fits ``high - low`` as a line of ``low`` by ridge regression towards 0, which is that the levels agree."""
    centre = float(low.mean()) if len(low) else 0.0
    inputs = np.column_stack([np.ones(len(low)), low - centre])
    precision = inputs.T @ inputs + _PRIOR * np.diag([1.0, 1.0])
    offset, slope = np.linalg.solve(precision, inputs.T @ (high - low))
    residuals = high - low - inputs @ np.array([offset, slope])
    variance = (_PRIOR * _PRIOR_VARIANCE + float(residuals @ residuals)) / (_PRIOR + len(low))
    slope = max(1.0 + float(slope), 0.0)  # a higher loss below never promises a lower one above
    return _Line(slope, offset=float(offset) + (1.0 - slope) * centre, deviation=float(np.sqrt(variance)))
