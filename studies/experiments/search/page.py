"""The page of a comparison: a table with intervals, and a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from dse.design import FloatMatrix
from studies.experiments.search.problem import History


@dataclass(frozen=True)
class Result:
    """What the runs of one search gave with one number of evaluations.

    Attributes:
        evaluations: number of evaluations.
        found: hypervolume of all designs on test, after every tenth evaluation, ``[runs, points]``.
        points: those numbers of evaluations.
        reported: hypervolume on test of the front of what a study expects, at the end, ``[runs]``.
        begun: hypervolume of the uniform designs, ``[runs]``.
        attainable: hypervolume of the front of all designs, ``[runs]``; NaN if it is not known.
        seconds: mean time of a proposal.
    """

    evaluations: int
    found: FloatMatrix
    points: Sequence[int]
    reported: FloatMatrix
    begun: FloatMatrix
    attainable: FloatMatrix
    seconds: float

    @classmethod
    def of(cls, runs: Sequence[tuple[History, float]], uniform: int, attainable: Sequence[float]) -> "Result":
        """Returns the result of runs with the seconds of their proposals."""
        evaluations = len(runs[0][0].rows)
        points = sorted({uniform, *range(10 * (uniform // 10 + 1), evaluations, 10), evaluations})
        proposals = max(evaluations - uniform, 1)
        return cls(
            evaluations,
            np.array([[history.first(point).found for point in points] for history, _ in runs]),
            points,
            np.array([history.reported for history, _ in runs]),
            np.array([history.first(uniform).found for history, _ in runs]),
            np.array(attainable),
            float(np.mean([seconds for _, seconds in runs])) / proposals,
        )

    @property
    def gains(self) -> FloatMatrix:
        """What each run added to the uniform designs, as a share of what can be added if that is known, ``[runs]``."""
        added = self.found[:, -1] - self.begun
        return np.where(np.isnan(self.attainable), added, added / (self.attainable - self.begun))

    @property
    def gains_reported(self) -> FloatMatrix:
        """The same of the designs on the front of what a study expects, ``[runs]``."""
        added = self.reported - self.begun
        return np.where(np.isnan(self.attainable), added, added / (self.attainable - self.begun))


def with_interval(values: FloatMatrix) -> str:
    """Returns mean and 95% interval of Student's t over runs."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.3f}"
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return f"{mean:.3f} ({mean - half:.3f} to {mean + half:.3f})"


def table(results: Mapping[str, Sequence[Result]], marks: Sequence[int]) -> list[str]:
    """Returns the lines of the table in Markdown: for every mark what was found, and beside it what was reported."""
    titles = ["search", *(f"{mark}: found | {mark}: reported" for mark in marks), "runs", "seconds per proposal"]
    lines = [f"| {' | '.join(titles)} |", "|---" + "|---:" * (2 * len(marks) + 2) + "|"]
    for name, own in results.items():
        by_mark = {result.evaluations: result for result in own}
        cells = [name]
        for mark in marks:
            result = by_mark.get(mark)
            cells += [with_interval(result.gains), with_interval(result.gains_reported)] if result else ["", ""]
        cells.append(", ".join(str(len(by_mark[mark].begun)) if mark in by_mark else "-" for mark in marks))
        cells.append(", ".join(f"{by_mark[mark].seconds:.2g}" if mark in by_mark else "-" for mark in marks))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def draw(results: Mapping[str, Sequence[Result]], path: Path) -> None:
    """Draws what every search found against evaluations, with the 95% interval over runs."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for number, (name, own) in enumerate(results.items()):
        result = max(own, key=lambda each: each.evaluations)
        span = np.where(np.isnan(result.attainable), 1.0, result.attainable - result.begun)
        shares = (result.found - result.begun[:, None]) / span[:, None]
        mean = shares.mean(axis=0)
        axes.plot(result.points, mean, color=f"C{number}", label=name, linestyle="-" if number < 10 else "--")
        if len(shares) > 1:
            half = stats.t.ppf(0.975, len(shares) - 1) * shares.std(axis=0, ddof=1) / np.sqrt(len(shares))
            axes.fill_between(result.points, mean - half, mean + half, color=f"C{number}", alpha=0.12, linewidth=0)
    axes.set(xlabel="evaluations, uniform designs included", xscale="log")
    known = not any(np.isnan(result.attainable).any() for own in results.values() for result in own)
    axes.set_ylabel("share of the attainable gain" if known else "hypervolume gained over uniform designs")
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
