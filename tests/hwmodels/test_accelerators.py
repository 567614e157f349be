from dataclasses import replace

import pytest
from hw_workloads import addition, convolution
from hypothesis import given
from hypothesis import strategies as st

from hwmodels import AnalyticRescalerModel, Clock, ClockedModel, HardwareError, load_technology
from hwmodels.accelerator import (
    Accelerator,
    accelerator_cost,
    array_cost,
    layer_times,
    mac_cost,
    parameter_energy_nj,
)

MODEL = AnalyticRescalerModel(load_technology("aladdin40"))
LAYERS = [
    convolution(name="wide", macs=100_000, rescales=1_000),
    convolution(name="depthwise", macs=9_000, rescales=1_000, multiplier_bits=31),
    addition(rescales=500),
]


def template(style: str, mac_lanes: int = 64, rescaler_lanes: int = 4) -> Accelerator:
    return Accelerator(
        style=style,  # type: ignore[arg-type]
        mac_lanes=mac_lanes,
        rescaler_lanes=rescaler_lanes,
    )


def test_a_mac_is_multiplier_adder_and_register() -> None:
    area, energy = mac_cost(MODEL.technology, 8, 8, 20)
    assert area == pytest.approx(64 * 6.2025 + 20 * 8.68685 + 20 * 5.981433)
    assert energy == pytest.approx(64 * 0.0123861 + 20 * 0.00657551 + 20 * 0.008999495)


