"""The fidelity ladder, constrained fronts, and designs to start from."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.design.evaluation import Evaluation, Job, Level
from dse.design.metrics import DEFAULT_OBJECTIVES, DROP, RESCALER_AREA
from dse.design.point import DesignPoint, Finetune
from dse.design.space import RescalerVariable, SearchSpace, ShiftVariable
from dse.evaluate.evaluator import Evaluator, part_of
from dse.search.ladder import Ladder, levels_of
from dse.search.starts import probes, promising
from dse.store.front import front_of, is_feasible, violations
from dse.store.records import TrialRecord, record_of
from dse.study.prepared import PreparedStudy, correct_answers
from dse.study.search import Constraint, SearchSpec
from dse.study.space import space_over
from dse.study.spec import FidelitySpec
from nets.datasets import Samples
from nets.narrow.narrowing import RescalerChoice
from nets.network.operators import Method
from tests.fakes import closed_form, evaluation, values
from tests.small_studies import small_spec

SPACE = SearchSpace(
    (
        RescalerVariable("a", (1, 2, 4, 8), (Method.ROUND, Method.ABSORB)),
        RescalerVariable("b", (1, 3, 6), (Method.ROUND,)),
        RescalerVariable("c", (2, 5), (Method.ROUND, Method.ABSORB)),
    ),
    (Finetune.NONE, Finetune.SHORT),
)
POINT = SPACE.uniform(2, Method.ROUND, Finetune.FULL)
ALL = (Level.PART, Level.INTEGER, Level.SHORT_FINETUNE, Level.FULL_FINETUNE)


@pytest.mark.parametrize(
    ("part", "finetune", "baseline", "levels"),
    [
        (1.0, Finetune.NONE, False, ALL[1:2]),
        (0.5, Finetune.NONE, False, ALL[:2]),
        (0.5, Finetune.FULL, False, ALL),
        (0.5, Finetune.SHORT, True, ALL[1:3]),
        (1.0, Finetune.FULL, True, ALL[1:]),
    ],
)
def test_levels(part: float, finetune: Finetune, baseline: bool, levels: tuple[Level, ...]) -> None:
    point = SPACE.uniform(2, Method.ROUND, finetune)
    assert levels_of(FidelitySpec(part=part), point, baseline=baseline) == levels
    calibrated = tuple(Level.CALIBRATED if level is Level.INTEGER else level for level in levels)
    assert levels_of(FidelitySpec(part=part), replace(point, calibration=8), baseline=baseline) == calibrated


def evaluated(level: Level, *values: float) -> Evaluation:
    drop, area, energy = values
    return evaluation(POINT, level, (drop, area, energy))


def up_to(finetune: Finetune) -> DesignPoint:
    return replace(POINT, finetune=finetune)


def test_designs_climb_while_they_are_near_the_front() -> None:
    ladder = Ladder(FidelitySpec(part=0.25, slack_pp=1.0), DEFAULT_OBJECTIVES)
    climb = lambda level, *values: ladder.next_level(up_to(Finetune.FULL), evaluated(level, *values), baseline=False)  # noqa: E731
    assert climb(Level.PART, 1.0, 10, 10) is Level.INTEGER
    assert climb(Level.PART, 2.9, 11, 11) is Level.INTEGER  # a quarter of the split has twice the noise: slack 2
    assert climb(Level.PART, 3.1, 11, 11) is None
    assert climb(Level.INTEGER, 1.0, 10, 10) is Level.SHORT_FINETUNE  # other levels do not count
    assert climb(Level.INTEGER, 1.9, 11, 11) is Level.SHORT_FINETUNE
    assert climb(Level.INTEGER, 2.1, 11, 11) is None
    assert climb(Level.SHORT_FINETUNE, 0.5, 10, 10) is Level.FULL_FINETUNE
    assert climb(Level.FULL_FINETUNE, 0.5, 10, 10) is None  # there is nothing above
    assert ladder.next_level(up_to(Finetune.NONE), evaluated(Level.INTEGER, 0, 1, 1), baseline=False) is None


def test_later_fronts_climb_where_the_study_lets_them() -> None:
    for rank, climbs in ((0, [True, False, False]), (1, [True, True, False]), (2, [True, True, True])):
        ladder = Ladder(FidelitySpec(slack_pp=0, promote_rank=rank), DEFAULT_OBJECTIVES)
        levels = [
            ladder.next_level(up_to(Finetune.SHORT), evaluated(Level.INTEGER, n, n, n), baseline=False)
            for n in (1.0, 2.0, 3.0)
        ]
        assert [level is not None for level in levels] == climbs


def test_budgets_hold_over_sessions_and_do_not_count_baselines() -> None:
    fidelity = FidelitySpec(max_short=2, max_full=0)
    ladder = Ladder(fidelity, DEFAULT_OBJECTIVES)
    earlier = record_of("{}", [evaluation(POINT), evaluation(POINT, Level.SHORT_FINETUNE)])
    ladder.restore(earlier.levels, baseline=False)
    ladder.restore(earlier.levels, baseline=True)
    best = [evaluated(Level.INTEGER, -n, 1, 1) for n in range(10, 13)]
    assert ladder.next_level(up_to(Finetune.FULL), best[0], baseline=False) is Level.SHORT_FINETUNE
    assert ladder.next_level(up_to(Finetune.FULL), best[1], baseline=False) is None
    assert ladder.next_level(up_to(Finetune.FULL), best[2], baseline=True) is Level.SHORT_FINETUNE
    trained = evaluated(Level.SHORT_FINETUNE, -20, 1, 1)
    assert ladder.next_level(up_to(Finetune.FULL), trained, baseline=False) is None
    assert ladder.next_level(up_to(Finetune.FULL), trained, baseline=True) is Level.FULL_FINETUNE


def test_every_level_reached_is_kept() -> None:
    levels = [evaluated(level, n, 10, 10) for n, level in enumerate(ALL)]
    record = record_of(POINT.to_json(), levels)
    assert [level.level for level in record.levels] == [level.value for level in ALL]
    assert [values(level) for level in record.levels] == [values(level) for level in levels]
    assert record.val_accuracy_integer == levels[1].val_accuracy
    assert TrialRecord.model_validate_json(record.model_dump_json()) == record


def test_a_first_look_sees_a_part_of_the_split(digits: PreparedStudy) -> None:
    prepared = replace(digits, spec=small_spec(fidelity__part=0.3))
    indices = part_of(prepared.members[0], prepared.spec)
    validation = prepared.members[0].splits.validation
    assert len(indices) == np.ceil(0.3 * len(validation))
    assert len(set(indices)) == len(indices)
    assert indices.min() >= 0
    assert indices.max() < len(validation)
    assert np.diff(indices).max() <= 4  # spread over the whole split
    space = space_over(prepared.operators, prepared.spec.search, Finetune.NONE)
    int32 = space.uniform(31, Method.ROUND, Finetune.NONE)
    looked = Evaluator(prepared).run(Job(0, int32, Level.PART))
    assert isinstance(looked, Evaluation)
    part = Samples(validation.inputs[indices], validation.labels[indices])
    assert looked.val_accuracy == pytest.approx(100 * correct_answers(prepared.members[0].network, part).mean())
    assert looked.val_accuracy_drop_pp == 0


def test_a_full_fine_tune_trains_longer(digits: PreparedStudy) -> None:
    spec = small_spec(fidelity__finetune="full", fidelity__epochs=1, fidelity__full_epochs=2)
    prepared = replace(digits, spec=spec)
    space = space_over(prepared.operators, spec.search, Finetune.FULL)
    assert space.finetune == (Finetune.NONE, Finetune.SHORT, Finetune.FULL)
    point = space.uniform(2, Method.ROUND, Finetune.FULL)
    short, full = (
        Evaluator(prepared).run(Job(0, point, level)) for level in (Level.SHORT_FINETUNE, Level.FULL_FINETUNE)
    )
    assert isinstance(short, Evaluation)
    assert isinstance(full, Evaluation)
    assert full.network_sha256 != short.network_sha256
    assert full.weights is not None


def records(*values: tuple[float, float, float], level: Level = Level.INTEGER) -> dict[int, TrialRecord]:
    return {n: record_of("{}", [evaluated(level, *v)]) for n, v in enumerate(values)}


def test_fronts_are_feasible_first() -> None:
    trials = records((0.1, 100, 100), (0.4, 50, 50), (0.6, 10, 10), (0.5, 60, 60))
    assert front_of(trials, SearchSpec()) == {0, 1, 2}
    limit = Constraint(metric=DROP.name, at_most=0.5)
    assert front_of(trials, SearchSpec(constraints=(limit,))) == {0, 1}
    assert violations(trials[2], (limit,)) == {"val_accuracy_drop_pp": pytest.approx(0.1)}
    assert is_feasible(trials[3], (limit,))
    nobody = Constraint(metric=RESCALER_AREA.name, at_most=1)
    assert front_of(trials, SearchSpec(constraints=(nobody,))) == {
        0,
        1,
        2,
    }  # if no design is feasible, the best of all are shown
    assert front_of({}, SearchSpec()) == set()


def test_a_first_look_puts_nobody_on_the_front() -> None:
    trials = records((1.0, 10, 10)) | {9: record_of("{}", [evaluated(Level.PART, -5, 1, 1)])}
    assert front_of(trials, SearchSpec()) == {0}


def test_probes_narrow_one_variable_at_a_time() -> None:
    designs = probes(SPACE)
    assert len(designs) == 4 * 2 + 3 + 1 * 2  # of the last one's widths, only 2 is probed
    assert len({probe.point.digest for probe in designs}) == len(designs)
    for probe in designs:
        choices = dict(probe.point.choices)
        assert choices.pop(probe.group) == probe.choice
        assert set(choices.values()) == {RescalerChoice(31, Method.ROUND)}


def test_windows_are_probed_where_they_have_an_effect() -> None:
    shifts = ShiftVariable(("a",), (0, 2, None))
    space = SearchSpace((RescalerVariable("a", (1, 31), (Method.ROUND, Method.ABSORB), shifts=shifts),), SPACE.finetune)
    assert [(probe.choice.method, probe.choice.shift_bits) for probe in probes(space)] == [
        (Method.ROUND, 0),  # canonically natural
        (Method.ABSORB, 0),
        (Method.ABSORB, 2),
        (Method.ABSORB, None),
    ]


def test_starts_are_the_front_where_drops_and_costs_add_up() -> None:
    """In the closed form they do, so the designs from dynamic programming are those of an exhaustive search."""
    int32 = closed_form(SPACE.uniform(31, Method.ROUND, Finetune.NONE), Level.INTEGER)
    measured = {probe: closed_form(probe.point, Level.INTEGER) for probe in probes(SPACE)}
    starts = promising(SPACE, measured, int32, 1000)
    options = [[probe.choice for probe in measured if probe.group == v.name] for v in SPACE.rescalers]

    def sums(choices: tuple[RescalerChoice, ...]) -> tuple[float, float]:
        point = SPACE.design(dict(zip("abc", choices, strict=True)), Finetune.NONE)
        drop, area, energy = closed_form(point, Level.INTEGER)
        return drop, area / int32[1] + energy / int32[2]

    every = {sums(choices) for choices in itertools.product(*options)}
    best = {s for s in every if not any(o != s and o[0] <= s[0] and o[1] <= s[1] for o in every)}
    chosen = sorted(sums(tuple(c for _, c in point.choices)) for point in starts)
    assert np.array(chosen) == pytest.approx(np.array(sorted(best)))
    assert all(point.finetune is Finetune.SHORT for point in starts)


def test_kinds_are_probed_together_and_stay_inside_the_space() -> None:
    windows = (0, 2, None)
    names = ("conv_1", "depthwise_2", "conv_3", "add_4")
    space = SearchSpace(
        tuple(
            RescalerVariable(
                name,
                (4,) if name == "conv_3" else (1, 4),
                (Method.ABSORB,),
                shifts=None if name == "add_4" else ShiftVariable((name,), windows),
            )
            for name in names
        ),
        (Finetune.NONE,),
    )
    designs = probes(space, by_kind=True)
    assert [(probe.group, probe.choice.multiplier_bits, probe.choice.shift_bits) for probe in designs] == [
        *(("conv", k, window) for k in (1, 4) for window in windows),
        *(("depthwise", k, window) for k in (1, 4) for window in windows),
        *(("add", k, None) for k in (1, 4)),
    ]
    assert [name for name, choice in designs[0].point.choices if choice.multiplier_bits < 31] == ["conv_1", "conv_3"]
    int32 = closed_form(space.uniform(31, Method.ROUND, Finetune.NONE), Level.INTEGER)
    measured = {probe: closed_form(probe.point, Level.INTEGER) for probe in designs}
    starts = promising(space, measured, int32, 5, by_kind=True)
    assert len({point.digest for point in starts}) == len(starts) > 1
    for point in starts:
        assert space.snapped(space.parameters(point)) == space.parameters(point)


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_starts_are_distinct_designs_of_the_space(count: int, seed: int) -> None:
    """This holds even if measurements are noise and some are missing."""
    noise = np.random.default_rng(seed)
    measured = {
        probe: (float(noise.normal()), float(noise.uniform(1, 2)), float(noise.uniform(1, 2)))
        for probe in probes(SPACE)
        if noise.uniform() < 0.7
    }
    starts = promising(SPACE, measured, (0.0, 2.0, 2.0), count)
    assert 1 <= len(starts) <= count
    assert len({point.digest for point in starts}) == len(starts)
    for point in starts:
        assert SPACE.point(SPACE.parameters(point)) == point
