import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control
from synthetic_study import Maker

from dse.report import compare
from dse.report.charts.several import MOST_INTERVALS, comparison_panels
from dse.report.compare_page import layer_changes
from dse.report.comparison import comparison, covered, holm
from dse.store.results import StudyResults
from dse.verdict.designs import Choice, choices


def renamed(results: StudyResults, study: str, seed: int = 0) -> StudyResults:
    facts = dataclasses.replace(results.facts, study=study, provenance={"seed": str(seed)})
    return dataclasses.replace(results, facts=facts)


def cheaper(results: StudyResults, factor: float) -> StudyResults:
    """The same study with every design of the search cheaper."""
    searched = results.trials["on_front"] & (results.trials["role"] != "int32")
    columns = ["rescaler_area_um2", "rescaler_energy_nj"]
    changed = results.trials[columns].where(~searched, results.trials[columns] * factor)
    return dataclasses.replace(results, trials=results.trials.assign(**{name: changed[name] for name in columns}))


def test_a_study_is_not_better_than_itself(make: Maker) -> None:
    results = make(trials=100)
    found = comparison([renamed(results, "a"), renamed(results, "b")])
    (verdict,) = found.verdicts
    assert verdict.better is None
    assert found.runs[0].volume == found.runs[1].volume
    np.testing.assert_array_equal(found.coverage, 1.0)
    assert not any(differs for _, _, differs in layer_changes(found))


def test_a_small_advantage_gets_no_verdict_and_a_large_one_does(make: Maker) -> None:
    results = make(trials=100, test_samples=20_000)
    plain = renamed(results, "plain")
    small, large = renamed(cheaper(results, 0.97), "small"), renamed(cheaper(results, 0.05), "large")
    assert comparison([plain, small]).verdicts[0].better is None
    found = comparison([plain, large])
    assert found.verdicts[0].better == "large"
    assert found.runs[1].test_volume_low > found.runs[0].test_volume_high


def test_verdict_does_not_depend_on_the_order(make: Maker) -> None:
    results = make(trials=100, test_samples=20_000)
    pair = [renamed(results, "plain"), renamed(cheaper(results, 0.05), "large")]
    assert comparison(pair).verdicts[0].better == comparison(pair[::-1]).verdicts[0].better == "large"


def test_unscored_fronts_get_no_verdict(make: Maker) -> None:
    found = comparison([renamed(make(scored=False), "a"), renamed(make(), "b")])
    assert found.verdicts[0].better is None
    assert "not every design" in found.verdicts[0].reason


@pytest.mark.parametrize(
    "change",
    [
        {"style": "shared"},
        {"dataset": "other"},
        {"lanes": 2},
        {"accelerator": "64 MACs to 1 rescaler"},
        {"output_order": "channel_outermost"},
        {"clock_mhz": 100.0, "clock_gating": True},
        {"provenance": {"hardware.technology SHA-256": "12ab"}},
    ],
)
def test_fronts_on_different_scales_are_not_judged(make: Maker, change: dict[str, object]) -> None:
    results = make()
    other = dataclasses.replace(results, facts=dataclasses.replace(results.facts, study="b", **change))
    found = comparison([results, other])
    assert found.verdicts == ()
    assert len(found.obstacles) == 1


def test_gated_clocks_are_not_compared_with_others(make: Maker) -> None:
    results = make()
    facts = [dataclasses.replace(results.facts, clock_mhz=100.0, clock_gating=gating) for gating in (True, False)]
    found = comparison([dataclasses.replace(results, facts=each) for each in facts])
    assert found.obstacles == ("clock: 100 MHz, gated / 100 MHz, not gated",)


def test_different_networks_are_a_caution(make: Maker) -> None:
    results = make()
    other = dataclasses.replace(results, facts=dataclasses.replace(results.facts, weight_bits="8"))
    assert any("weight bits (4 / 8)" in caution for caution in comparison([results, other]).cautions)


def test_repeated_studies_are_judged_by_a_rank_test(make: Maker) -> None:
    good = [renamed(cheaper(make(seed=s, trials=40), 0.5), "good", s) for s in range(4)]
    poor = [renamed(make(seed=s, trials=40), "poor", s) for s in range(4)]
    (verdict,) = comparison([*good, *poor]).verdicts
    assert (verdict.first, verdict.second, verdict.better) == ("good", "poor", "good")
    assert "p = 0.029" in verdict.reason  # 2 of C(8, 4) = 70 orderings are as extreme
    same = [renamed(make(seed=s, trials=40), "other", s + 4) for s in range(4)]  # other draws may differ by luck
    assert comparison([*poor, *same]).verdicts[0].better is None


def test_the_same_seed_four_times_is_no_repetition(make: Maker) -> None:
    results = make(trials=40)
    runs = [renamed(cheaper(results, 0.9), "good", 0)] * 4 + [renamed(results, "poor", 0)] * 4
    assert len(comparison(runs).verdicts) == 28  # every pair of runs for itself


def test_holm_against_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    values = [0.001, 0.2, 0.03, 0.04]
    adjusted = np.array(holm(values))
    assert (adjusted >= false_discovery_control(values)).all()  # stricter than Benjamini and Hochberg


def test_coverage_by_brute_force(make: Maker) -> None:
    results = make(trials=100)
    designs = choices(results, results.trials[results.trials["state"] == "COMPLETE"])
    first, second = designs[:30], designs[30:]

    def as_good(a: Choice, b: Choice) -> bool:
        return a.val_loss <= b.val_loss and a.area_um2 <= b.area_um2 and a.energy_nj <= b.energy_nj

    expected = sum(any(as_good(a, b) for a in first) for b in second) / len(second)
    assert covered(first, second) == pytest.approx(expected)
    assert np.isnan(covered(first, []))
    assert covered([], second) == 0.0


def test_page_and_table_of_all_fronts(make: Maker, tmp_path: Path) -> None:
    studies = [make(seed=1), renamed(make(seed=2), "<script>alert(1)</script>"), make(front=0)]
    path = compare(studies, tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    table = pd.read_csv(tmp_path / "compare.csv")
    assert table["run"].value_counts().to_dict() == {
        "synthetic #1, seed 0": len(studies[0].front),
        "<script>alert(1)</script>": len(studies[1].front),
    }
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"compare.png", "compare.svg"}


def test_fronts_are_drawn_with_their_test_intervals(make: Maker) -> None:
    runs = comparison([renamed(make(seed=1), "a"), renamed(make(seed=2), "b"), renamed(make(scored=False), "c")]).runs
    for panel in comparison_panels(comparison([run.results for run in runs])):
        bars = [one for one in panel.spec["layer"] if str(one.get("name", "")).endswith("_intervals")]
        drawn = {(row["series"], row["low"], row["high"]) for one in bars for row in one["data"]["values"]}
        expected = {
            (run.label, float(f"{-c.ci_low:.9g}"), float(f"{-c.ci_high:.9g}"))
            for run in runs[:2]
            for c in run.front[:MOST_INTERVALS]
        }
        assert drawn == expected
        lowest = panel.spec["encoding"]["y"]["scale"]["domain"][0]
        assert lowest <= max(min(row[2] for row in drawn), -5)


def test_one_study_is_no_comparison(make: Maker, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least two studies, got 1"):
        compare([make()], tmp_path)
    assert list(tmp_path.iterdir()) == []