def test_latency_is_a_sum_when_shared_and_the_slowest_when_streaming() -> None:
    shared, streaming = (accelerator_cost(LAYERS, MODEL, template(style)) for style in ("shared", "streaming"))
    cycles = [-(-100_000 // 64), max(-(-9_000 // 64), 250), 125]
    assert shared.latency_cycles == sum(cycles)
    assert streaming.latency_cycles == max(cycles)
    times = layer_times(LAYERS, shared.rescalers, template("shared"))
    assert [time.name for time in times if time.rescale_cycles > time.mac_cycles] == ["depthwise", "add"]


def test_areas_and_energies_are_those_of_their_parts() -> None:
    for style in ("shared", "streaming"):
        cost = accelerator_cost(LAYERS, MODEL, template(style))
        mac_area, mac_energy = array_cost(LAYERS, MODEL.technology, template(style))
        biases = 0.4672 * 16 * 20 * (2 if style == "streaming" else 1)
        assert cost.area_um2 == pytest.approx((mac_area or 0) + biases + (cost.rescalers.rescaler_area_um2 or 0))
        reads = parameter_energy_nj(LAYERS, MODEL, template(style))
        parts = (mac_energy, cost.rescalers.rescaler_energy_nj, reads)
        assert cost.energy_nj == pytest.approx(sum(part or 0 for part in parts))
        assert min(part or 0 for part in parts) > 0
    arrays = [array_cost(LAYERS, MODEL.technology, template(style))[0] or 0 for style in ("shared", "streaming")]
    assert arrays[1] == pytest.approx(2 * arrays[0])  # two layers of one shape have MACs


@pytest.mark.parametrize(
    ("style", "order", "bits"),
    [
        # Per channel k - 1 multiplier bits, 3 bits of shift and 20 of bias; the ADD's two multipliers are read once.
        ("streaming", "channel_outermost", 16 * (7 + 3 + 20) + 16 * (30 + 3 + 20) + 2 * 7),
        ("streaming", "channel_innermost", 1000 * (7 + 3 + 20) + 1000 * (30 + 3 + 20) + 2 * 7),
        # In one bank every word is as wide as the widest layer's.
        # A multiplier of 8 bits is shifted left by 23, and its right shift larger by as much.
        ("shared", "channel_outermost", 2 * 16 * (30 + 5 + 20) + 2 * 7),
        ("shared", "channel_innermost", 2 * 1000 * (30 + 5 + 20) + 2 * 7),
    ],
)
def test_parameters_are_read_once_a_channel_or_once_a_rescale(style: str, order: str, bits: int) -> None:
    ordered = replace(MODEL, technology=MODEL.technology.in_order(order))
    reads = parameter_energy_nj(LAYERS, ordered, template(style))
    assert reads == pytest.approx(bits * 0.15625 / 1000)  # 10 pJ a read of 64 bits
    cost = accelerator_cost(LAYERS, ordered, template(style))
    other = accelerator_cost(LAYERS, MODEL, template(style))
    others_reads = parameter_energy_nj(LAYERS, MODEL, template(style))
    assert (cost.energy_nj or 0) - (reads or 0) == pytest.approx((other.energy_nj or 0) - (others_reads or 0))
    rescales = accelerator_cost(LAYERS, MODEL, template(style)).rescalers.rescaler_energy_nj
    assert cost.rescalers.rescaler_energy_nj == rescales


@pytest.mark.parametrize("order", ["channel_outermost", "channel_innermost"])
@pytest.mark.parametrize("mhz", [None, 150.0])
def test_a_mix_of_inferences_costs_as_much_as_all_of_them(order: str, mhz: float | None) -> None:
    plain = AnalyticRescalerModel(load_technology("aladdin40" if mhz is None else "osu018").in_order(order))
    model = plain if mhz is None else ClockedModel(plain, Clock(mhz))
    mix = [
        replace(
            layer,
            rescales_per_inference=3 * layer.rescales_per_inference,
            macs_per_inference=3 * layer.macs_per_inference,
            inferences=3,
        )
        for layer in LAYERS
    ]
    one, three = (accelerator_cost(each, model, template("shared", 20, 4)) for each in (LAYERS, mix))
    assert three.latency_cycles == 3 * one.latency_cycles
    assert three.rescalers.rescaler_energy_nj == pytest.approx(3 * (one.rescalers.rescaler_energy_nj or 0))
    reads = [parameter_energy_nj(each, model, template("shared")) for each in (LAYERS, mix)]
    assert mhz is not None or reads[1] == pytest.approx(3 * (reads[0] or 0))


def test_a_table_without_memory_energy_leaves_the_reads_and_the_total_unknown() -> None:
    cost = accelerator_cost(LAYERS, AnalyticRescalerModel(load_technology("osu018")), template("shared"))
    assert parameter_energy_nj(LAYERS, AnalyticRescalerModel(load_technology("osu018")), template("shared")) is None
    assert cost.energy_nj is None
    assert cost.rescalers.rescaler_energy_nj is not None
    assert any("energy_pj of a memory" in reason for reason in cost.missing)


def test_an_unknown_output_order_is_refused() -> None:
    with pytest.raises(HardwareError, match="output_order is 'diagonal'; use one of channel_innermost"):
        load_technology("aladdin40").in_order("diagonal")


@given(st.integers(1, 512), st.integers(1, 64))
def test_more_lanes_never_take_longer_and_never_less_area(macs: int, rescalers: int) -> None:
    few = accelerator_cost(LAYERS, MODEL, template("shared", macs, rescalers))
    many = accelerator_cost(LAYERS, MODEL, template("shared", macs + 1, rescalers + 1))
    assert many.latency_cycles <= few.latency_cycles
    assert (many.area_um2 or 0) > (few.area_um2 or 0)
    assert many.energy_nj == pytest.approx(few.energy_nj)


@pytest.mark.parametrize(
    ("lanes", "message"),
    [((0, 4), "mac_lanes is 0"), ((4, 0), "rescaler_lanes is 0"), ((4, True), "rescaler_lanes is True")],
)
def test_bad_templates_are_refused(lanes: tuple[int, int], message: str) -> None:
    with pytest.raises(HardwareError, match=message):
        template("shared", *lanes)


def test_missing_areas_spread() -> None:
    cost = accelerator_cost(LAYERS, AnalyticRescalerModel(load_technology("horowitz45")), template("shared"))
    assert cost.area_um2 is None
    assert cost.energy_nj is not None
    assert cost.missing
