"""What the specifications of the pictures show, read from the specifications themselves."""

import dataclasses
import json
import math
import re
from collections import defaultdict
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from synthetic_study import HOSTILE, Maker

from dse.report.analysis import Convergence, convergence
from dse.report.charts.curves import convergence_panels
from dse.report.charts.front import MOST_DOMINATED, MOST_INTERVALS, front_panel
from dse.report.charts.picture import Panel, Title, rendered
from dse.report.charts.rescalers import (
    MOST_COLUMNS,
    MOST_LABELLED,
    SHARED_BANK,
    WAITING,
    layer_table,
    layers_panels,
    sensitivity_panels,
    widths_panel,
)
from dse.report.charts.several import portfolio_panel
from dse.report.charts.style import NAME_LENGTH, distinct_series, row_labels
from dse.report.scene import cost_axes, marks, scene
from dse.report.sensitivity import sensitivity
from dse.store.results import StudyResults

Rows = list[dict[str, Any]]


def layer(panel: Panel, name: str) -> Rows:
    """Rows of the layer whose name ends so."""
    (layer,) = [one for one in panel.spec["layer"] if str(one.get("name", "")).endswith(name)]
    rows: Rows = layer["data"]["values"]
    return rows


def legend(panel: Panel) -> list[str]:
    """Entries of the legend of marks."""
    (entries,) = {
        tuple(one["encoding"]["shape"]["scale"]["domain"])
        for one in panel.spec["layer"]
        if "shape" in one.get("encoding", {})
    }
    return list(entries)


def with_members(results: StudyResults, names: tuple[str, ...]) -> StudyResults:
    """The same study as a portfolio whose first network has the whole's drop, and each other one 0.1 pp more."""
    drop = results.trials["val_accuracy_drop_pp"]
    columns = {f"{name}.val_accuracy_drop_pp": drop + 0.1 * number for number, name in enumerate(names)}
    facts = dataclasses.replace(results.facts, members=names)
    return dataclasses.replace(results, facts=facts, trials=results.trials.assign(**columns))


def test_front_shows_every_design_at_its_cost_and_drop(any_study: StudyResults) -> None:
    view = scene(any_study)
    for axis in cost_axes(any_study.facts):
        panel = front_panel(view, axis)
        designs = layer(panel, "_designs")
        assert [row["trial"] for row in designs] == [c.trial for c in view.front]
        np.testing.assert_allclose([row["x"] for row in designs], [c.value(axis) for c in view.front], rtol=1e-8)
        np.testing.assert_allclose([row["y"] for row in designs], [-c.val_loss for c in view.front], rtol=1e-8)
        dominated = layer(panel, "_dominated")
        assert [row["trial"] for row in dominated] == view.dominated.trial.tolist()
        np.testing.assert_allclose([row["x"] for row in dominated], view.dominated.costs[axis.name], rtol=1e-5)
        np.testing.assert_allclose([row["y"] for row in dominated], -view.dominated.losses, rtol=1e-4)
        low, high = panel.spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
        assert low < high  # better is above


def test_legend_lists_what_is_drawn_and_nothing_else(any_study: StudyResults) -> None:
    view = scene(any_study)
    panel = front_panel(view, cost_axes(any_study.facts)[0])
    drawn = [row["series"] for one in panel.spec["layer"] for row in one["data"]["values"] if "series" in row]
    assert set(legend(panel)) == set(drawn)
    assert len(legend(panel)) == len(set(legend(panel)))


def test_test_intervals_are_those_of_the_front_or_of_the_labelled_designs(make: Maker) -> None:
    for results in (make(), make(front=500, trials=30)):
        view = scene(results)
        rows = layer(front_panel(view, cost_axes(results.facts)[0]), "_intervals")
        shown = view.front if len(view.front) <= MOST_INTERVALS else [choice for _, choice in marks(view)]
        assert rows
        np.testing.assert_allclose(
            [(-row["low"], -row["y"], -row["high"]) for row in rows],
            [(c.ci_low, c.test_loss, c.ci_high) for c in shown if math.isfinite(c.ci_high)],
            rtol=1e-8,
        )


def test_the_pointer_picks_the_front(typical: StudyResults) -> None:
    view = scene(typical)
    panel = front_panel(view, cost_axes(typical.facts)[0])
    named = [(one.get("name", ""), one) for one in panel.spec["layer"]]
    hoverable = [name.split("_um2_")[1] for name, one in named if "tooltip" in one.get("encoding", {})]
    assert hoverable == ["dominated", "uniform", "intervals", "int32", "targets", "designs"]  # the last one is on top
    targets = next(one for name, one in named if name.endswith("_targets"))
    assert [row["trial"] for row in targets["data"]["values"]] == [c.trial for c in view.front]
    assert targets["mark"]["fillOpacity"] == 0


