"""Which cost model is the objective: formulas, the shipped RTL, a user's own, or one calibrated by synthesis."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hwmodels
from dse.design.evaluation import Evaluation, Job, Level
from dse.design.metrics import value_of
from dse.design.point import Finetune
from dse.errors import StudyError
from dse.evaluate.costing import cost_models, cost_source, cost_sources
from dse.evaluate.evaluator import Evaluator
from dse.store.records import record_of
from dse.study.accelerator import with_preset
from dse.study.loading import load_study
from dse.study.prepared import PreparedStudy
from dse.study.space import space_over
from dse.study.spec import HardwareSpec, RtlSpec
from hwmodels import AnalyticRescalerModel, CalibratedRescalerModel, Style, load_technology
from hwmodels.errors import HardwareError
from nets.datasets import Samples
from nets.importers.tflite import load_tflite
from nets.network import Weighted
from nets.network.operators import Method
from tests.small_studies import document, validated, write_study

RTL = tuple(Path(hwmodels.__file__).parent / "rtl" / name for name in ("rescaler.v", "rescaler_register.v"))
PARAMETERS: dict[str, int | str] = {
    "ACC_WIDTH": "operand_bits",
    "MULT_WIDTH": "multiplier_bits",
    "SHIFT_WIDTH": "shift_bits",
    "SHIFT_MIN": "right_shift_min",
    "OUT_WIDTH": "output_bits",
}
BUILT_IN: dict[str, int | str] = {
    "CONSTANTS": "constants",
    "ZERO_POINT": "zero_point",
    "Q_MIN": "q_min",
    "Q_MAX": "q_max",
}


def on(study: PreparedStudy, hardware: HardwareSpec) -> PreparedStudy:
    return replace(study, spec=study.spec.model_copy(update={"hardware": hardware}))


def area(study: PreparedStudy, bits: int = 4) -> float:
    space = space_over(study.operators, study.spec.search, Finetune.NONE)
    result = Evaluator(study).run(Job(0, space.uniform(bits, Method.ROUND, Finetune.NONE), Level.INTEGER))
    assert isinstance(result, Evaluation)
    return value_of(result, "rescaler_area_um2")


def test_a_users_module_is_the_objective(digits: PreparedStudy) -> None:
    ports = RtlSpec(files=RTL, top="rescaler", parameters=PARAMETERS)
    rtl = ports.model_copy(update={"parameters": {**PARAMETERS, **BUILT_IN}})
    shared, shared_own = (on(digits, HardwareSpec(cost_source="rtl", style="shared", rtl=each)) for each in (None, rtl))
    assert area(shared_own) == area(shared), "the shipped module, handed in as a user's, costs the same"
    shipped, own, read = (on(digits, HardwareSpec(cost_source="rtl", rtl=each)) for each in (None, rtl, ports))
    assert area(own) == area(shipped), "its zero points and bounds are those of the layer"
    assert area(read) > area(shipped), "unless it reads them from its ports"
    fixed = RtlSpec(files=RTL, top="rescaler", parameters={**PARAMETERS, "ACC_WIDTH": 32})
    assert area(on(digits, HardwareSpec(cost_source="rtl", rtl=fixed))) > area(shipped), "wider than the certificate"


def test_calibrated_costs_need_a_table_made_by_synthesis(digits: PreparedStudy) -> None:
    model, other = cost_models(HardwareSpec(cost_source="calibrated", technology="osu018"))
    assert (model.name, other.name) == ("calibrated", "analytic")
    assert area(on(digits, HardwareSpec(cost_source="calibrated", technology="osu018"))) > 0
    with pytest.raises(HardwareError, match="'aladdin40' is not calibrated"):
        cost_models(HardwareSpec(cost_source="calibrated"))


def test_rtl_without_its_cost_source_is_refused() -> None:
    bad = document(hardware__rtl={"files": [str(file) for file in RTL], "top": "rescaler"})
    with pytest.raises(StudyError, match=r"hardware: rtl is given, but cost_source = 'analytic'"):
        validated(bad)


def test_rtl_paths_are_relative_to_the_study_file(tmp_path: Path) -> None:
    (tmp_path / "mine.v").write_text("module mine; endmodule\n", encoding="utf-8")
    path = write_study(tmp_path, hardware__cost_source="rtl", hardware__rtl={"files": ["mine.v"], "top": "mine"})
    rtl = load_study(path).hardware.rtl
    assert rtl is not None
    assert rtl.files == (tmp_path / "mine.v",)


def test_trace_holds_the_accumulators_of_every_weighted_layer() -> None:
    from dse.evaluate.traces import accumulator_recording, spread

    model = Path("../shared/data/models/kws_ref_model.tflite")
    if not model.exists():
        pytest.skip(f"{model} is not there")
    network = load_tflite(model)
    inputs = np.random.default_rng(0).integers(-128, 128, (9, 49, 10, 1), dtype=np.int8)
    chosen = spread(Samples(inputs, np.zeros(9, np.int64)), 4)
    assert (chosen == inputs[::2][:4]).all()
    recording = accumulator_recording(network, chosen, "kws")
    assert [tile.layer for tile in recording.tiles] == sorted([*range(10)] * 4)
    assert {tile.acc.shape for tile in recording.tiles} == {(64, 16), (1, 12)}
    weighted = [operator for operator in network.operators if isinstance(operator, Weighted)]
    for first, last in zip(recording.tiles[:36:4], recording.tiles[3:36:4], strict=True):
        scale = weighted[first.layer].rescaler.scale
        assert (first.scale == scale[:16]).all()
        assert (last.scale == scale[-16:]).all()


def test_a_technology_path_is_relative_to_the_study_file(tmp_path: Path) -> None:
    table = (RTL[0].parent.parent / "technologies" / "aladdin40.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(table, encoding="utf-8")
    study = write_study(tmp_path, hardware__technology="mine.toml")
    assert load_study(study).hardware.technology == str(tmp_path / "mine.toml")
    assert load_study(write_study(tmp_path, hardware__technology="osu018")).hardware.technology == "osu018"


def test_shares_of_the_accelerator_and_the_other_style_stand_beside_the_objectives(digits: PreparedStudy) -> None:
    space = space_over(digits.operators, digits.spec.search, Finetune.NONE)
    shares = {}
    for bits in (1, 31):
        job = Job(0, space.uniform(bits, Method.ROUND, Finetune.NONE), Level.INTEGER)
        record = record_of(job.point.to_json(), [Evaluator(digits).run(job)])  # type: ignore[list-item]
        area = value_of(record, "rescaler_area_um2")
        assert value_of(record, "other_style_rescaler_area_um2") < area, "one bank is smaller than six"
        shares[bits] = area / value_of(record, "accelerator_area_um2")
    assert 0 < shares[1] < shares[31] < 1


def test_a_serial_architecture_takes_longer_with_each_multiplier_bit(digits: PreparedStudy) -> None:
    space = space_over(digits.operators, digits.spec.search, Finetune.NONE)
    latencies = {}
    for architecture in ("array", "serial"):
        # So many MACs that the rescalers set the pace.
        study = on(digits, HardwareSpec(architecture=architecture, mac_lanes=2**20, cost_source="rtl"))  # type: ignore[arg-type]
        for bits in (4, 31):
            job = Job(0, space.uniform(bits, Method.ROUND, Finetune.NONE), Level.INTEGER)
            evaluation = Evaluator(study).run(job)
            assert isinstance(evaluation, Evaluation)
            latencies[architecture, bits] = value_of(evaluation, "latency_cycles")
    slowest = latencies["array", 31]
    assert [latencies["array", bits] for bits in (4, 31)] == [slowest] * 2
    assert [latencies["serial", bits] for bits in (4, 31)] == [slowest * (bits + 1) for bits in (4, 31)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "analog"}, r"hardware\.architecture.*'array', 'serial' or 'fractured'.*analog"),
        ({"architecture": "serial", "cost_source": "calibrated"}, "architecture = 'serial', but only the array is"),
        (
            {
                "architecture": "serial",
                "cost_source": "rtl",
                "rtl": {"files": [str(file) for file in RTL], "top": "rescaler"},
            },
            "architecture = 'serial', but rtl gives a rescaler of another",
        ),
    ],
)
def test_an_architecture_without_a_model_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        validated(document(hardware=changes))


def test_calibrated_figures_come_with_the_errors_of_what_they_cost() -> None:
    technology = load_technology("osu018")
    model = CalibratedRescalerModel(technology)
    for contract, unit in (("half_up", "array"), ("floor", "floor")):
        words = cost_source(model, contract).error
        for name in (unit, "add"):
            assert f"{name}: area {technology.corrections[name].area_um2_error:.1%}" in words
    assert "add:" not in cost_source(AnalyticRescalerModel(technology), "half_up").error


@pytest.mark.parametrize("style", ["streaming", "shared"])
def test_figures_of_a_users_module_come_with_the_errors_of_their_class(digits: PreparedStudy, style: Style) -> None:
    rtl = RtlSpec(files=RTL, top="rescaler", parameters=PARAMETERS)
    hardware = HardwareSpec(cost_source="rtl", technology="osu018", style=style, rtl=rtl)
    gates = load_technology("osu018").gates
    assert gates is not None
    own, formula = (source.error for source in cost_sources(on(digits, hardware)))
    for figure, name in (("area_um2", "area"), ("energy_pj", "energy")):
        errors = gates.errors[figure]["datapath"]  # type: ignore[index]
        assert f"{name} {errors.mean:.1%} ({errors.worst:.0%})" in own
    assert "rescaler by gates" in own
    assert "int32's are datapaths" in own
    assert "gates" not in formula
    components = hardware.model_copy(update={"technology": "aladdin40"})
    source, _ = cost_sources(on(digits, components))
    assert source.error.startswith("rescaler by components, because the table has no gate figures; all else: ")


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({}, "channel_innermost"),
        ({"style": "shared"}, "channel_outermost"),
        ({"style": "shared", "output_order": "channel_innermost"}, "channel_innermost"),
        ({"accelerator": {"preset": "nvdla_small"}}, "channel_outermost"),
        ({"accelerator": {"preset": "finn"}}, "channel_innermost"),
    ],
)
def test_one_order_of_outputs_holds_for_energies_and_reads(changes: dict[str, object], order: str) -> None:
    """What is not given follows from style or preset; the models' table is what reads of parameters follow, too."""
    hardware = HardwareSpec.model_validate(with_preset({"technology": "osu018", **changes}))
    assert hardware.order == order
    models = cost_models(hardware)
    assert {model.technology.output_order for model in models} == {order}
    assert f"outputs in {order} order" in cost_source(models[0], "half_up").error
    assert (
        "aladdin40 has one energy for both orders"
        in cost_source(cost_models(hardware.model_copy(update={"technology": "aladdin40"}))[0], "half_up").error
    )


def test_a_preset_keeps_its_order_of_outputs() -> None:
    with pytest.raises(
        ValueError, match=r"output_order = 'channel_innermost', but .*nvdla_small.* 'channel_outermost'"
    ):
        HardwareSpec.model_validate(
            with_preset({"accelerator": {"preset": "nvdla_small"}, "output_order": "channel_innermost"})
        )
