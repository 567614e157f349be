import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from synthetic_study import Maker, brute_force_front

from dse import formats
from dse.design.metrics import ACCELERATOR_AREA, ACCELERATOR_ENERGY, DROP, LATENCY, RESCALER_AREA, RESCALER_ENERGY
from dse.design.pareto import hypervolume
from dse.design.space import NATURAL
from dse.report.analysis import agreement, convergence, front_volume, grown, marginal_steps
from dse.report.charts.front import staircase
from dse.report.charts.style import log_ticks
from dse.report.scene import cost_axes, scene
from dse.report.sensitivity import sensitivity
from dse.store.results import SHIFT_WINDOWS, StudyResults
from dse.verdict.designs import Choice, choices


def designs(results: StudyResults, points: list[tuple[float, float]]) -> list[Choice]:
    template = choices(results, results.front)[0]
    return [
        dataclasses.replace(
            template,
            trial=i,
            figures={**template.figures, RESCALER_AREA.name: area, RESCALER_ENERGY.name: area / 10, DROP.name: drop},
        )
        for i, (area, drop) in enumerate(points)
    ]


def test_the_front_covers_on_test_what_its_drops_there_leave(typical: StudyResults) -> None:
    int32 = typical.int32_row
    front = typical.front.iloc[:1].assign(
        **{RESCALER_AREA.name: int32[RESCALER_AREA.name] / 4, RESCALER_ENERGY.name: int32[RESCALER_ENERGY.name] / 2},
        val_accuracy_drop_pp=-1.0, test_accuracy_drop_pp=2.0, ci_low=1.0, ci_high=4.0, on_front=True,
    )  # fmt: skip
    rows = typical.trials[~typical.trials["on_front"] | (typical.trials["role"] == "int32")].assign(on_front=False)
    volume = front_volume(dataclasses.replace(typical, trials=pd.concat([rows, front])))
    assert volume is not None
    box = 0.75 * 0.5
    assert (volume.validation, volume.test) == (
        pytest.approx(5 * box),
        pytest.approx(3 * box),
    )  # 5 pp: no credit for -1
    assert (volume.low, volume.high) == (pytest.approx(1 * box), pytest.approx(4 * box))
    unscored = pd.concat([rows, front.assign(ci_low=float("nan"))])
    assert front_volume(dataclasses.replace(typical, trials=unscored)) is None


def test_marginal_prices_on_a_known_hull(typical: StudyResults) -> None:
    # (150, 2.9) lies above the line from (100, 3) to (200, 1): it is no step.
    steps = marginal_steps(designs(typical, [(200, 1.0), (100, 3.0), (150, 2.9), (400, 0.5)]), validation_samples=1000)
    assert [(s.cheaper.trial, s.dearer.trial) for s in steps] == [(1, 0), (0, 3)]
    assert [s.area_per_tenth_um2 for s in steps] == pytest.approx([5.0, 40.0])
    assert [s.energy_per_tenth_pj for s in steps] == pytest.approx([500.0, 4000.0])
    assert [s.gain_samples for s in steps] == [20, 5]
    assert [s.can_be_significant for s in steps] == [True, False]


