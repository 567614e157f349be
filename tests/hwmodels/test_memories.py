"""Buffers: figures against independent sources, traffic against counting, and presets."""

from dataclasses import replace
from pathlib import Path

import pytest
from hw_workloads import addition, convolution
from hypothesis import given
from hypothesis import strategies as st

from hwmodels import (
    PRESETS,
    AnalyticRescalerModel,
    Buffer,
    Dataflow,
    HardwareError,
    RescalerWorkload,
    Technology,
    accelerator_cost,
    load_memory,
    load_technology,
)
from hwmodels.clock import Clock, ClockedModel
from hwmodels.dataflow import memory_cost, traffic
from hwmodels.memories import area_factor, energy_factor

CACTI = load_memory("cacti32")
SHIPPED = (Path(__file__).parents[2] / "hwmodels/memories/cacti32.toml").read_text()


def dataflow(**fields: object) -> Dataflow:
    plain = {"input_uses": 4, "weight_uses": 8, "buffer": Buffer(kib=32, word_bits=64), "memory": CACTI}
    return Dataflow(**{**plain, **fields})  # type: ignore[arg-type]


def at(node_nm: float, voltage_v: float) -> Technology:
    return load_technology("osu018").model_copy(update={"node_nm": node_nm, "voltage_v": voltage_v})


def layer(*, outputs: int = 6, positions: int = 5, taps: int = 9) -> RescalerWorkload:
    plain = convolution(channels=outputs, rescales=outputs * positions, macs=outputs * positions * taps)
    return replace(plain, weights=outputs * taps, uses_of_input=outputs, uses_of_weight=positions)


def test_the_table_gives_its_own_macro_back() -> None:
    own, macro = CACTI.scaled(CACTI.macro.words, CACTI.node_nm, CACTI.voltage_v), CACTI.macro
    assert (own.area_um2 * macro.bits, own.leakage_uw * macro.bits) == pytest.approx((macro.area_um2, macro.leakage_uw))
    assert (own.read_pj * 64, own.write_pj * 64) == pytest.approx((macro.read_pj, macro.write_pj))