def test_uniform_designs_carry_their_width(typical: StudyResults) -> None:
    view = scene(typical)
    panel = front_panel(view, cost_axes(typical.facts)[0])
    for role, line in view.lines.items():
        if line:
            labels = {row["trial"]: row["label"] for row in layer(panel, f"_{role}_k")}
            assert labels == {c.trial: str(c.multiplier_bits[0]) for c in line}


def test_intervals_are_lighter_than_marks(typical: StudyResults) -> None:
    panel = front_panel(scene(typical), cost_axes(typical.facts)[0])
    (bars,) = [one for one in panel.spec["layer"] if str(one.get("name", "")).endswith("_intervals")]
    (points,) = [one for one in panel.spec["layer"] if str(one.get("name", "")).endswith("_designs")]
    darkest = min(lightness(colour) for colour in points["encoding"]["stroke"]["scale"]["range"])
    assert lightness(bars["mark"]["color"]) > 0.5 > darkest


def lightness(colour: str) -> float:
    """Mean of red, green and blue of ``#rrggbb``, 0..1."""
    return sum(int(colour[place : place + 2], 16) for place in (1, 3, 5)) / 765


def test_of_many_dominated_designs_every_nth_is_drawn_and_the_legend_says_so(make: Maker) -> None:
    view = scene(make(trials=2 * MOST_DOMINATED + 100, rescalers=2))
    panel = front_panel(view, cost_axes(view.results.facts)[0])
    rows = layer(panel, "_dominated")
    assert MOST_DOMINATED / 2 < len(rows) <= MOST_DOMINATED
    assert f"dominated ({len(rows):,} of {len(view.dominated.trial):,} drawn)" in legend(panel)


def test_widths_have_a_cell_per_rescaler_and_design(make: Maker) -> None:
    for designs in (MOST_LABELLED, MOST_LABELLED + 1):
        view = scene(make(front=designs, trials=20))
        panel = widths_panel(view)
        cells = {(row["trial"], row["row"]): row["value"] for row in panel.spec["data"]["values"]}
        assert cells == {
            (c.trial, name): bits
            for c in view.front
            for name, bits in zip(row_labels(view.results.rescalers), c.multiplier_bits, strict=True)
        }
        assert len(panel.spec["layer"]) == (2 if designs == MOST_LABELLED else 1)  # with and without numbers


def test_of_a_long_front_evenly_spaced_designs_have_a_column(make: Maker) -> None:
    view = scene(make(front=500, trials=30))
    panel = widths_panel(view)
    shown = {row["trial"] for row in panel.spec["data"]["values"]}
    assert {choice.trial for _, choice in marks(view)} | {view.front[0].trial, view.front[-1].trial} <= shown
    assert MOST_COLUMNS <= len(shown) <= MOST_COLUMNS + len(marks(view))
    assert f"{len(shown)} of 500" in panel.spec["encoding"]["x"]["title"]


def test_parts_of_a_bar_add_up_to_the_area_of_the_rescaler(typical: StudyResults) -> None:
    view = scene(typical)
    area, energy = layers_panels(view)
    totals: dict[tuple[int, str], float] = defaultdict(float)
    for row in area.spec["data"]["values"]:
        totals[row["trial"], row["row"]] += row["value"]
    for trial, name in totals:
        assert totals[trial, name] == pytest.approx(layer_table(view, trial).loc[name, "area_um2"], rel=1e-5)
    assert {(row["trial"], row["row"]) for row in energy.spec["data"]["values"]} == set(totals)


@pytest.mark.parametrize("style", ["streaming", "shared"])
def test_bars_of_a_design_add_up_to_its_rescalers(typical: StudyResults, style: str) -> None:
    # what a layer of a shared bank would need alone is no part of the bank: nine layers, nine times the area
    results = dataclasses.replace(typical, facts=dataclasses.replace(typical.facts, style=style))
    trials = results.trials.set_index("trial")
    for panel, column in zip(layers_panels(scene(results)), ("rescaler_area_um2", "rescaler_energy_nj"), strict=True):
        rows = panel.spec["data"]["values"]
        assert rows
        for trial in {row["trial"] for row in rows}:
            drawn = sum(row["value"] for row in rows if row["trial"] == trial)
            assert drawn == pytest.approx(trials.loc[trial, column], rel=1e-4)
    if style == "shared":
        assert {row["row"] for row in layers_panels(scene(results))[0].spec["data"]["values"]} == {SHARED_BANK}


