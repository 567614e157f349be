"""A target clock: which pipeline is built, what it costs, and what waiting costs."""

from dataclasses import replace

import pytest
from hw_workloads import addition, built_for, convolution
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels import (
    AnalyticRescalerModel,
    CalibratedRescalerModel,
    Clock,
    ClockedModel,
    CostModel,
    HardwareError,
    RescalerWorkload,
    RtlRescalerModel,
    load_technology,
)
from hwmodels.accelerator import Accelerator, accelerator_cost
from hwmodels.clock import pipelines
from hwmodels.components import Part, plain, sized
from hwmodels.timing import longest_path_ns, paths
from hwmodels.workload import Pipeline

TABLE = load_technology("osu018")
MODELS = (AnalyticRescalerModel(TABLE), RtlRescalerModel(TABLE), CalibratedRescalerModel(TABLE))
EVERY_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def shift() -> RescalerWorkload:
    return replace(convolution(multiplier_bits=1, right_shift_max=15), folded=True)


WORKLOADS = (convolution(), convolution(multiplier_bits=31), shift(), addition(), built_for(convolution()))


@EVERY_MODEL
@pytest.mark.parametrize("workload", WORKLOADS, ids=range(len(WORKLOADS)))
def test_every_unit_has_a_delay_and_a_clock_makes_it_no_slower(model: CostModel, workload: RescalerWorkload) -> None:
    assert TABLE.clocking is not None
    alone = model.unit_cost(workload)
    overhead = TABLE.clocking.clock_to_q_ns + TABLE.clocking.setup_ns
    assert alone.delay_ns is not None
    assert alone.period_ns is not None
    assert alone.period_ns == pytest.approx(alone.delay_ns + overhead)
    assert alone.latency == 1
    clocked = ClockedModel(model, Clock(500.0 / alone.period_ns, gating=False))  # half the speed it has alone
    assert clocked.pipelined(workload) == workload
    fast = ClockedModel(model, Clock(1300.0 / alone.period_ns, gating=False))
    unit, pipeline = fast.unit_cost(workload), fast.pipelined(workload).pipeline
    assert unit.period_ns is not None
    assert unit.period_ns < alone.period_ns
    assert unit.latency == 1 + pipeline.depth > 1
    assert unit.register_bits > alone.register_bits
    assert (unit.area_um2 or 0) > (alone.area_um2 or 0)
    assert model.delay_ns(fast.pipelined(workload)) == pytest.approx(unit.delay_ns)


def test_the_shallowest_pipeline_that_meets_the_clock_is_built() -> None:
    workload, model = convolution(multiplier_bits=16), AnalyticRescalerModel(TABLE)
    built = list(pipelines(model.architecture_of(workload), workload))
    assert [each.depth for each in built] == sorted(each.depth for each in built)
    assert len(set(built)) == len(built)
    for mhz in (100, 140, 180, 200):
        clocked = ClockedModel(model, Clock(mhz))
        chosen = clocked.pipelined(workload).pipeline
        periods = {p: model.unit_cost(replace(workload, pipeline=p)).period_ns or 0 for p in built}
        assert periods[chosen] <= 1000 / mhz
        assert all(periods[each] > 1000 / mhz for each in built if each.depth < chosen.depth)
    missed = ClockedModel(model, Clock(5000)).unit_cost(workload).period_ns or 0
    assert missed == min(periods.values()) > 0.2, "the fastest there is, and it says so"


@settings(max_examples=30)
@given(k=st.integers(1, 31), bits=st.integers(8, 32), mhz=st.floats(10, 1000))
def test_a_faster_clock_never_takes_a_shallower_pipeline(k: int, bits: int, mhz: float) -> None:
    workload, model = convolution(multiplier_bits=k, operand_bits=bits), AnalyticRescalerModel(TABLE)
    slow, fast = (ClockedModel(model, Clock(each)) for each in (mhz, 1.5 * mhz))
    before, after = (each.unit_cost(workload) for each in (slow, fast))
    assert after.period_ns is not None
    assert before.period_ns is not None
    assert after.period_ns <= before.period_ns or before.period_ns <= slow.clock.period_ns
    if after.period_ns <= fast.clock.period_ns:
        assert after.latency >= before.latency


