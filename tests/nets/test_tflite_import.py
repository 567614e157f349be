"""What the importer accepts, and the one clear line for everything else."""

from collections.abc import Callable
from pathlib import Path

import known_models
import numpy as np
import pytest
from random_layers import SAME, Layers
from tflite_models import ModelWriter

from nets.errors import NetworkError
from nets.execute.executor import IntegerExecutor
from nets.importers.tflite import load_tflite, network_from_bytes
from nets.importers.tflite.graph import _Reader
from nets.importers.tflite.inspection import inspect_bytes
from nets.network.operators import Convolution, FullyConnected, Weighted

MODELS = Path(__file__).parents[3] / "shared" / "data" / "models"


def layers() -> Layers:
    return Layers(np.random.default_rng(0))


def simple() -> tuple[ModelWriter, int]:
    """conv and dense; the writer, and the index of the convolution's output."""
    made = layers()
    x = made.conv(made.input(6, 6, 3), 4)
    made.writer.outputs = [made.dense(x, 2)]
    return made.writer, x


def test_operators_are_named_by_kind_and_index() -> None:
    network = network_from_bytes(known_models.residual(np.random.default_rng(0)), "some.tflite")
    assert network.name == "some"
    assert [op.name for op in network.operators][:6] == ["conv_0", "pad_1", "depthwise_2", "conv_3", "add_4", "mean_5"]
    assert all(spec.file_index is not None for spec in network.tensors)


def test_outputs_are_the_logits() -> None:
    network = network_from_bytes(known_models.streaming_wakeword(np.random.default_rng(0)), "m")
    assert isinstance(network.operators[-1], FullyConnected)
    assert network.outputs == (network.operators[-1].output,)


def test_float_borders_are_cut_off() -> None:
    network = network_from_bytes(known_models.float_borders(np.random.default_rng(0)), "m")
    assert [op.name for op in network.operators] == ["conv_1"]
    assert network.tensors[network.inputs[0]].zero_point == 3


@pytest.mark.parametrize(("deprecated", "later"), [(True, False), (False, True), (True, True)])
def test_operator_codes_may_be_in_either_field(deprecated: bool, later: bool) -> None:
    made = layers()
    made.writer.deprecated_codes, made.writer.later_codes = deprecated, later
    x = made.conv(made.pad(made.input(6, 6, 3), (1, 1), (1, 0), (0, 0)), 4)
    content = made.content(made.dense(x, 2))
    network = network_from_bytes(content, "m")
    assert [operator.name for operator in network.operators] == ["pad_0", "conv_1", "fc_2"]


def test_arrays_are_read_only() -> None:
    writer, _ = simple()
    operator = network_from_bytes(writer.content(), "m").operators[0]
    assert isinstance(operator, Convolution)
    for array in (operator.weights, operator.bias, operator.weight_scale, operator.rescaler.multiplier):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_the_contract_may_be_a_profile() -> None:
    writer, _ = simple()
    network = network_from_bytes(writer.content(), "m", contract="litert_ref")
    names = [op.rescaler.contract.name for op in network.operators if isinstance(op, Weighted)]
    assert names == ["tflite_double", "float64_half_away"]


@pytest.mark.parametrize(
    ("name", "operators"), [("kws_ref_model", 12), ("pretrainedResnet_quant", 15), ("ad01_int8", 10)]
)
def test_published_models(name: str, operators: int) -> None:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    assert len(load_tflite(path).operators) == operators


def damage_type(writer: ModelWriter, x: int) -> None:
    writer.tensors[x].type_name = "INT32"


def set_scale(value: float) -> Callable[[ModelWriter, int], None]:
    def damage(writer: ModelWriter, x: int) -> None:
        writer.tensors[x].scales = [value]

    return damage


def no_quantization(writer: ModelWriter, x: int) -> None:
    writer.tensors[x].scales = []


def wrong_zero_point(writer: ModelWriter, x: int) -> None:
    writer.tensors[x].zero_points = [300]


def wrong_shape(writer: ModelWriter, x: int) -> None:
    writer.tensors[x].shape = (1, 6, 5, 4)


def huge_shape(writer: ModelWriter, x: int) -> None:
    writer.tensors[x].shape = (1, 2**15, 2**15, 4)


def negative_shape(writer: ModelWriter, x: int) -> None:
    writer.tensors[x].shape = (1, -6, -6, 4)


def another_batch(writer: ModelWriter, x: int) -> None:
    writer.tensors[x].shape = (2, 6, 6, 4)


