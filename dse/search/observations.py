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

from dse.design import Level, Observation

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
    lines = _lines(observations, reference)
    values, deviations = np.zeros(len(observations)), np.zeros(len(observations))
    for index, seen in enumerate(observations):
        if seen.is_whole:
            values[index] = seen.levels[seen.asked]
            continue
        line = lines[seen.reached, seen.asked]
        below = np.arcsinh(seen.levels[seen.reached] / reference)
        values[index] = reference * np.sinh(line.offset + line.slope * below)
        deviations[index] = line.deviation
    return ExpectedLosses(values, deviations)


def _lines(observations: Sequence[Observation], reference: float) -> dict[tuple[Level, Level], _Line]:
    """Returns the line between every pair of levels at which a trial was stopped and which it asks for."""
    wanted = {(seen.reached, seen.asked) for seen in observations if not seen.is_whole}
    pairs: dict[tuple[Level, Level], list[tuple[float, float]]] = defaultdict(list)
    for seen in observations:
        for low, high in wanted:
            if low in seen.levels and high in seen.levels:
                pairs[low, high].append((seen.levels[low], seen.levels[high]))
    scaled = {each: np.arcsinh(np.array(pairs[each]).reshape(-1, 2) / reference) for each in wanted}
    return {each: _line(*scaled[each].T) for each in wanted}


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