@pytest.mark.parametrize(("kilobytes", "picojoules"), [(32, 20.0), (1024, 100.0)])
def test_reads_are_within_the_stated_error_of_horowitz(kilobytes: int, picojoules: float) -> None:
    """Horowitz, ISSCC 2014: a 64-bit read of a cache at 45 nm and 0.9 V."""
    read = CACTI.scaled(kilobytes * 1024 // 8, 45, 0.9).read_pj * 64
    assert picojoules / (1 + CACTI.error) < read < picojoules * (1 + CACTI.error)


def test_areas_are_within_the_stated_error_of_a_layout() -> None:
    """The single-port 8 KB macro of OpenRAM in sky130 has 449,935 um2 (sky130_sram_8kbyte_1rw_64x1024_8, Liberty)."""
    area = CACTI.scaled(1024, 130, 1.8).area_um2 * 1024 * 64
    assert 449_935 / (1 + CACTI.error) < area < 449_935 * (1 + CACTI.error)


def test_factors_between_processes() -> None:
    """The factors from 180 to 45 nm are those of the paper's abstracted tables; others invert and chain."""
    assert area_factor(180, 45) == pytest.approx(0.053)
    assert energy_factor(180, 1.8, 45, 0.9) == pytest.approx(0.0265)
    assert area_factor(130, 32) * area_factor(32, 130) == pytest.approx(1)
    assert area_factor(45, 32) < area_factor(45, 40) < 1
    assert energy_factor(65, 1.0, 45, 1.0) * energy_factor(45, 1.0, 65, 1.0) == pytest.approx(1)


@pytest.mark.parametrize(
    ("node", "voltage", "named"), [(350, 3.3, "350 nm"), (5, 0.7, "5 nm"), (180, 1.2, "180 nm and 1.2 V")]
)
def test_processes_without_factors_have_no_memory_costs(node: float, voltage: float, named: str) -> None:
    cost = memory_cost([layer()], dataflow(), at(node, voltage), "shared")
    assert (cost.area_um2, cost.energy_nj, cost.leakage_uw) == (None, None, None)
    assert named in cost.missing[0]
    assert cost.kib == 32


def counted(work: tuple[int, int, int], flow: Dataflow) -> tuple[int, int]:
    """Counts fetches of inputs and of weights, tile by tile, of a layer whose sizes are multiples of the tiles."""
    outputs, positions, taps = work
    inputs = weights = 0
    for _ in range(outputs // flow.input_uses):
        for _ in range(positions // flow.weight_uses):
            for _ in range(taps):
                inputs += flow.weight_uses
                weights += flow.input_uses
    return inputs, weights


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_traffic_is_what_a_loop_nest_counts(
    tiles: int, rows: int, taps: int, input_uses: int, weight_uses: int
) -> None:
    flow = dataflow(input_uses=input_uses, weight_uses=weight_uses)
    outputs, positions = tiles * input_uses, rows * weight_uses
    moved = traffic(layer(outputs=outputs, positions=positions, taps=taps), flow)
    assert (moved.inputs / 8, moved.weights / 8) == pytest.approx(counted((outputs, positions, taps), flow))
    assert moved.outputs == outputs * positions * 8
    assert moved.partial_sums == 0


def test_a_layer_reuses_no_more_than_it_has() -> None:
    single = replace(layer(outputs=1, positions=1, taps=10), uses_of_input=1, uses_of_weight=1)
    moved = traffic(single, dataflow())
    assert (moved.inputs, moved.weights, moved.outputs) == (80, 80, 8)
    assert traffic(addition(rescales=3), dataflow()).inputs == 2 * 3 * 8


def test_partial_sums_move_if_they_have_a_memory() -> None:
    flow = dataflow(accumulators=Buffer(kib=4, word_bits=64), reduction_lanes=4)
    moved = traffic(layer(taps=12), flow)
    assert moved.partial_sums == 30 * 3 * 20  # 12 products, 4 at a time, sums of 20 bits
    without, with_sums = (memory_cost([layer(taps=12)], each, at(32, 1.0), "shared") for each in (dataflow(), flow))
    bit = CACTI.scaled(512, 32, 1.0)  # 4 KiB in words of 64 bits
    assert (with_sums.energy_nj or 0) - (without.energy_nj or 0) == pytest.approx(
        moved.partial_sums * (bit.read_pj + bit.write_pj) / 1000
    )
    assert (with_sums.area_um2 or 0) / (without.area_um2 or 1) == pytest.approx(36 / 32)


def test_a_buffer_without_a_size_holds_the_weights() -> None:
    """In hardware of its own a layer reads from a smaller memory, which takes less energy and as much area."""
    flow, work = dataflow(buffer=Buffer(kib=None, word_bits=64)), [layer(taps=10**5), layer(taps=10**5)]
    shared, streaming = (memory_cost(work, flow, at(32, 1.0), style) for style in ("shared", "streaming"))
    assert shared.kib == streaming.kib == pytest.approx(2 * 6 * 10**5 / 1024)
    assert shared.area_um2 == streaming.area_um2 == pytest.approx(CACTI.scaled(64, 32, 1.0).area_um2 * 96 * 10**5)
    assert (streaming.energy_nj or 0) / (shared.energy_nj or 1) == pytest.approx(0.5**CACTI.depth.exponent)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_cost_rescalers_a_smaller_share_with_buffers(name: str) -> None:
    preset = PRESETS[name]  # type: ignore[index]
    model = AnalyticRescalerModel(load_technology("osu018"))
    work = layer(outputs=64, positions=256, taps=576)
    cost = accelerator_cost([work], model, preset.accelerator(CACTI))
    assert cost.memories is not None
    assert not cost.memories.missing
    assert min(cost.memories.area_um2 or 0, cost.memories.energy_nj or 0, cost.memories.leakage_uw or 0) > 0
    assert preset.mac_lanes % preset.rescaler_lanes == 0
    assert preset.mac_lanes / preset.rescaler_lanes == {"nvdla_small": 64, "gemmini": 64}.get(name, 32)


def test_nvdla_small_like_shares_are_those_that_were_measured_by_hand() -> None:
    """A rescaler of 31 bits has 12% of MACs and rescalers, and 1 to 2% with 128 KiB of buffer, at OSU 0.18 um."""
    model = AnalyticRescalerModel(load_technology("osu018"))
    work = replace(layer(outputs=64, positions=256, taps=576), stages=convolution(multiplier_bits=31).stages)
    cost = accelerator_cost([work], model, PRESETS["nvdla_small"].accelerator(CACTI))
    rescalers = cost.rescalers.rescaler_area_um2 or 0
    assert cost.memories is not None
    assert 0.05 < rescalers / (cost.area_um2 or 1) < 0.2
    assert 0.005 < rescalers / ((cost.area_um2 or 0) + (cost.memories.area_um2 or 0)) < 0.02


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("words = 16384", "words = 0", "macro.words"),
        ("read_pj = 18.183829", 'read_pj = "18"', "macro.read_pj"),
        ("read_pj = 18.183829", "read_pj = nan", "macro.read_pj"),
        ("fewest_words = 64", "fewest_words = 2000000", "fewest_words = 2000000 exceeds"),
        ("name =", "names =", "name"),
        ("[macro]", "[macro", "not valid TOML"),
    ],
)
def test_bad_tables_are_refused_by_key(tmp_path: Path, old: str, new: str, named: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(SHIPPED.replace(old, new, 1))
    with pytest.raises(HardwareError, match=r"own\.toml") as caught:
        load_memory(path)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_tables_and_sizes_are_refused() -> None:
    with pytest.raises(HardwareError, match="unknown memory 'sram'; use one of cacti32"):
        load_memory("sram")
    with pytest.raises(HardwareError, match="8 words; possible are 64 to 1048576"):
        CACTI.scaled(8, 32, 1.0)
    with pytest.raises(HardwareError, match="weight_uses is 0"):
        dataflow(weight_uses=0)
    with pytest.raises(HardwareError, match="words of at least one bit"):
        Buffer(kib=4, word_bits=0)


def test_buffers_leak_for_the_time_of_an_inference_if_there_is_a_clock() -> None:
    model = AnalyticRescalerModel(load_technology("osu018"))
    work, accelerator = [layer(outputs=64, positions=256, taps=576)], PRESETS["nvdla_small"].accelerator(CACTI)
    free = accelerator_cost(work, model, accelerator)
    timed = accelerator_cost(work, ClockedModel(model, Clock(10.0)), accelerator)
    assert free.memories is not None
    assert timed.memories is not None
    leaked = (timed.memories.energy_nj or 0) - (free.memories.energy_nj or 0)
    assert leaked == pytest.approx((free.memories.leakage_uw or 0) * (timed.latency_ns or 0) * 1e-6)
    assert leaked > 0