@pytest.mark.parametrize("seed", range(5))
def test_marginal_prices_rise_and_no_design_lies_below_the_hull(typical: StudyResults, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = [(float(a), float(d)) for a, d in zip(rng.uniform(1, 9, 40), rng.uniform(0, 4, 40), strict=True)]
    steps = marginal_steps(designs(typical, points), 500, limit=100)
    prices = [s.area_per_tenth_um2 for s in steps]
    assert prices == sorted(prices)
    for step, (area, drop) in itertools.product(steps, points):
        on_line = step.cheaper.val_loss - (area - step.cheaper.area_um2) * step.gain_pp / step.area_um2
        assert drop >= on_line - 1e-9
    assert steps[-1].dearer.val_loss == min(drop for _, drop in points)


def test_long_hulls_are_thinned_but_keep_their_ends(make: Maker) -> None:
    results = make(front=500)
    front = choices(results, results.front)
    steps = marginal_steps(front, 540)
    assert len(steps) == 12
    assert steps[0].cheaper.area_um2 == min(c.area_um2 for c in front)
    assert steps[-1].dearer.val_loss == min(c.val_loss for c in front)


@pytest.mark.parametrize("seed", range(4))
def test_growth_of_the_front_equals_recomputing_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = np.round(rng.uniform([-1, 0, 0], [7, 1.3, 1.3], (60, 3)), 1)  # ties and points beyond the reference
    volumes, sizes = grown(points)
    for count in range(1, len(points) + 1):
        assert volumes[count - 1] == pytest.approx(hypervolume(points[:count]))
        assert sizes[count - 1] == brute_force_front(points[:count]).sum()


def test_convergence_needs_the_baseline(make: Maker) -> None:
    assert convergence(make(roles=())) is None
    growth = convergence(make())
    assert growth is not None
    assert (np.diff(growth.hypervolume) >= 0).all()
    assert growth.first_search == 11
    assert len(growth.minutes) == len(growth.hypervolume)


def test_convergence_follows_finish_times_not_numbers(make: Maker) -> None:
    results = make(failed=0)
    times = results.trials["finished"].iloc[::-1].to_numpy()
    backwards = dataclasses.replace(
        results, trials=results.trials.assign(finished=[str(t) for t in pd.to_datetime(times)])
    )
    forward, reverse = convergence(results), convergence(backwards)
    assert forward is not None
    assert reverse is not None
    assert reverse.hypervolume[-1] == pytest.approx(forward.hypervolume[-1])
    assert reverse.first_search == 0


def test_agreement_counts_designs_that_stay(make: Maker) -> None:
    results = make(trials=100)
    complete = results.trials[results.trials["state"] == "COMPLETE"]
    models = agreement(results)
    assert models is not None
    columns = ["val_accuracy_drop_pp", "other_rescaler_area_um2", "other_rescaler_energy_nj"]
    stays = brute_force_front(complete[columns].to_numpy())
    assert models.front_kept == (stays & complete["on_front"]).sum()
    np.testing.assert_allclose(models.energy_ratio, 0.9)


def test_agreement_of_equal_models_keeps_all(make: Maker) -> None:
    results = make()
    same = results.trials.assign(
        other_rescaler_area_um2=results.trials["rescaler_area_um2"],
        other_rescaler_energy_nj=results.trials["rescaler_energy_nj"],
    )
    models = agreement(dataclasses.replace(results, trials=same))
    assert models is not None
    assert models.front_kept == models.front_size > 0
    assert models.area_rank == pytest.approx(1.0)
    missing = dataclasses.replace(results, trials=same.assign(other_rescaler_area_um2=np.nan))
    assert agreement(missing) is None


def test_sensitivity_finds_the_rescaler_that_matters(make: Maker) -> None:
    results = make(trials=200, rescalers=5)
    # Accuracy depends on the third rescaler alone.
    drop = 10.0 * (results.trials["conv_2.multiplier_bits"] <= 3)
    learned = sensitivity(dataclasses.replace(results, trials=results.trials.assign(val_accuracy_integer=90.0 - drop)))
    assert learned is not None
    assert learned.importance.argmax() == 2
    assert learned.importance[2] > 0.9
    assert learned.r2 > 0.8
    narrow, wide = (np.array(learned.bits) <= 3), (np.array(learned.bits) >= 4)
    assert np.nanmean(learned.drop_pp[2, narrow]) > np.nanmean(learned.drop_pp[2, wide]) + 5
    others = np.delete(learned.drop_pp, 2, axis=0)
    assert np.nanmax(others) - np.nanmin(others) < 2.5


def test_sensitivity_is_about_windows_where_they_vary(make: Maker) -> None:
    results = make(trials=150, rescalers=4)
    generator = np.random.default_rng(0)
    windows = {
        f"conv_{i}.shift_bits": generator.choice([0, 2, np.nan], len(results.trials)) for i in (0, 1)
    }  # the others have natural shifts
    drop = 10.0 * (windows["conv_1.shift_bits"] == 0)
    learned = sensitivity(
        dataclasses.replace(
            results,
            facts=dataclasses.replace(results.facts, varying=(SHIFT_WINDOWS,)),
            trials=results.trials.assign(val_accuracy_integer=90.0 - drop, **windows),
        )
    )
    assert learned is not None
    assert learned.of_windows
    assert learned.bits == (0, 2, NATURAL)
    assert learned.importance.argmax() == 1
    assert learned.drop_pp[1, 0] > np.nanmax(learned.drop_pp[1, 1:]) + 5
    assert np.isnan(learned.drop_pp[2, :2]).all(), "no trial gave the third rescaler a window"


def test_sensitivity_shows_only_widths_that_were_tried(make: Maker) -> None:
    results = make(trials=40)
    learned = sensitivity(results)
    assert learned is not None
    complete = results.trials[results.trials["state"] == "COMPLETE"]
    for row, name in enumerate(learned.rescalers):
        tried = set(complete[f"{name}.multiplier_bits"].astype(int))
        assert {k for k, drop in zip(learned.bits, learned.drop_pp[row], strict=True) if np.isfinite(drop)} == tried


def test_sensitivity_says_nothing_of_noise_or_of_few(make: Maker) -> None:
    assert sensitivity(make(trials=15)) is None
    results = make(trials=150)
    noise = np.random.default_rng(0).normal(90, 1, len(results.trials))
    learned = sensitivity(dataclasses.replace(results, trials=results.trials.assign(val_accuracy_integer=noise)))
    assert learned is not None
    assert not learned.is_useful
    constant = dataclasses.replace(results, trials=results.trials.assign(val_accuracy_integer=90.0))
    assert sensitivity(constant) is None


def test_staircase_never_gets_worse(make: Maker) -> None:
    view = scene(make(trials=150))
    for axis in cost_axes(view.results.facts):
        steps = staircase(view.front, axis, view.loss)
        xs, ys = [step["x"] for step in steps], [step["y"] for step in steps]
        assert xs == sorted(xs)
        assert ys == sorted(set(ys))
        for design in view.front:  # none lies above the line: more accurate at its cost
            reached = [step["y"] for step in steps if step["x"] <= design.value(axis)]
            assert view.loss.value(design.val_loss) <= max(reached)


@pytest.mark.parametrize(
    ("low", "high", "within"),
    [
        (2216, 3999, (3, 9)),
        (0.73, 1.98, (3, 9)),
        (100, 101, (1, 9)),
        (5, 5, (1, 9)),
        (50, 2e4, (6, 12)),
        (1, 1e6, (12, 24)),
    ],
)
def test_cost_axes_have_a_few_round_ticks(low: float, high: float, within: tuple[int, int]) -> None:
    ticks = log_ticks([low, high])
    assert ticks == sorted(set(ticks))
    assert within[0] <= sum(0.95 * low <= tick <= 1.05 * high for tick in ticks) <= within[1]
    assert all(len(f"{tick:.10g}".replace(".", "").strip("0")) <= 4 for tick in ticks)
    assert log_ticks([]) == [1.0]


def test_designs_above_the_frame_are_counted(make: Maker) -> None:
    view = scene(make(trials=150))
    complete = view.results.trials[view.results.trials["state"] == "COMPLETE"]
    drawn = [*view.dominated.losses, *(c.val_loss for c in view.front)]
    baselines_off_front = complete[(complete["role"] != "search") & ~complete["on_front"]]
    drawn += list(baselines_off_front["val_accuracy_drop_pp"])
    assert len(drawn) == len(complete)
    assert view.hidden == sum(drop > view.top_pp for drop in drawn)


def test_trials_of_the_first_rung_and_infeasible_ones_are_not_judged(make: Maker) -> None:
    results = make(trials=80)
    searched = (results.trials["role"] == "search") & (results.trials["state"] == "COMPLETE")
    off_front = results.trials.index[searched & ~results.trials["on_front"]]
    fidelity = results.trials["fidelity"].copy()
    fidelity[off_front[:5]] = "part"
    feasible = pd.Series(True, index=results.trials.index)
    feasible[off_front[5:9]] = False
    # Such trials would otherwise be the best of all.
    drop = results.trials["val_accuracy_drop_pp"].copy()
    drop[off_front[:9]] = -50.0
    trials = results.trials.assign(fidelity=fidelity, feasible=feasible, val_accuracy_drop_pp=drop)
    changed = dataclasses.replace(results, trials=trials)
    view = scene(changed)
    assert view.left_out == 9
    assert not set(view.dominated.trial) & set(results.trials.loc[off_front[:9], "trial"])
    before, after = convergence(results), convergence(changed)
    assert before is not None
    assert after is not None
    assert after.hypervolume[-1] == pytest.approx(before.hypervolume[-1])
    nobody = dataclasses.replace(results, trials=results.trials.assign(feasible=False))
    assert scene(nobody).left_out == 0  # the front is then made of all


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12345.678, "12,346"),
        (3.14159, "3.142"),
        (0.00012, "0.000120"),
        (float("nan"), "\N{EN DASH}"),
        (None, "\N{EN DASH}"),
    ],
)
def test_numbers_read_well(value: float | None, text: str) -> None:
    assert formats.number(value) == text


