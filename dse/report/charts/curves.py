"""Pictures of the whole search: convergence and the ratio of the cost models."""

import numpy as np
import numpy.typing as npt

from dse.report.analysis import Agreement, Convergence
from dse.report.charts import style
from dse.report.charts.picture import Panel
from dse.report.charts.style import Rows, Spec, compact

HEIGHT = 240  # px

Floats = npt.NDArray[np.float64]


def convergence_panels(growth: Convergence) -> tuple[Panel, ...]:
    """Draws the hypervolume over complete trials, and over time if the trials have times."""
    trials = np.arange(1, len(growth.hypervolume) + 1, dtype=np.float64)
    panels = [_growth("trials", "Complete trials", trials, growth)]
    if len(growth.minutes):
        panels.append(_growth("minutes", "Minutes since the first trial finished", growth.minutes, growth))
    return tuple(panels)


def _growth(name: str, title: str, xs: Floats, growth: Convergence) -> Panel:
    low, is_cut = visible_from(growth)
    rows: Rows = [
        {
            "x": compact(float(xs[index])),
            "y": compact(float(growth.hypervolume[index])),
            "hover": f"hypervolume {growth.hypervolume[index]:.4f}, front of {growth.front_size[index]}",
        }
        for index in _changes(growth)
    ]
    encoding: Spec = {
        "x": style.linear("x", title, 0.0 if name == "minutes" else 1.0, max(float(xs.max()), 1e-3)),
        "y": style.linear("y", f"Hypervolume{' (axis cut)' if is_cut else ''}", low, highest_visible(growth)),
    }
    line: Spec = {"mark": {"type": "line", "interpolate": "step-after", "color": style.BLUE, "clip": True}}
    points: Spec = {
        "mark": {"type": "point", "color": style.BLUE, "filled": True, "size": 14, "clip": True},
        "encoding": style.HOVER,
    }
    begin = style.rule("x", growth.first_search + 0.5, "search begins")
    begins = 0 < growth.first_search < len(growth.hypervolume) and name == "trials"
    return Panel(
        {
            "description": f"Hypervolume of the front over {title.lower()}",
            "height": HEIGHT,
            "data": {"values": rows},
            "layer": [*style.positioned(encoding, [line, points]), *(begin if begins else [])],
        }
    )


def _changes(growth: Convergence) -> list[int]:
    """Returns the trials that changed the hypervolume or the front, and the last one: they give the same line."""
    changed = (np.diff(growth.hypervolume, prepend=np.nan) != 0) | (np.diff(growth.front_size, prepend=-1) != 0)
    changed[-1] = True
    return [int(index) for index in np.flatnonzero(changed)]


def highest_visible(growth: Convergence) -> float:
    """Returns the upper end of the hypervolume's axis."""
    return 1.01 * float(growth.hypervolume.max()) or 1.0


def visible_from(growth: Convergence) -> tuple[float, bool]:
    """Returns the lower end of the hypervolume's axis, and whether it is above 0 so that the search's part is seen."""
    volumes = growth.hypervolume
    before = float(volumes[growth.first_search - 1]) if 0 < growth.first_search < len(volumes) else 0.0
    gain = float(volumes.max()) - before
    if before == 0 or gain > 0.3 * volumes.max():
        return 0.0, False
    return max(0.0, before - max(gain, 0.02 * before)), True


def agreement_panel(models: Agreement, other: str, objective: str) -> Panel:
    """Draws how the ratio of the two cost models is spread over the trials.

    Args:
        models: the ratios.
        other: name of the cost model in the numerator.
        objective: name of the cost model in the denominator.
    """
    ratios = {"area": models.area_ratio, "energy": models.energy_ratio}
    rows: Rows = [{"row": cost, "x": compact(value)} for cost, values in ratios.items() for value in _quantiles(values)]
    outline: Spec = {"median": {"color": style.INK}, "box": {"stroke": style.INK}}
    box: Spec = {
        "mark": {"type": "boxplot", "extent": "min-max", "size": 26} | outline,
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "title": f"{other} over {objective} (1: equal)",
                "scale": {"zero": False},
                "axis": {"tickCount": 6},
            },
            "y": {"field": "row", "type": "nominal", "title": None, "axis": {"grid": False}},
            "color": {
                "field": "row",
                "type": "nominal",
                "scale": {"domain": list(ratios), "range": [style.SKY, style.YELLOW]},
                "legend": None,
            },
        },
    }
    return Panel(
        {
            "description": f"Range, quartiles and median of costs by {other} over costs by {objective}",
            "height": 90,
            "data": {"values": rows},
            "layer": [box, *style.rule("x", 1.0, "")],
        }
    )


def _quantiles(values: Floats) -> list[float]:
    """Returns at most 201 evenly spaced quantiles: the same box, however many trials there are."""
    return [float(value) for value in np.quantile(values, np.linspace(0, 1, min(201, len(values))))]