def test_a_path_ends_at_registers_and_skips_what_lies_beside_it() -> None:
    first, second = Part("adder", "a", sized(8)), Part("adder", "b", sized(16))
    register, beside = Part("register", "r", {"bits": 4}, ends_path=True), Part("logic", "c", plain(64), off_path=True)
    [joined] = paths([first, beside, second])
    assert [part.name for part in joined] == ["a", "b"]
    assert [part.quantities["aligned"] for part in joined] == [8, 0]
    assert [[part.name for part in path] for path in paths([first, register, second])] == [["a"], ["b"]]
    alone, cut = (longest_path_ns(parts, TABLE) for parts in ([second], [first, register, second]))
    assert alone == cut
    assert longest_path_ns([first, second], load_technology("aladdin40")) is None


def test_a_table_without_delays_or_clock_gate_is_refused() -> None:
    for gating in (False, True):
        with pytest.raises(HardwareError, match="'aladdin40' gives no delays, which a clock needs"):
            ClockedModel(AnalyticRescalerModel(load_technology("aladdin40")), Clock(100, gating=gating))
    assert TABLE.clocking is not None
    gateless = TABLE.model_copy(update={"clocking": TABLE.clocking.model_copy(update={"gate_pj": None})})
    with pytest.raises(HardwareError, match="'osu018' has no clock gate; use gating = false"):
        ClockedModel(AnalyticRescalerModel(gateless), Clock(100))
    assert ClockedModel(AnalyticRescalerModel(gateless), Clock(100, gating=False)).unit_cost(convolution()).period_ns


@pytest.mark.parametrize("style", ["streaming", "shared"])
def test_waiting_costs_clock_pins_or_a_gate(style: str) -> None:
    assert TABLE.clocking is not None
    model, layers = AnalyticRescalerModel(TABLE), [convolution(name="a"), convolution(name="b", rescales=9000)]
    shape = Accelerator(style=style, mac_lanes=16, rescaler_lanes=2)  # type: ignore[arg-type]
    bare = accelerator_cost(layers, model, shape)
    running, gated = (accelerator_cost(layers, ClockedModel(model, Clock(50, gating=g)), shape) for g in (False, True))
    cycles = bare.latency_cycles
    assert running.latency_cycles == gated.latency_cycles == cycles == (4500 if style == "streaming" else 9000)
    bits = model.unit_cost(layers[0]).register_bits
    waiting = {"streaming": cycles - 500, "shared": cycles - 500 - 4500}[style]
    pins = TABLE.clocking.clock_pj * bits * 2 * waiting / 1000
    lanes = {"streaming": 4, "shared": 2}[style]
    gates = (TABLE.clocking.gate_pj or 0) * lanes * cycles / 1000
    energy = bare.rescalers.rescaler_energy_nj or 0
    assert running.rescalers.rescaler_energy_nj == pytest.approx(energy + pins)
    assert gated.rescalers.rescaler_energy_nj == pytest.approx(energy + gates)
    area = (gated.rescalers.rescaler_area_um2 or 0) - (running.rescalers.rescaler_area_um2 or 0)
    assert area == pytest.approx((TABLE.clocking.gate_area_um2 or 0) * lanes)
    assert (running.latency_ns, bare.latency_ns) == (cycles * 20.0, None)


def test_a_pipeline_drains_between_the_layers_of_a_shared_bank() -> None:
    model, layers = AnalyticRescalerModel(TABLE), [convolution(name="a"), convolution(name="b")]
    clocked = ClockedModel(model, Clock(150))
    depth = clocked.pipelined(layers[0]).pipeline.depth
    assert depth
    for style, added in (("shared", 2 * depth), ("streaming", 0)):
        shape = Accelerator(style=style, mac_lanes=16, rescaler_lanes=1)  # type: ignore[arg-type]
        cost, bare = accelerator_cost(layers, clocked, shape), accelerator_cost(layers, model, shape)
        assert cost.latency_cycles - bare.latency_cycles == added
        assert cost.period_ns is not None
        assert cost.period_ns <= 1000 / 150
        assert cost.latency_ns == pytest.approx(cost.latency_cycles * 1000 / 150)


@pytest.mark.parametrize("pipeline", [Pipeline(), Pipeline(product=2, sum=1)])
def test_a_formula_and_the_parsed_rtl_have_the_same_registers(pipeline: Pipeline) -> None:
    workload = replace(convolution(), pipeline=pipeline)
    formula, rtl = (model.unit_cost(workload) for model in MODELS[:2])
    assert formula.register_bits == rtl.register_bits == RtlRescalerModel(TABLE).design(workload).register_bits
    assert rtl.area_um2 == pytest.approx(formula.area_um2, rel=0.08)
