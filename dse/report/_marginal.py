"""What the next 0.1 percentage point of accuracy costs, along the front."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dse.report.designs import Choice
from dse.report.recommendation import REFERENCE_DROP_PP

TENTH_PP = 0.1
SMALLEST_SIGNIFICANT_GAIN = 6  # samples: 2 * 0.5**6 < 0.05, a sign test's best case; below it no gain is significant


@dataclass(frozen=True)
class Step:
    """From one design of the front to the next dearer, more accurate one.

    Attributes:
        cheaper: where the step starts.
        dearer: where it ends.
        gain_pp: validation accuracy gained, percentage points.
        gain_samples: the same as a number of validation samples.
        area_um2: rescaler area added.
        energy_nj: rescaler energy of one inference added (negative where the dearer design needs less).
    """

    cheaper: Choice
    dearer: Choice
    gain_pp: float
    gain_samples: int
    area_um2: float
    energy_nj: float

    @property
    def area_per_tenth_um2(self) -> float:
        """Area (µm²) per 0.1 pp gained."""
        return self.area_um2 * TENTH_PP / self.gain_pp

    @property
    def energy_per_tenth_pj(self) -> float:
        """Energy (pJ per inference) per 0.1 pp gained."""
        return 1000 * self.energy_nj * TENTH_PP / self.gain_pp

    @property
    def can_be_significant(self) -> bool:
        """Whether so few validation samples could show a difference at all."""
        return self.gain_samples >= SMALLEST_SIGNIFICANT_GAIN


def marginal_steps(front: list[Choice], validation_samples: int, limit: int = 12) -> list[Step]:
    """Steps along the lower convex hull of validation drop over area, cheapest first; prices rise along it.

    Designs off the hull are worse value than a mixture of their neighbours and designs beyond 5 pp are no candidates,
    so both are left out. A hull of more than ``limit`` steps is thinned to every n-th design.
    """
    corners = _thinned(_lower_hull([c for c in front if c.val_drop_pp <= REFERENCE_DROP_PP]), limit + 1)
    return [_step(cheaper, dearer, validation_samples) for cheaper, dearer in pairwise(corners)]


def _lower_hull(designs: list[Choice]) -> list[Choice]:
    hull: list[Choice] = []
    for design in _staircase(designs):
        while len(hull) > 1 and not _turns_up(hull[-2], hull[-1], design):
            hull.pop()
        hull.append(design)
    return hull


def _staircase(designs: list[Choice]) -> list[Choice]:
    """Designs that are more accurate than every cheaper one, by area."""
    kept: list[Choice] = []
    for design in sorted(designs, key=lambda c: (c.area_um2, c.val_drop_pp)):
        if not kept or design.val_drop_pp < kept[-1].val_drop_pp:
            kept.append(design)
    return kept


def _turns_up(first: Choice, middle: Choice, last: Choice) -> bool:
    """Whether the corner at ``middle`` is convex: it lies below the line from ``first`` to ``last``."""
    run, rise = last.area_um2 - first.area_um2, last.val_drop_pp - first.val_drop_pp
    return (middle.val_drop_pp - first.val_drop_pp) * run < rise * (middle.area_um2 - first.area_um2)


def _thinned(designs: list[Choice], most: int) -> list[Choice]:
    if len(designs) <= most:
        return designs
    return [designs[int(position)] for position in np.linspace(0, len(designs) - 1, most).round()]


def _step(cheaper: Choice, dearer: Choice, samples: int) -> Step:
    gain = cheaper.val_drop_pp - dearer.val_drop_pp
    return Step(
        cheaper=cheaper,
        dearer=dearer,
        gain_pp=gain,
        gain_samples=round(gain * samples / 100),
        area_um2=dearer.area_um2 - cheaper.area_um2,
        energy_nj=dearer.energy_nj - cheaper.energy_nj,
    )
