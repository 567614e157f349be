"""What the pictures of the front show, worked out once for browser and paper."""

import math
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from dse import formats
from dse.design.roles import Role
from dse.report.designs import Choice, choices
from dse.report.recommendation import REFERENCE_DROP_PP, Recommendation, recommendation
from dse.store.results import StudyFacts, StudyResults
from nets.network.operators import Method

SHORT_AXIS = 0.35  # decades
MOST_LABELLED_ROWS = 22  # heat-map columns up to which each cell carries its number

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cost:
    """A cost axis: column of ``trials``, attribute of ``Choice``, words."""

    column: str
    attribute: str
    title: str
    unit: str


def cost_axes(facts: StudyFacts) -> tuple[Cost, Cost]:
    """The two cost axes of the front's pictures."""
    subject = facts.costed.capitalize()
    return (
        Cost(facts.area.name, "area_um2", f"{subject} area", "µm²"),
        Cost(facts.energy.name, "energy_nj", f"{subject} energy per inference", "nJ"),
    )


@dataclass(frozen=True)
class Scene:
    """Everything on the front's pictures.

    Attributes:
        results: the study.
        rec: its recommendation.
        front: cheapest first.
        lines: uniform baselines by method, narrowest first.
        int32: the baseline.
        dominated: designs of the search off the front.
        top_pp: upper end of the drop axis, pp.
        hidden: drawn designs above it.
        left_out: complete trials that are not drawn: scored on a part of the validation split only, or infeasible.
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

    def x(self, designs: list[Choice], cost: Cost) -> list[float]:
        """Costs of designs."""
        return [float(getattr(design, cost.attribute)) for design in designs]


@dataclass(frozen=True)
class Dominated:
    """Complete designs of the search off the front; arrays ``[designs]``."""

    trial: npt.NDArray[np.int64]
    drop_pp: Floats
    costs: dict[str, Floats]
    bits: list[str]


def scene(results: StudyResults) -> Scene:
    """Collect it."""
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
    """High enough for the useful part of the front and its intervals, low enough to see it."""
    near = [c for c in front if c.val_drop_pp <= REFERENCE_DROP_PP]
    highest = max((max(c.val_drop_pp, _or(c.ci_high, 0.0)) for c in near), default=REFERENCE_DROP_PP)
    everything = max((c.val_drop_pp for c in (*front, *baselines)), default=REFERENCE_DROP_PP)
    return min(max(1.15 * highest, 2.5 * margin_pp), max(1.15 * everything, 2.5 * margin_pp))


def baselines(view: Scene) -> list[Choice]:
    """All baselines in the picture."""
    found = [*chain.from_iterable(view.lines.values()), view.int32, view.rec.control]
    return [choice for choice in found if choice is not None]


def bottom(view: Scene) -> float:
    """Lower end of the drop axis, pp."""
    lowest = min([0.0, *(min(c.val_drop_pp, _or(c.ci_low, 0.0)) for c in view.front)])
    return lowest - 0.06 * (view.top_pp - lowest)


def staircase(designs: list[Choice], cost: Cost) -> tuple[list[float], list[float]]:
    """The front's projection on one cost and the drop, as corners of a step line."""
    xs: list[float] = []
    ys: list[float] = []
    for design in sorted(designs, key=lambda c: (getattr(c, cost.attribute), c.val_drop_pp)):
        if ys and design.val_drop_pp >= ys[-1]:
            continue
        if ys:
            xs.append(float(getattr(design, cost.attribute)))
            ys.append(ys[-1])
        xs.append(float(getattr(design, cost.attribute)))
        ys.append(design.val_drop_pp)
    return xs, ys


def marks(view: Scene) -> list[tuple[str, Choice]]:
    """Designs that carry a label in the picture."""
    rec = view.rec
    found = [("cheapest non-inferior", rec.cheapest), ("cheapest, resolvable margin", rec.cheapest_at_resolvable)]
    if rec.knee and rec.chosen and rec.knee.trial == rec.chosen.trial and (rec.cheapest or rec.cheapest_at_resolvable):
        found = [(f"{label} = knee", choice) for label, choice in found]
    else:
        found.append(("knee", rec.knee))
    return [(f"{label}, trial {choice.trial}", choice) for label, choice in found if choice is not None]


def cost_ticks(values: list[float]) -> list[float]:
    """Ticks 1, 2, 5, 10, ... around positive values, for a logarithmic axis; closer ones on a short axis."""
    positive = [value for value in values if value > 0 and math.isfinite(value)]
    if not positive:
        return [1.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    if high - low < SHORT_AXIS:
        return _even_ticks(min(positive), max(positive))
    steps = (1, 1.5, 2, 3, 5, 7) if high - low < 0.7 else (1, 2, 3, 5) if high - low < 1.4 else (1, 2, 5)
    return [step * 10.0**decade for decade in range(math.floor(low), math.ceil(high) + 1) for step in steps]


def _even_ticks(low: float, high: float) -> list[float]:
    """About five round ticks, evenly spaced: on so short an axis a logarithm is nearly straight."""
    exact = max(high - low, 0.05 * high) / 5
    step = next(s for s in (s * 10.0 ** math.floor(math.log10(exact)) for s in (1, 2, 5, 10)) if s >= exact)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [float(f"{number * step:.10g}") for number in range(max(1, first), last + 1)]


def detailed(rec: Recommendation) -> list[tuple[str, Choice]]:
    """Designs whose layers are shown: int32 and the recommended ones, each trial once."""
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