def test_signs_are_those_of_print() -> None:
    assert formats.signed(-0.5) == "\N{MINUS SIGN}0.50"
    assert formats.signed(-0.001) == "0.00"
    assert formats.interval(-0.1, 1.0) == "[\N{MINUS SIGN}0.10, 1.00]"
    assert formats.interval(float("nan"), 1.0) == "\N{EN DASH}"


def test_shortened_names_keep_both_ends() -> None:
    assert formats.shorten("abcdefghij", 7) == "abc…hij"
    assert formats.shorten("abc", 7) == "abc"
    assert all(len(formats.shorten("x" * 50, n)) <= n for n in range(1, 50))


def test_reports_show_the_accelerator_where_it_is_the_objective(make: Maker) -> None:
    results = make(trials=150)
    totals = (DROP.name, ACCELERATOR_AREA.name, ACCELERATOR_ENERGY.name)
    whole = dataclasses.replace(results, facts=dataclasses.replace(results.facts, objectives=totals))
    for study, name in ((results, "rescaler"), (whole, "accelerator")):
        int32 = scene(study).rec.int32
        assert int32 is not None
        row = study.trials.loc[int32.trial]
        assert (int32.area_um2, int32.energy_nj) == (row[f"{name}_area_um2"], row[f"{name}_energy_nj"])
        assert int32.area_shares.int32 == row["rescaler_area_um2"] / row["accelerator_area_um2"]
        whole_area = row["accelerator_area_um2"] + row["memory_area_um2"]
        assert int32.area_shares.design_whole == row["rescaler_area_um2"] / whole_area
        assert [axis.title.split()[0].lower() for axis in cost_axes(study.facts)] == [name, name]
        assert f"of {name}" in scene(study).rec.verdict.headline
    agreed = agreement(whole)
    assert agreed is not None
    assert agreed.front_kept is None


def test_designs_say_what_else_they_chose(make: Maker) -> None:
    results = make(trials=40)
    assert {choice.also for choice in scene(results).front} == {""}
    facts = dataclasses.replace(
        results.facts,
        objectives=(*results.facts.objectives, LATENCY.name),
        varying=("weight bits", "contract", "style", "lanes"),
    )
    chosen = {"a.weight_bits": 3.0, "b.weight_bits": 8.0, "contract": "floor", "style": "shared", "lanes": 4.0}
    varied = dataclasses.replace(results, facts=facts, trials=results.trials.assign(**chosen, latency_cycles=1200))
    assert {c.also for c in scene(varied).front} == {"weights 3 8; floor; shared; 4 lanes; latency 1,200 cycles"}
