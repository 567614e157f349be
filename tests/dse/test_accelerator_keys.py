"""The [hardware.accelerator] table: presets, own numbers, and the accelerators that are costed for them."""

from dataclasses import replace
from pathlib import Path

import pytest

import hwmodels.memories
from dse.design import DEFAULT_OBJECTIVES
from dse.errors import StudyError
from dse.evaluate import lower
from dse.evaluate.costing import accelerator_of, check_objectives
from dse.study import (
    AcceleratorSpec,
    HardwareSpec,
    PreparedStudy,
    Study,
    input_files,
    load_study,
    validated,
    with_input_files,
)
from hwmodels import PRESETS, HardwareError
from hwmodels.dataflow import traffic
from nets.network import Sliding, Weighted
from tests.small_studies import small_spec, write_study

TABLE = Path(hwmodels.memories.__file__).with_name("cacti32.toml").read_text(encoding="utf-8")


def of(spec: Study) -> HardwareSpec:
    return spec.hardware


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_gives_style_lanes_and_macs_and_is_read_back(name: str) -> None:
    spec = small_spec(hardware__accelerator={"preset": name})
    preset, hardware = PRESETS[name], of(spec)  # type: ignore[index]
    assert (hardware.style, hardware.lanes, hardware.mac_lanes) == (
        preset.style,
        preset.rescaler_lanes,
        preset.mac_lanes,
    )
    assert validated(spec.model_dump(mode="json", exclude_none=True)) == spec
    made = accelerator_of(hardware, hardware.style, hardware.lanes)
    assert made == preset.accelerator(hwmodels.memories.load_memory("cacti32"))
    assert accelerator_of(hardware, "shared", 2).rescaler_lanes == 2


@pytest.mark.parametrize(("key", "values"), [("styles", ("shared", "streaming")), ("lanes", (1, 4))])
def test_a_preset_does_not_vary(key: str, values: tuple[object, ...]) -> None:
    changes = {f"search__{key}": values, "search__objectives": (*DEFAULT_OBJECTIVES[:2], "latency_cycles")}
    assert small_spec(**changes)
    with pytest.raises(StudyError, match=f"search.{key} = .* but hardware.accelerator.preset = 'finn' is one shape"):
        small_spec(hardware__accelerator={"preset": "finn"}, **changes)


def test_own_numbers_reach_the_dataflow() -> None:
    own = {"buffer_kib": 64, "word_bits": 32, "accumulator_kib": 2, "input_uses": 4, "weight_uses": 3}
    hardware = of(small_spec(hardware__accelerator=own, hardware__mac_lanes=32))
    flow = accelerator_of(hardware, "shared", 1).dataflow
    assert flow is not None
    assert flow.accumulators is not None
    assert (flow.buffer.kib, flow.buffer.word_bits, flow.accumulators.kib) == (64, 32, 2)
    assert (flow.input_uses, flow.weight_uses, flow.reduction_lanes) == (4, 3, 8)


def test_a_table_of_ones_own_is_an_input_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TABLE.replace("cacti32", "mine"))
    spec = load_study(write_study(tmp_path, hardware__accelerator={"memory": "mine.toml"}))
    assert input_files(spec)["hardware.accelerator.memory"] == tmp_path / "mine.toml"
    moved = with_input_files(spec, {"hardware.accelerator.memory": tmp_path / "other.toml"})
    assert moved.hardware.accelerator.memory == str(tmp_path / "other.toml")
    assert moved.identity() == spec.identity()
    flow = accelerator_of(spec.hardware, "shared", 1).dataflow
    assert flow is not None
    assert flow.memory.name == "mine"
    with pytest.raises((HardwareError, StudyError), match="other"):
        accelerator_of(moved.hardware, "shared", 1)


def test_layers_are_lowered_with_the_reuse_that_they_have(digits: PreparedStudy) -> None:
    """Weights, outputs per weight and channels per input are those of the layers' shapes, counted here."""
    network = digits.members[0].network
    flow = PRESETS["finn"].dataflow(hwmodels.memories.load_memory("cacti32"))
    kinds = set()
    for operator, work in zip(network.narrowable_operators(), lower(network), strict=True):
        if not isinstance(operator, Weighted):
            assert (work.weights, work.uses_of_input, work.uses_of_weight) == (0, 1, 1)
            continue
        *_, height, width, channels = (1, 1, 1, *network.tensors[operator.output].shape)
        groups = operator.groups if isinstance(operator, Sliding) else 1
        kinds.add((type(operator), groups > 1))
        assert work.weights * work.uses_of_weight == work.macs_per_inference
        assert work.weights == operator.weights.size
        if isinstance(operator, Sliding):
            assert (work.uses_of_weight, work.uses_of_input) == (height * width, channels // groups)
        else:
            assert (work.uses_of_weight, work.uses_of_input) == (1, channels)
            assert traffic(work, flow).weights == work.weights * work.weight_bits
    assert len(kinds) == 3


def test_buffers_beyond_the_table_are_refused_before_anything_is_evaluated(digits: PreparedStudy) -> None:
    hardware = HardwareSpec(accelerator=AcceleratorSpec(buffer_kib=10000))
    study = replace(digits, spec=digits.spec.model_copy(update={"hardware": hardware}))
    with pytest.raises(
        StudyError, match=r"hardware\.accelerator: memory cacti32: 1280000 words; possible are 64 to 1048576"
    ):
        check_objectives(study)
    old = HardwareSpec(technology="osu035")  # no factor scales memories to 350 nm: their costs are unknown, no error
    check_objectives(replace(digits, spec=digits.spec.model_copy(update={"hardware": old})))
