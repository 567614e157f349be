"""Component tables as Accelergy's plug-ins look them up, by the rules of their READMEs."""

import csv
import io
from pathlib import Path

import pytest
import yaml

from hwmodels import AnalyticRescalerModel, CalibratedRescalerModel, HardwareError, load_technology
from hwmodels.accelergy import Entry, entries_of, files_of

MODEL = CalibratedRescalerModel(load_technology("osu018"))
ENTRIES = entries_of(MODEL, [16, 20], [1, 8, 31], [0, 2])
FILES = files_of(ENTRIES, MODEL)


def by_library(action: str, query: dict[str, object]) -> dict[str, str] | None:
    """Comments off; the action is one of those in the row; attributes that no rule scales have to be equal."""
    lines = [line.split("#")[0].strip() for line in FILES["rescaler.csv"].splitlines()]
    rows = csv.DictReader(io.StringIO("\n".join(line for line in lines if line.replace(",", ""))))
    return next(
        (
            row
            for row in rows
            if action in row["action"].split("|") and all(row[key] == str(value) for key, value in query.items())
        ),
        None,
    )


def by_table(action: str, query: dict[str, object]) -> dict[str, str] | None:
    """The identifier names technology and folder; the first row whose columns equal the attributes counts."""
    identifier = yaml.safe_load(FILES["tables/rescaler.table.yaml"])
    assert identifier["technology"] == query["technology"]
    assert 0 < identifier["accuracy"] <= 100
    folder = Path("tables") / identifier["path_to_data_dir"]
    rows = csv.DictReader(io.StringIO(FILES[str(folder / "rescaler.csv")]))
    return next(
        (
            row
            for row in rows
            if row["action"] == action and not any(k in row and row[k] != str(v) for k, v in query.items())
        ),
        None,
    )


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda each: "-".join(map(str, each.attributes.values())))
def test_both_plug_ins_find_the_cost_of_every_rescaler(entry: Entry) -> None:
    library = by_library("rescale", {"technology": 180, **entry.attributes})
    table = by_table("rescale", {"technology": "180nm", **entry.attributes})
    for row in (library, table):
        assert row is not None
        assert float(row["energy"]) == pytest.approx(entry.cost.energy_pj, rel=1e-5)
        assert float(row["area"]) == pytest.approx(entry.cost.area_um2, rel=1e-5)
    leak = by_library("leak", {"technology": 180, **entry.attributes})
    assert leak is not None
    watts = float(leak["energy"]) * 1e-12 / float(leak["global_cycle_seconds"])
    assert watts == pytest.approx((entry.cost.leakage_uw or 0) * 1e-6, rel=1e-5)


def test_the_library_has_the_actions_that_timeloop_asks_for() -> None:
    query = {"technology": 180, **ENTRIES[0].attributes}
    assert by_library("read", query) == by_library("rescale", query)
    for action in ("write", "update"):
        row = by_library(action, query)
        assert row is not None
        assert float(row["energy"]) == 0
    declared = yaml.safe_load(FILES["rescaler.lib.yaml"])
    (component,) = declared["classes"]
    assert {each["name"] for each in component["actions"]} >= {"rescale", "read", "write", "update", "leak"}
    assert set(ENTRIES[0].attributes) < set(component["attributes"])
    assert isinstance(component["attributes"]["global_cycle_seconds"], float)


def test_a_width_that_is_not_listed_is_not_found() -> None:
    wanted = {**ENTRIES[0].attributes, "multiplier_bits": 5}
    assert by_library("rescale", {"technology": 180, **wanted}) is None
    assert by_table("rescale", {"technology": "180nm", **wanted}) is None


def test_what_no_table_prices_is_refused() -> None:
    with pytest.raises(HardwareError, match="horowitz45 has no cost of a rescaler: horowitz45"):
        entries_of(AnalyticRescalerModel(load_technology("horowitz45")), [20], [8], [0])
    with pytest.raises(HardwareError, match="shift_bits is 5, but an accumulator of 16 bits and k = 1"):
        entries_of(MODEL, [16], [1], [5])