def weights_of(writer: ModelWriter) -> int:
    return writer.operators[0].inputs[1]


def weight_zero_point(writer: ModelWriter, _x: int) -> None:
    writer.tensors[weights_of(writer)].zero_points = [0, 0, 5, 0]


def weight_axis(writer: ModelWriter, _x: int) -> None:
    writer.tensors[weights_of(writer)].axis = 3


def weight_scales(writer: ModelWriter, _x: int) -> None:
    plan = writer.tensors[weights_of(writer)]
    plan.scales, plan.zero_points = plan.scales[:3], plan.zero_points[:3]


def short_weights(writer: ModelWriter, _x: int) -> None:
    plan = writer.tensors[weights_of(writer)]
    assert plan.data is not None
    plan.data = plan.data[:-1]


def no_weights(writer: ModelWriter, _x: int) -> None:
    writer.tensors[weights_of(writer)].data = None


def no_options(writer: ModelWriter, _x: int) -> None:
    writer.operators[0].options = None


def zero_stride(writer: ModelWriter, _x: int) -> None:
    writer.operators[0].values["StrideH"] = 0


def tanh(writer: ModelWriter, _x: int) -> None:
    writer.operators[0].values["FusedActivationFunction"] = 4


def missing_tensor(writer: ModelWriter, _x: int) -> None:
    writer.operators[1].inputs[0] = 99


def loop(writer: ModelWriter, _x: int) -> None:
    writer.operators.reverse()


def twice(writer: ModelWriter, _x: int) -> None:
    writer.operators.append(writer.operators[0])


def no_output(writer: ModelWriter, _x: int) -> None:
    writer.outputs = []


def unknown_operators(writer: ModelWriter, x: int) -> None:
    for _ in range(2):
        writer.operator("SIN", [x], [x := writer.activation((1, 6, 6, 4), 0.1, 0)])
    writer.operator("COS", [x], [writer.activation((1, 6, 6, 4), 0.1, 0)])
    writer.outputs = list(writer.operators[-1].outputs)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_type, r"tensor 3 't3' is INT32; only full-integer"),
        (set_scale(0.0), r"scale 0\.0 at 0"),
        (set_scale(float("nan")), r"scale nan at 0"),
        (set_scale(float("inf")), r"scale inf at 0"),
        (set_scale(1e-38), r"scale 9\.99\d*e-39 at 0"),
        (set_scale(-0.5), r"scale -0\.5 at 0"),
        (no_quantization, r"no quantization"),
        (wrong_zero_point, r"zero point 300"),
        (wrong_shape, r"CONV_2D makes shape \[6, 6, 4\]; the file says \[6, 5, 4\]"),
        (huge_shape, r"at most \d+ elements"),
        (negative_shape, r"sizes are positive"),
        (another_batch, r"first is the batch, 1"),
        (weight_zero_point, r"zero point 5; it has to be 0"),
        (weight_axis, r"dimension 3; 0 is supported"),
        (weight_scales, r"3 weight scales; 1 or one for each of 4"),
        (short_weights, r"107 bytes, which do not fit its shape"),
        (no_weights, r"not a constant"),
        (no_options, r"has no Conv2DOptions"),
        (zero_stride, r"stride \[0, 1\] is out of range"),
        (tanh, r"fused activation 4 is not supported"),
        (missing_tensor, r"refers to tensor 99; the file has \d+ tensors"),
        (loop, r"before they are made"),
        (twice, r"already has a value"),
        (no_output, r"no outputs"),
        (
            unknown_operators,
            r"2 SIN, 1 COS .*operator 2 SIN, makes tensor 7 't7'.*--cut 3\b.* keeps 1 of 4 .* loses 2 SIN, 1 COS$",
        ),
    ],
)
def test_unusable_models_are_named(damage: Callable[[ModelWriter, int], None], message: str) -> None:
    writer, x = simple()
    assert network_from_bytes(writer.content(), "good.tflite")
    damage(writer, x)
    with pytest.raises(NetworkError, match=message) as caught:
        network_from_bytes(writer.content(), "bad.tflite")
    assert str(caught.value).startswith("bad.tflite: ")
    assert "\n" not in str(caught.value)


def all_squeezed(made: Layers, x: int) -> int:
    """SQUEEZE that names no dimension drops the batch too."""
    small = made.pool("MAX", x, (6, 6), (6, 6))
    out = made.squeeze(made.squeeze(small, 1), 1)
    made.writer.operators.pop()
    made.writer.operators[-1].values, made.writer.operators[-1].outputs = {}, [out]
    return out


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda made, x: made.mean(x, axes=(0, 1)), r"use axes 1 to 3"),
        (lambda made, x: made.transpose(x, 1, 0, 2, 3), r"with the batch first"),
        (lambda made, x: made.concatenate([x, made.input(6, 6, 3)], 3), r"scales, zero points or widths differ"),
        (lambda made, x: made.elementwise("ADD", x, made.input(3)), r"as many dimensions"),
        (lambda made, x: made.squeeze(x, 2), r"drops dimensions \[2\] of \[1, 6, 6, 3\]|cannot become"),
        (lambda made, x: all_squeezed(made, x), r"drops dimensions \[0, 1, 2\]"),
    ],
)
def test_operators_outside_the_supported_forms(build: Callable[[Layers, int], int], message: str) -> None:
    made = layers()
    try:
        content = made.content(build(made, made.input(6, 6, 3)))
    except ValueError as error:
        pytest.fail(f"the test cannot write this model: {error}")
    with pytest.raises(NetworkError, match=message):
        network_from_bytes(content, "m")


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0" * 64, b"\x1c\0\0\0TFL3" + b"\xff" * 100])
def test_other_files_are_no_models(content: bytes) -> None:
    with pytest.raises(NetworkError, match="m: "):
        network_from_bytes(content, "m")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"none\.tflite: cannot read the model"):
        load_tflite(tmp_path / "none.tflite")
    with pytest.raises(NetworkError, match="cannot read the model"):
        load_tflite(tmp_path)


def test_float_models_are_refused() -> None:
    path = MODELS / "pretrainedResnet.tflite"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    with pytest.raises(NetworkError, match="FLOAT32; only full-integer models"):
        load_tflite(path)


def test_overlapping_tables_do_not_multiply_a_small_file() -> None:
    reader = _Reader(bytes(1000))
    large = np.zeros(4000, np.uint8)
    for _ in range(2):
        assert reader.vector(4000, lambda: large, np.uint8).size == 4000
    with pytest.raises(ValueError, match="overlap"):
        reader.vector(4000, lambda: large, np.uint8)


@pytest.mark.parametrize(
    "samples",
    [
        [np.zeros((2, 6, 6, 3), np.uint8)],
        [np.zeros((2, 6, 3, 6), np.int8)],
        [np.zeros((0, 6, 6, 3), np.int8)],
        [],
        [np.zeros((2, 6, 6, 3), np.int8)] * 2,
    ],
)
def test_samples_that_do_not_fit_are_refused(samples: list[np.ndarray]) -> None:
    writer, _ = simple()
    with pytest.raises(NetworkError):
        IntegerExecutor(network_from_bytes(writer.content(), "m")).outputs(*samples)


def test_same_padding_is_split_as_tflite_splits_it() -> None:
    made = layers()
    out = made.conv(made.input(7, 8, 3), 4, kernel=(3, 4), stride=(2, 3), padding=SAME)
    operator = network_from_bytes(made.content(out), "m").operators[0]
    assert isinstance(operator, Convolution)
    assert operator.padding == ((1, 1), (1, 1))


@pytest.mark.parametrize("used", [False, True])
def test_a_softmax_is_dropped_at_the_end_only(used: bool) -> None:
    """Behind a RESHAPE, too; one whose result the network needs is executed."""
    writer, x = simple()
    made = Layers(np.random.default_rng(0), writer)
    logits = made.dense(x, 6)
    soft = made.softmax(logits)
    writer.outputs += [made.reshape(soft, 2, 3), *([made.dense(soft, 3)] if used else [])]
    network = network_from_bytes(writer.content(), "m.tflite")
    kinds = [operator.name.rsplit("_", 1)[0] for operator in network.operators]
    files = [network.tensors[index].file_index for index in network.outputs]
    assert kinds == ["conv", "fc", "fc", *(["softmax", "reshape", "fc"] if used else [])]
    assert files == (writer.outputs if used else [writer.outputs[0], logits])


def test_an_inspection_counts_the_operators_of_the_file() -> None:
    """One that becomes several, and several that become one."""
    parts, blocks = (make(np.random.default_rng(0)) for make in (known_models.parts, known_models.upsampled))
    for content, kinds in ((parts, ("SPLIT", "UNPACK")), (blocks, ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"))):
        counted = {facts.kind: facts for facts in inspect_bytes(content, "m").kinds}
        for kind in kinds:
            assert (counted[kind].count, counted[kind].imported, counted[kind].left_out) == (1, 1, 0)
