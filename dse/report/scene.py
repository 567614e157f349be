"""What the pictures of the front show."""

import math
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from dse import formats
from dse.design import Role
from dse.report.designs import Choice, choices
from dse.report.recommendations import REFERENCE_DROP_PP, Recommendation, recommendation
from dse.store import StudyFacts, StudyResults
from nets.network import Method

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CostAxis:
    """A cost over which the front is drawn.

    Attributes:
        column: its name in ``StudyResults.trials``.
        attribute: its name in ``Choice``.
        title: what it is called in pictures.
        unit: its unit.
    """

    column: str
    attribute: str
    title: str
    unit: str

    def cost(self, design: Choice) -> float:
        """Returns this cost of a design."""
        return float(getattr(design, self.attribute))


def cost_axes(facts: StudyFacts) -> tuple[CostAxis, CostAxis]:
    """Returns the two cost axes of the front's pictures: area and energy."""
    subject = facts.costed.capitalize()
    return (
        CostAxis(facts.area.name, "area_um2", f"{subject} area", "µm²"),
        CostAxis(facts.energy.name, "energy_nj", f"{subject} energy per inference", "nJ"),
    )


@dataclass(frozen=True)
class Scene:
    """Everything that the pictures of the front show.

    Attributes:
        results: the study.
        rec: its recommendation.
        front: designs of the front, cheapest first.
        lines: uniform baselines by method, narrowest first.
        int32: the baseline.
        dominated: designs of the search that are not on the front.
        top_pp: upper end of the drop axis, pp.
        hidden: number of designs above that end.
        left_out: number of complete trials that are not drawn: scored on only a part of the validation split, or
            infeasible.
    """

    results: StudyResults
    rec: Recommendation
    front: list[Choice]
    lines: dict[str, list[Choice]]
    int32: Choice | None
    dominated: "Dominated"
    top_pp: float
    hidden: int
    left_out: int


@dataclass(frozen=True)
class Dominated:
    """Complete designs of the search that are not on the front.

    Attributes:
        trial: numbers of the trials, int64 ``[designs]``.
        drop_pp: validation drops, pp, ``[designs]``.
        costs: by column of ``trials``, each ``[designs]``.
        bits: multiplier widths in words.
    """

    trial: npt.NDArray[np.int64]
    drop_pp: Floats
    costs: dict[str, Floats]
    bits: list[str]


def scene(results: StudyResults) -> Scene:
    """Collects what the pictures of a study's front show."""
    rec = recommendation(results)
    front = choices(results, results.front)
    measured = choices(results, results.baselines)
    dominated = _dominated(results)
    top = _top(front, measured, results.facts.margin_pp)
    named = {c.trial: c.val_drop_pp for c in (*front, *measured)}  # a baseline may be on the front
    drops = np.concatenate([dominated.drop_pp, list(named.values())])
    return Scene(
        results=results,
        rec=rec,
        front=front,
        lines={
            method.value: sorted(
                (c for c in measured if c.role is Role.uniform(method)), key=lambda c: c.multiplier_bits
            )
            for method in (Method.ROUND, Method.ABSORB)
        },
        int32=rec.int32,
        dominated=dominated,
        top_pp=top,
        hidden=int((drops > top).sum()),
        left_out=len(results.complete) - len(results.judged),
    )


def _dominated(results: StudyResults) -> Dominated:
    trials = results.judged
    rows = trials[(trials["role"] == Role.SEARCH) & ~trials["on_front"].astype(bool)]
    bits = rows[results.bits_columns].to_numpy()
    return Dominated(
        trial=rows["trial"].to_numpy(dtype=np.int64),
        drop_pp=rows["val_accuracy_drop_pp"].to_numpy(dtype=np.float64),
        costs={cost.column: rows[cost.column].to_numpy(dtype=np.float64) for cost in cost_axes(results.facts)},
        bits=[formats.shorten(" ".join(str(int(k)) for k in row), 60) for row in bits],
    )


def _top(front: list[Choice], baselines: list[Choice], margin_pp: float) -> float:
    """Returns the upper end of the drop axis, pp: close above the useful part of the front."""
    near = [c for c in front if c.val_drop_pp <= REFERENCE_DROP_PP]
    highest = max((max(c.val_drop_pp, _or(c.ci_high, 0.0)) for c in near), default=REFERENCE_DROP_PP)
    everything = max((c.val_drop_pp for c in (*front, *baselines)), default=REFERENCE_DROP_PP)
    return min(max(1.15 * highest, 2.5 * margin_pp), max(1.15 * everything, 2.5 * margin_pp))


def baselines(view: Scene) -> list[Choice]:
    """Returns all baselines of the picture."""
    designs = [*chain.from_iterable(view.lines.values()), view.int32, view.rec.control]
    return [choice for choice in designs if choice is not None]


def bottom(view: Scene) -> float:
    """Returns the lower end of the drop axis, pp."""
    lowest = min([0.0, *(min(c.val_drop_pp, _or(c.ci_low, 0.0)) for c in view.front)])
    return lowest - 0.06 * (view.top_pp - lowest)


def marks(view: Scene) -> list[tuple[str, Choice]]:
    """Returns the designs that are labelled in the picture, with their labels."""
    rec = view.rec
    labelled = [("cheapest non-inferior", rec.cheapest), ("cheapest, resolvable margin", rec.cheapest_at_resolvable)]
    if rec.knee and rec.chosen and rec.knee.trial == rec.chosen.trial and (rec.cheapest or rec.cheapest_at_resolvable):
        labelled = [(f"{label} = knee", choice) for label, choice in labelled]
    else:
        labelled.append(("knee", rec.knee))
    return [(f"{label}, trial {choice.trial}", choice) for label, choice in labelled if choice is not None]


def detailed(rec: Recommendation) -> list[tuple[str, Choice]]:
    """Returns the designs whose layers are shown, with labels: int32 and the recommended ones, each trial once."""
    named = [
        ("int32 (Q31)", rec.int32),
        ("cheapest non-inferior", rec.cheapest),
        ("cheapest at the resolvable margin", rec.cheapest_at_resolvable),
        ("knee", rec.knee),
    ]
    seen: dict[int, tuple[str, Choice]] = {}
    for label, choice in named:
        if choice is not None and choice.trial not in seen:
            seen[choice.trial] = (f"{label}, trial {choice.trial}", choice)
    return list(seen.values())


def _or(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise
