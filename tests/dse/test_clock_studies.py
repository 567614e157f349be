"""Studies with a target clock: keys, the constraint that it is, and clocks that nothing meets."""

import tomllib
from dataclasses import replace

import pytest

from dse.design import Finetune, value_of
from dse.errors import StudyError
from dse.evaluate.costing import check_objectives, cost_models, unevaluated
from dse.evaluate.designs import narrowed, workloads_of
from dse.study import Study
from dse.study.loading import validated
from dse.study.prepared import PreparedStudy
from nets.network import Method
from tests.small_studies import document, small_spec


def clocked(mhz: float, **keys: object) -> Study:
    table = {"technology": "osu018", "cost_source": "calibrated", "clock": {"mhz": mhz}}
    return small_spec(hardware=table, **keys)


def test_a_clock_is_a_constraint_on_the_period() -> None:
    spec = clocked(125)
    [limit] = spec.search.constraints
    assert (limit.metric, limit.at_most) == ("period_ns", 8.0)
    assert validated(tomllib.loads(spec.to_toml())) == spec
    tighter = clocked(125, search__constraints=[{"metric": "period_ns", "at_most": 5.0}])
    assert [each.at_most for each in tighter.search.constraints] == [5.0]
    assert small_spec().search.constraints == ()


def test_a_latency_in_nanoseconds_needs_a_clock() -> None:
    objectives = ["val_accuracy_drop_pp", "rescaler_area_um2", "latency_ns"]
    assert clocked(100, search__objectives=objectives).search.objectives[-1] == "latency_ns"
    with pytest.raises(StudyError, match=r"latency_ns needs a clock; give hardware\.clock\.mhz"):
        validated(document(search__objectives=objectives))
    for bad in (0, -5, float("nan"), "fast"):
        with pytest.raises(StudyError, match=r"hardware\.clock\.mhz"):
            validated(document(hardware={"clock": {"mhz": bad}}))


def test_a_clock_that_nothing_meets_is_refused_before_the_study_begins(digits: PreparedStudy) -> None:
    with pytest.raises(StudyError) as caught:
        check_objectives(replace(digits, spec=clocked(2000)))
    message = str(caught.value)
    assert message.startswith("hardware.clock.mhz = 2000, but the narrowest rescalers of the study run at ")
    fastest = float(message.split(" run at ")[1].split()[0])
    check_objectives(replace(digits, spec=clocked(0.99 * fastest)))
    with pytest.raises(StudyError, match="run at"):
        check_objectives(replace(digits, spec=clocked(1.01 * fastest)))


def test_wide_designs_take_deeper_pipelines_or_miss_the_clock(digits: PreparedStudy) -> None:
    spec, figures = clocked(150), {}
    for bits in (1, 31):
        point = digits.space.uniform(bits, Method.ROUND, Finetune.NONE)
        networks = {member.name: narrowed(member, member.own_point(point)) for member in digits.members}
        study = replace(digits, spec=spec)
        evaluation = unevaluated(workloads_of(study, networks), cost_models(spec.hardware)[0], spec.hardware)
        figures[bits] = {name: value_of(evaluation, name) for name in ("period_ns", "latency_ns", "latency_cycles")}
    assert figures[1]["period_ns"] <= 1000 / 150
    for each in figures.values():
        assert each["latency_ns"] == pytest.approx(each["latency_cycles"] * max(1000 / 150, each["period_ns"]))