def test_clocks_that_wait_are_a_bar_of_a_clocked_design(typical: StudyResults) -> None:
    trials = typical.trials.assign(rescaler_energy_nj=typical.trials["rescaler_energy_nj"] + 7.0)
    results = dataclasses.replace(
        typical, facts=dataclasses.replace(typical.facts, clock_mhz=100.0, clock_gating=True), trials=trials
    )
    rows = layers_panels(scene(results))[1].spec["data"]["values"]
    waiting = [row["value"] for row in rows if row["row"] == WAITING]
    assert waiting == pytest.approx([7.0] * len({row["trial"] for row in rows}), rel=1e-3)


def test_sensitivity_leaves_out_what_no_trial_had(make: Maker) -> None:
    results = make(trials=40)
    learned = sensitivity(results)
    assert learned is not None
    drops, shares = sensitivity_panels(scene(results), learned)
    assert len(drops.spec["data"]["values"]) == np.isfinite(learned.drop_pp).sum()
    assert {row["series"] for row in shares.spec["data"]["values"]} == {
        "accuracy (fANOVA)",
        "area of int32",
        "energy of int32",
    }


def test_thinned_convergence_is_the_same_line(make: Maker) -> None:
    growth = convergence(make(trials=300))
    assert growth is not None
    for panel, xs in zip(
        convergence_panels(growth), (np.arange(1, len(growth.hypervolume) + 1), growth.minutes), strict=True
    ):
        rows = panel.spec["data"]["values"]
        assert len(rows) < len(xs) / 2
        for x, volume in zip(xs, growth.hypervolume, strict=True):
            assert [row["y"] for row in rows if row["x"] <= x * (1 + 1e-5)][-1] == pytest.approx(volume, rel=1e-5)


def test_convergence_without_times_is_one_picture() -> None:
    growth = Convergence(np.array([0.0, 1.0]), np.array([1, 1]), np.empty(0), 1)
    (panel,) = convergence_panels(growth)
    assert "search begins" in json.dumps(panel.spec)


def test_portfolio_draws_each_network_and_never_a_falling_best(make: Maker) -> None:
    results = with_members(make(), ("<b>one</b>", "two"))
    panel = portfolio_panel(scene(results))
    assert legend(panel) == ["<b>one</b>", "two"]
    lines = [one["data"]["values"] for one in panel.spec["layer"] if one["mark"]["type"] == "line"]
    assert [{row["series"] for row in rows} for rows in lines] == [{"<b>one</b>"}, {"two"}]
    for rows in lines:
        assert [row["x"] for row in rows] == sorted(row["x"] for row in rows)
        assert [row["y"] for row in rows] == sorted(row["y"] for row in rows)
    assert len(layer(panel, "_designs")) == 2 * len(results.front)


def test_still_pictures_show_names_as_text_and_do_not_depend_on_earlier_ones(hostile: StudyResults) -> None:
    view = scene(hostile)
    panels = (front_panel(view, cost_axes(hostile.facts)[0]),)
    title = Title(f"Widths of {HOSTILE[0]}", "study, network, technology")
    first, widths = rendered("front", panels, title), rendered("widths", (widths_panel(view),), title)
    assert rendered("front", panels, title) == first
    identifiers = re.findall(r' id="([^"]+)"', first.svg)
    assert identifiers
    assert all(f"url(#{name})" in first.svg for name in identifiers)
    root = ElementTree.fromstring(widths.svg)  # noqa: S314 -- made by this test
    written = {element.text for element in root.iter()}
    assert {*row_labels(HOSTILE), title.text, title.source} <= written


def test_row_labels_are_short_and_different() -> None:
    names = [*HOSTILE, "x" * 91, "y" * 40 + "1" + "y" * 40, "y" * 40 + "2" + "y" * 40, "short"]
    labels = row_labels(names)
    assert len(set(labels)) == len(names)
    assert all(len(label) <= NAME_LENGTH for label in labels)
    assert labels[-1] == "short"


def test_many_series_differ_in_more_than_colour() -> None:
    series = distinct_series([f"run {number}" for number in range(6)])
    assert len({(one.shape, one.dash) for one in series}) == 6
