"""What the pictures of the front show."""

import math
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from dse import formats
from dse.design import Figure, Role
from dse.report.losses import ShownLoss, shown_loss
from dse.report.recommendations import Recommendation, recommendation
from dse.store import StudyFacts, StudyResults
from dse.verdict import ROLE_NAMES, Choice, choices

Floats = npt.NDArray[np.float64]
_LEAST_SHARE = 1e-3  # of the reference point, that an axis without a margin shows at least


@dataclass(frozen=True)
class Scene:
    """Everything that the pictures of the front show.

    Attributes:
        results: the study.
        rec: its recommendation.
        front: designs of the front, cheapest first.
        lines: uniform baselines by role, narrowest first.
        dominated: designs of the search that are not on the front.
        loss: how losses read.
        top_pp: largest loss that is drawn, in its unit.
        hidden: number of designs above that end.
        left_out: number of complete trials that are not drawn: scored on only a part of the validation split, or
            infeasible.
    """

    results: StudyResults
    rec: Recommendation
    front: list[Choice]
    lines: dict[Role, list[Choice]]
    dominated: "Dominated"
    loss: ShownLoss
    top_pp: float
    hidden: int
    left_out: int


@dataclass(frozen=True)
class Dominated:
    """Complete designs of the search that are not on the front.

    Attributes:
        trial: numbers of the trials, int64 ``[designs]``.
        losses: losses on validation, ``[designs]``.
        costs: by column of ``trials``, each ``[designs]``.
        bits: multiplier widths and shift windows in short.
    """

    trial: npt.NDArray[np.int64]
    losses: Floats
    costs: dict[str, Floats]
    bits: list[str]


def cost_axes(facts: StudyFacts) -> tuple[Figure, Figure]:
    """Returns the two costs over which fronts are drawn: area and energy."""
    return facts.area, facts.energy


def design_style(results: StudyResults, trial: int) -> str:
    """Returns the accelerator style of a design: its own if designs choose it, else the study's."""
    if "style" not in results.trials.columns:
        return results.facts.style
    chosen = results.trials.loc[results.trials["trial"] == trial, "style"]
    return str(chosen.iloc[0]) if chosen.notna().any() else results.facts.style


def scene(results: StudyResults) -> Scene:
    """Collects what the pictures of a study's front show."""
    rec = recommendation(results)
    front = choices(results, results.front)
    measured = choices(results, results.baselines)
    dominated = _dominated(results)
    top = _top(front, measured, results.facts)
    named = {c.trial: c.val_loss for c in (*front, *measured)}  # a baseline may be on the front
    drops = np.concatenate([dominated.losses, list(named.values())])
    return Scene(
        results=results,
        rec=rec,
        front=front,
        lines={
            role: sorted((c for c in measured if c.role is role), key=_narrowest_first)
            for role in Role
            if role.is_uniform
        },
        dominated=dominated,
        loss=shown_loss(results.facts),
        top_pp=top,
        hidden=int((drops > top).sum()),
        left_out=len(results.complete) - len(results.judged),
    )


def _narrowest_first(choice: Choice) -> tuple[float, ...]:
    return *choice.multiplier_bits, *(math.inf if window is None else window for window in choice.shift_bits)


def _dominated(results: StudyResults) -> Dominated:
    trials = results.judged
    rows = trials[(trials["role"] == Role.SEARCH) & ~trials["on_front"].astype(bool)]
    designs = choices(results, rows)
    return Dominated(
        trial=rows["trial"].to_numpy(dtype=np.int64),
        losses=rows[results.facts.loss.name].to_numpy(dtype=np.float64),
        costs={cost.name: rows[cost.name].to_numpy(dtype=np.float64) for cost in cost_axes(results.facts)},
        bits=[formats.shorten(" ".join(design.rescalers), 60) for design in designs],
    )


def _top(front: list[Choice], baselines: list[Choice], facts: StudyFacts) -> float:
    """Returns the largest loss that is drawn, in its unit: a little more than the useful part of the front has."""
    reference, margin = facts.loss.reference, facts.margin or _LEAST_SHARE * facts.loss.reference
    near = [c for c in front if c.val_loss <= reference]
    highest = max((max(c.val_loss, _or(c.ci_high, 0.0)) for c in near), default=reference)
    everything = max((c.val_loss for c in (*front, *baselines)), default=reference)
    return min(max(1.15 * highest, 2.5 * margin), max(1.15 * everything, 2.5 * margin))


def baselines(view: Scene) -> list[Choice]:
    """Returns all baselines of the picture."""
    designs = [*chain.from_iterable(view.lines.values()), view.rec.int32, view.rec.int16, view.rec.control]
    return [choice for choice in designs if choice is not None]


def bottom(view: Scene) -> float:
    """Returns the smallest loss that is drawn, in its unit."""
    lowest = min([0.0, *(min(c.val_loss, _or(c.ci_low, 0.0)) for c in view.front)])
    return lowest - 0.06 * (view.top_pp - lowest)


def marks(view: Scene) -> list[tuple[str, Choice]]:
    """Returns the recommended designs with their labels, each trial once."""
    named = view.rec.recommended
    names: dict[int, list[str]] = {}
    for name, choice in named.items():
        names.setdefault(choice.trial, []).append(name)
    designs = {choice.trial: choice for choice in named.values()}
    return [(f"{' = '.join(names[trial])}, trial {trial}", choice) for trial, choice in designs.items()]


def detailed(view: Scene) -> list[tuple[str, Choice]]:
    """Returns the designs whose layers are shown, with labels: int32 and the recommended ones, each trial once."""
    if (int32 := view.rec.int32) is None:
        return marks(view)
    others = [(label, choice) for label, choice in marks(view) if choice.trial != int32.trial]
    return [(f"{ROLE_NAMES[Role.INT32]}, trial {int32.trial}", int32), *others]


def _or(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise
