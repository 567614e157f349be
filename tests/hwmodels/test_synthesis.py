"""Liberty, gate evaluation, energy and fitting, on a small test library, and on OSU's if it is installed."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hw_workloads import addition, convolution, needs_yosys
from hypothesis import given
from hypothesis import strategies as st
from settled_outputs import simulate
from small_liberty import write_small_liberty

from hwmodels import (
    CalibratedRescalerModel,
    HardwareError,
    RescalerWorkload,
    RtlRescalerModel,
    load_technology,
    technology_names,
)
from hwmodels.architectures import ARRAY, FRACTURED
from hwmodels.architectures.rounding import half_up
from hwmodels.orders import OUTPUT_ORDERS, OutputOrder
from hwmodels.synthesis.activity import _inertial, measure_energy
from hwmodels.synthesis.calibration import ENERGIES, error_table, fit, local_line
from hwmodels.synthesis.circuit import build_circuit
from hwmodels.synthesis.full_adder import full_adder_map
from hwmodels.synthesis.liberty import load_liberty
from hwmodels.synthesis.sweep import Measurement, measure_rescaler, read_measurements
from hwmodels.synthesis.yosys import CellInstance, Netlist, synthesize
from hwmodels.traces import Recording, Tile, cut_streams, load_recording, save_recording
from studies.hardware.page import page_text

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "hardware"
OSU018 = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
needs_osu = pytest.mark.skipif(not OSU018.exists(), reason="Debian's qflow-tech-osu018 is not installed")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_liberty(tmp_path_factory.mktemp("liberty"))


@given(st.lists(st.integers(0, 1), min_size=2, max_size=60), st.integers(0, 1), st.integers(1, 9), st.integers(1, 9))
def test_inertial_delay_equals_a_step_by_step_reference(ideal: list[int], before: int, rise: int, fall: int) -> None:
    """The output takes a value once the gate's function has kept it throughout the delay, and else stays."""
    column = np.array(ideal, dtype=np.uint64).reshape(-1, 1)
    wave = _inertial(column, np.array([before], dtype=np.uint64), rise, fall)
    history, output, expected = [before] * 9 + ideal, before, []
    for step in range(9, 9 + len(ideal)):
        if all(history[step - rise : step]):
            output = 1
        elif not any(history[step - fall : step]):
            output = 0
        expected.append(output)
    assert (wave[:, 0] & 1).tolist() == expected


def glitch_netlist() -> Netlist:
    """y = a nand (not a): settled it is always 1, but the inverter's delay lets a pulse through on a rising edge."""
    return Netlist(
        inputs={"a": (2,)},
        outputs={"y": (4,)},
        cells=(CellInstance("INV", {"A": 2, "Y": 3}), CellInstance("NAND2", {"A": 2, "B": 3, "Y": 4})),
    )


def test_energy_of_a_hand_computed_circuit(small: Path) -> None:
    circuit = build_circuit(glitch_netlist(), load_liberty(small))
    assert circuit.area_um2 == 3.0
    # a drives 2 pins, the inverter 1, the gate none; half C V^2 with V = 2 is 2 C; 0.05 pJ inside each gate.
    trace = {"a": np.array([0, 1, 1, 0, 1])}
    energy = measure_energy(circuit, trace)
    inverter, output = 2 * 0.01 + 0.05, 0.05
    assert energy.zero_delay_pj == pytest.approx(3 / 4 * (2 * 0.02 + inverter))
    # The rising edges at cycles 1 and 4 let one pulse, two transitions, through: as long as the gate's own delay.
    assert energy.delayed_pj == pytest.approx(energy.zero_delay_pj + 2 / 4 * 2 * output)
    assert circuit.delay_ns == pytest.approx(0.1 + 0.001 + 0.1)


@needs_yosys
@pytest.mark.parametrize("k", [1, 5])
def test_a_synthesized_rescaler_computes_what_the_contract_says(k: int, small: Path) -> None:
    parameters = {"ACC_WIDTH": 10, "MULT_WIDTH": k, "SHIFT_WIDTH": 2, "SHIFT_MIN": k - 3}
    netlist = synthesize(ARRAY.files, "rescaler", parameters, load_liberty(small))
    circuit = build_circuit(netlist, load_liberty(small))
    rng = np.random.default_rng(4)
    shape = (40, 8)
    trace = {
        "acc": rng.integers(-512, 512, shape),
        "mult": rng.integers(1 << (k - 1), 1 << k, shape),
        "shift": rng.integers(0, 4, shape),
        "zero_point": np.full(shape, -5),
        "q_min": np.full(shape, -128),
        "q_max": np.full(shape, 127),
        "reset": np.zeros(shape, np.int64),
        "enable": np.ones(shape, np.int64),
    }
    q = (simulate(circuit, trace)["q"][1:] ^ 128) - 128
    rows = zip(*(trace[name][:-1].ravel().tolist() for name in ("acc", "mult", "shift")), strict=True)
    expected = [min(max(-5 + half_up(a * m, k - 3 + s), -128), 127) for a, m, s in rows]
    assert q.ravel().tolist() == expected
    energy = measure_energy(circuit, trace)
    assert energy.delayed_pj is not None
    assert 0 < energy.zero_delay_pj < energy.delayed_pj


@needs_yosys
def test_what_yosys_refuses_is_said_in_its_words(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.v"
    path.write_text("module bad(input a, output y);\nassign y = a +;\nendmodule")
    with pytest.raises(HardwareError, match=r"yosys: .*bad\.v:2: syntax error"):
        synthesize((path,), "bad", {}, load_liberty(small))
    missing = tmp_path / "none.lib"
    with pytest.raises(HardwareError, match=r"none\.lib|ABC"):
        synthesize(ARRAY.files, "rescaler", {}, replace(load_liberty(small), path=missing))


def test_the_bundled_trace_and_its_round_trip(tmp_path: Path) -> None:
    recording = load_recording()
    assert recording.acc_bits <= 20
    save_recording(recording, tmp_path / "copy.npz")
    copy = load_recording(tmp_path / "copy.npz")
    for order in OUTPUT_ORDERS:
        trace, again = recording.in_order(order), copy.in_order(order)
        assert trace.acc.size > 8_000
        assert all((getattr(trace, each) == getattr(again, each)).all() for each in ("acc", "scale", "zero_point"))
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(HardwareError, match=r"bad\.npz: not a trace"):
        load_recording(tmp_path / "bad.npz")


def test_the_orders_of_outputs_have_the_same_accumulators_one_by_channels_the_other_by_positions() -> None:
    acc = np.arange(6, dtype=np.int64).reshape(3, 2)  # three positions of two channels
    recording = Recording("made up", (Tile(0, acc, np.array([0.5, 0.25]), 7), Tile(1, acc + 6, np.array([0.5, 1]), -7)))
    innermost, outermost = (recording.in_order(order) for order in OUTPUT_ORDERS)
    assert innermost.acc.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert outermost.acc.tolist() == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]
    assert outermost.scale[:6].tolist() == [0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert innermost.layer.tolist() == outermost.layer.tolist() == [0] * 6 + [1] * 6
    assert outermost.zero_point.tolist() == [7] * 6 + [-7] * 6


def test_channels_change_at_every_rescale_of_the_one_order_and_rarely_in_the_other() -> None:
    changes = []
    for order in OUTPUT_ORDERS:
        multiplier = cut_streams(load_recording().in_order(order), 16, 20).multiplier
        changes.append(np.mean(multiplier[1:] != multiplier[:-1]))
    assert changes[0] > 0.9
    assert changes[1] < 1 / 49, "of small feature maps"


@given(st.integers(1, 32), st.integers(18, 32), st.sampled_from(OUTPUT_ORDERS))
def test_a_stimulus_represents_the_scales_to_k_bits(k: int, acc_bits: int, order: OutputOrder) -> None:
    cut = cut_streams(load_recording().in_order(order), k, acc_bits, cycles=5, streams=20, shift_bits=6)
    assert cut.multiplier.min() >= 1 << (k - 1)
    assert cut.multiplier.max() < 1 << k
    assert cut.shift.min() >= 0
    assert abs(cut.acc).max() <= 1 << (acc_bits - 1)
    real = np.ldexp(cut.multiplier.astype(float), -(cut.shift + cut.shift_min))
    scales = load_recording().in_order(order).scale
    nearest = np.abs(np.log2(real.ravel()[:, None] / np.unique(scales))).min(axis=1)
    assert nearest.max() <= 2.0 ** (1 - k) * 1.5


# What holds of a table: delays of fitted arrays; mean error of folded ADDs' areas, of which there are five in all, so
# that four fit each of them; and the worst area of all.
_DELAY = {"osu018": 0.15, "nangate45": 0.16, "sky130": 0.15}
_FOLDED_ADD = {"osu018": 0.05, "nangate45": 0.10, "sky130": 0.09}
_WORST_AREA = {"osu018": 0.11, "nangate45": 0.15, "sky130": 0.12}


@pytest.mark.parametrize("name", [n for n in technology_names() if (RESULTS / f"dataset_{n}.csv").exists()])
class TestPublishedTables:
    def measurements(self, name: str) -> list[Measurement]:
        return read_measurements(RESULTS / f"dataset_{name}.csv")

    @pytest.mark.parametrize("order", OUTPUT_ORDERS)
    def test_the_calibrated_model_is_within_its_stated_errors_of_what_was_measured(
        self, name: str, order: OutputOrder
    ) -> None:
        technology = load_technology(name, order)
        model, stated = CalibratedRescalerModel(technology), technology.corrections["array"]
        areas, energies = [], []
        for point in self.measurements(name):
            if point.architecture == "array":
                unit = model.unit_cost(of(point))
                areas.append(abs((unit.area_um2 or 0.0) / point.area_um2 - 1))
                energies.append(abs((unit.energy_pj or 0.0) / point.energy_pj(order) - 1))
                assert unit.delay_ns == pytest.approx(point.delay_ns, rel=_DELAY[name])
        assert len(areas) == 28
        # Stated for points left out; these were not.
        assert np.mean(areas) < stated.area_um2_error < 0.05
        assert np.max(areas) < stated.area_um2_worst < 0.10
        assert np.mean(energies) < stated.energy_of_order[order].error < 0.10

    def test_the_calibrated_area_grows_with_k_as_long_as_the_operand_is_the_wider_one(self, name: str) -> None:
        """Beyond, a synthesized multiplier adds up rows of the operand's width, and starts again from less."""
        model = CalibratedRescalerModel(load_technology(name))
        points = [p for p in self.measurements(name) if p.architecture == "array"]
        for acc_bits in (20, 32):
            rising = [p for p in points if p.acc_bits == acc_bits and p.multiplier_bits < acc_bits]
            areas = [model.unit_cost(of(p)).area_um2 or 0.0 for p in sorted(rising, key=lambda p: p.multiplier_bits)]
            assert areas == sorted(areas)
            assert areas[-1] > 0.45 * max(p.multiplier_bits for p in rising) * areas[0]

    def test_parsed_rtl_is_within_its_stated_error_of_synthesis(self, name: str) -> None:
        model = RtlRescalerModel(load_technology(name))
        errors = [
            abs((model.unit_cost(of(point)).area_um2 or 0) / point.area_um2 - 1)
            for point in self.measurements(name)
            if point.architecture == "array"
        ]
        assert len(errors) == 28
        assert np.mean(errors) < 0.02
        assert np.max(errors) < 0.10

    def test_every_architecture_reaches_the_stated_accuracy_on_points_left_out(self, name: str) -> None:
        """The published table of errors: area 5 % and energy 10 % in the mean, in the same order as synthesis.

        The energy of the fractured unit, which the calibrated model does not serve, jumps where its mode changes.
        """
        with (RESULTS / f"errors_{name}.csv").open(encoding="utf-8") as file:
            corrected = [row for row in csv.DictReader(file) if row["form"] == "corrected"]
        rows = [row for row in corrected if row["architecture"] != FRACTURED.name]
        by_digits = {"constant", "add_constants"}  # constant multipliers: their adders follow digits, not widths
        for row in rows:
            if row["metric"] in ("area_um2", *ENERGIES.values()):
                area, energy = (0.06, 0.22) if row["architecture"] in by_digits else (0.05, 0.10)
                area = _FOLDED_ADD[name] if row["architecture"] == "add_shift" else area
                assert float(row["mean"]) < (area if row["metric"] == "area_um2" else energy), row
            if row["architecture"] == "all":
                assert float(row["rank"]) > 0.99, row
        worst = {row["architecture"]: float(row["worst"]) for row in rows if row["metric"] == "area_um2"}
        assert max(worst[a] for a in worst if a != "all" and a not in by_digits) < _WORST_AREA[name]

    def test_an_add_is_costed(self, name: str) -> None:
        unit = CalibratedRescalerModel(load_technology(name)).unit_cost(addition())
        assert unit.area_um2 is not None
        assert unit.area_um2 > 0


def of(point: Measurement) -> RescalerWorkload:
    """The layer that a measured array rescaler serves."""
    return convolution(
        operand_bits=point.acc_bits, multiplier_bits=point.multiplier_bits, right_shift_min=point.shift_min,
        right_shift_max=point.shift_min + (1 << point.shift_bits) - 1,
    )  # fmt: skip


def test_the_page_says_what_the_published_files_say() -> None:
    page = RESULTS.with_suffix(".md")
    assert page_text(page.read_text(encoding="utf-8"), RESULTS) == page.read_text(encoding="utf-8"), (
        "run python -m studies.hardware.publish docs/results/hardware"
    )


def test_a_page_with_an_unknown_block_is_refused() -> None:
    with pytest.raises(HardwareError, match="'nothing'"):
        page_text("<!-- made from CSV: nothing -->\n<!-- end -->\n", RESULTS)


def test_a_local_line_follows_a_line_and_gives_nothing_out_of_reach() -> None:
    k = np.arange(1.0, 33.0)
    assert local_line(k, 0.5 * k + 1, 16.0, 4.0) == pytest.approx(9.0)
    assert local_line(k, np.ones(32), 1.0, 4.0) == pytest.approx(1.0)
    assert local_line(k, np.ones(32), 60.0, 4.0) == 0.0


def test_a_fit_recovers_the_coefficients_of_made_up_measurements() -> None:
    """Measurements made from known figures: the fit must give those back, and predict what it has not seen."""
    table = load_technology("aladdin40")
    measurements = []
    for k in range(1, 33):
        for acc_bits in (20, 32):
            workload = convolution(
                operand_bits=acc_bits, multiplier_bits=k, right_shift_min=k + 4, right_shift_max=k + 11
            )
            unit = RtlRescalerModel(table).unit_cost(workload)
            measurements.append(
                Measurement(
                    library="made up", architecture="array", multiplier_bits=k, acc_bits=acc_bits, shift_bits=3,
                    shift_min=k + 4, constant=1, cells=1, area_um2=unit.area_um2 or 0.0,
                    zero_delay_channel_innermost_pj=0.0, energy_channel_innermost_pj=unit.energy_pj or 0.0,
                    zero_delay_channel_outermost_pj=0.0, energy_channel_outermost_pj=2 * (unit.energy_pj or 0.0),
                    delay_ns=1.0, leakage_uw=1.0, cycles=1, lanes=1,
                )
            )  # fmt: skip
    fits = [fit(measurements, metric) for metric in ("area_um2", *ENERGIES.values())]
    for error in error_table(measurements, fits):
        assert error.mean < 0.01
        assert error.rank > 0.999


def test_too_few_measurements_are_refused() -> None:
    with pytest.raises(HardwareError, match="0 measurements are too few"):
        fit([], "area_um2")


def test_an_uncalibrated_table_is_refused_as_calibrated() -> None:
    with pytest.raises(HardwareError, match="'aladdin40' is not calibrated"):
        CalibratedRescalerModel(load_technology("aladdin40"))


@needs_yosys
@needs_osu
def test_a_published_point_is_reproduced() -> None:
    [expected] = [
        point
        for point in read_measurements(RESULTS / "dataset_osu018.csv")
        if (point.architecture, point.multiplier_bits, point.acc_bits) == ("array_constants", 4, 20)
    ]
    measured = measure_rescaler("array_constants", 4, 20, load_liberty(OSU018), load_recording())
    assert measured.area_um2 == pytest.approx(expected.area_um2, rel=0.001)
    for order in OUTPUT_ORDERS:
        assert measured.energy_pj(order) == pytest.approx(expected.energy_pj(order), rel=0.001)
    after = measure_rescaler("array_constants", 4, 20, load_liberty(OSU018), load_recording(), history=9)
    assert after.area_um2 != expected.area_um2, "another history, other ties"
    assert after.area_um2 == pytest.approx(expected.area_um2, rel=0.05)


@needs_osu
def test_the_librarys_full_adder_is_found_and_computes_one() -> None:
    text = full_adder_map(load_liberty(OSU018))
    assert text is not None
    assert "FAX1 adder (.A(A), .B(B), .C(C), .YC(X), .YS(Y))" in text


@needs_yosys
@needs_osu
def test_full_adders_of_the_library_take_part_and_compute_the_contract() -> None:
    library = load_liberty(OSU018)
    parameters = {"ACC_WIDTH": 10, "MULT_WIDTH": 5, "SHIFT_WIDTH": 2, "SHIFT_MIN": 2}
    netlist = synthesize(ARRAY.files, "rescaler", parameters, library)
    assert sum(instance.cell == "FAX1" for instance in netlist.cells) > 10
    circuit = build_circuit(netlist, library)
    rng = np.random.default_rng(5)
    trace = {
        "acc": rng.integers(-512, 512, (40, 8)),
        "mult": rng.integers(16, 32, (40, 8)),
        "shift": rng.integers(0, 4, (40, 8)),
        "zero_point": np.full((40, 8), -5),
        "q_min": np.full((40, 8), -128),
        "q_max": np.full((40, 8), 127),
        "reset": np.zeros((40, 8), np.int64),
        "enable": np.ones((40, 8), np.int64),
    }
    q = (simulate(circuit, trace)["q"][1:] ^ 128) - 128
    rows = zip(*(trace[name][:-1].ravel().tolist() for name in ("acc", "mult", "shift")), strict=True)
    assert q.ravel().tolist() == [min(max(-5 + half_up(a * m, 2 + s), -128), 127) for a, m, s in rows]


def test_a_library_without_a_full_adder_has_no_map(small: Path) -> None:
    assert full_adder_map(load_liberty(small)) is None
