"""The ranges of stored figures: what lies outside of them was damaged, or never measured."""

import math
from collections.abc import Mapping

from dse.design import DROP, Section, TestScore, metrics

_WHOLE = 100.0  # percent, or percentage points
_COSTS = (Section.RESCALERS, Section.ACCELERATOR, Section.PARAMETERS)


def implausible(figures: Mapping[str, float | None]) -> str:
    """Returns what is wrong with the first figure that lies outside of its range; empty if none does."""
    for name, value in figures.items():
        low, high = _RANGES.get(name, (-math.inf, math.inf))
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            return f"{name} = {value:g}, which should lie from {low:g} to {high:g}"
    return ""


def implausible_score(score: TestScore) -> str:
    """Returns what is wrong with a test score; empty if nothing is."""
    accuracy = score.accuracy
    if score.samples < 0 or (accuracy is not None and not 0 <= accuracy <= _WHOLE):
        return f"an accuracy of {accuracy} % of {score.samples} samples"
    for name in ("baseline_correct", "lost", "gained", "differing"):
        count = getattr(score, name)
        if count is not None and not 0 <= count <= score.samples:
            return f"{name} = {count} of {score.samples} samples"
    return next((reason for _, member in score.members if (reason := implausible_score(member))), "")


def _range(name: str, unit: str, section: Section) -> tuple[float, float]:
    if name == DROP.name:
        return -_WHOLE, _WHOLE
    if unit in ("%", "pp"):
        return 0.0, _WHOLE
    return (0.0 if section in _COSTS else -math.inf), math.inf


_RANGES = {figure.name: _range(figure.name, figure.unit, figure.section) for figure in metrics.FIGURES}
