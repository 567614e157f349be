"""Quantized .onnx files: every tensor equals ONNX Runtime's, and files that cannot be used get one line."""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import load_network, onnx_from_bytes
from nets.narrow.certificates import certify
from nets.network import (
    Curve,
    PairKind,
    TensorSpec,
    contract_named,
    curve_table,
    pair_table,
    with_multiplier_bits,
)
from nets.oracle import contract_matrix, random_samples, verify_model
from nets.train.twin import RescaleAwareTwin

onnx = pytest.importorskip("onnx", reason="onnx, which reads the files, is not installed")
runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime, the oracle, is not installed")
models = importlib.import_module("onnx_models")

SHAPE = (3, 16, 16)


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Returns the file of a network and a variant, made once."""
    folder = tmp_path_factory.mktemp("onnx")

    def make(name: str, variant: str) -> Path:
        path = folder / f"{name}-{variant}.onnx"
        if not path.exists():
            graph = models.Graph(3, SHAPE)
            content = models.quantized(graph, models.NETWORKS[name](graph), folder, **models.VARIANTS[variant])
            path.write_bytes(content)
        return path

    return make


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        *((name, variant) for name in models.NETWORKS for variant in ("uint8", "int8", "operators")),
        ("residual", "symmetric"),
    ],
)
def test_every_tensor_equals_onnx_runtime(quantized: Callable[[str, str], Path], name: str, variant: str) -> None:
    path = quantized(name, variant)
    network = load_network(path, contract="onnxruntime")
    report = verify_model(path, "onnxruntime", *random_samples(network, 20, 1))
    assert report.exact, [check for check in report.tensors if check.mismatches]
    compared = {check.operator for check in report.tensors}
    hidden = {op.name for op in network.operators if network.tensors[op.output].file_index is None}
    assert compared - {f"{op} (unchanged)" for op in compared} >= {op.name for op in network.operators} - hidden
    assert not any(name.startswith(("conv", "fc", "add", "mul")) for name in hidden)


def test_onnx_runtime_fuses_what_is_compared(quantized: Callable[[str, str], Path], tmp_path: Path) -> None:
    options = runtime.SessionOptions()
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    options.log_severity_level = 4
    path = quantized("residual", "int8")
    runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node]
    assert (kinds.count("QLinearConv"), kinds.count("QLinearAdd")) == (6, 2)
    assert not {"Conv", "Add", "AveragePool"} & set(kinds)


def test_integer_contracts_stay_near_the_runtime(quantized: Callable[[str, str], Path]) -> None:
    for name in models.NETWORKS:
        path = quantized(name, "uint8")
        hardware, floating = (load_network(path, contract=each) for each in ("half_up", "onnxruntime"))
        assert [op.output for op in hardware.operators] == [op.output for op in floating.operators]
        assert all(rescaler.contract.hardware for op in hardware.narrowable_operators() for rescaler in op.rescalers)
        x = random_samples(hardware, 50, 2)
        ours, theirs = (IntegerExecutor(each).outputs(*x)[0].astype(int) for each in (hardware, floating))
        assert np.abs(ours - theirs).max() <= 3
        assert (ours != theirs).mean() < 0.25  # an average of four ends in a tie as often


def test_uint8_is_int8_with_another_zero_point(quantized: Callable[[str, str], Path]) -> None:
    unsigned, signed = (load_network(quantized("residual", variant)) for variant in ("uint8", "int8"))
    assert [(t.scale, t.zero_point) for t in unsigned.tensors] == [(t.scale, t.zero_point) for t in signed.tensors]
    x = random_samples(signed, 10, 3)
    assert (IntegerExecutor(unsigned).outputs(*x)[0] == IntegerExecutor(signed).outputs(*x)[0]).all()


def test_the_contract_matrix_takes_the_runtime_s_profile(quantized: Callable[[str, str], Path]) -> None:
    path = quantized("squeeze_excite", "uint8")
    (x,) = random_samples(load_network(path), 4, 4)
    rows = {row.contract: row for row in contract_matrix(path, x, baseline="onnxruntime").rows}
    assert rows["onnxruntime"].differing == 0
    assert rows["floor"].differing > 0
    assert "litert_ref" not in rows


def test_forms_of_the_runtime_hold_in_every_room(quantized: Callable[[str, str], Path]) -> None:
    for name, variant in (("squeeze_excite", "uint8"), ("branches", "operators")):
        network = load_network(quantized(name, variant), contract="onnxruntime")
        (x,) = random_samples(network, 20, 5)
        tensors, certificate = IntegerExecutor(network).tensors(x), certify(network)
        for operator in network.operators:
            inside = certificate.tensors[operator.output]
            assert (inside.low <= tensors[operator.output]).all()
            assert (tensors[operator.output] <= inside.high).all()
        carriers = RescaleAwareTwin(network, learn_scales=False).integers(torch.from_numpy(x).to(torch.float32))
        logits = carriers[network.outputs[0]]
        assert (logits.detach().numpy() == tensors[network.outputs[0]]).all()
        logits.sum().backward()


# --- single operators, on all of their integers ---


def run_single(kind: str, specs: list[tuple[float, int]], inputs: list[np.ndarray], **attributes: float) -> np.ndarray:
    """Runs one quantized node on uint8 inputs; the last scale and zero point are those of the output."""
    names = "abc"[: len(inputs)]
    constants = []
    for name, (scale, zero) in zip((*names, "y"), specs, strict=True):
        constants += [
            onnx.numpy_helper.from_array(np.float32(scale), f"s{name}"),
            onnx.numpy_helper.from_array(np.uint8(zero + 128), f"z{name}"),
        ]
    make = onnx.helper.make_node
    nodes = [make("DequantizeLinear", [name, f"s{name}", f"z{name}"], [f"r{name}"]) for name in names]
    nodes.append(make(kind, [f"r{name}" for name in names], ["ry"], **attributes))
    nodes.append(make("QuantizeLinear", ["ry", "sy", "zy"], ["y"]))
    value = onnx.helper.make_tensor_value_info
    borders = [value(name, onnx.TensorProto.UINT8, None) for name in (*names, "y")]
    graph = onnx.helper.make_graph(nodes, "g", borders[:-1], borders[-1:], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, inputs, strict=True)))[0].astype(int) - 128


scales = st.floats(2.0**-7, 2.0**-2, width=32)
zeros = st.integers(-128, 127)


@settings(max_examples=12)
@given(st.lists(st.tuples(scales, zeros), min_size=3, max_size=3), st.sampled_from(["Add", "Mul", "Sub"]))
def test_all_pairs_equal_the_runtime(specs: list[tuple[float, int]], kind: str) -> None:
    pair = {"Add": PairKind.FUSED_SUM, "Mul": PairKind.FUSED_PRODUCT, "Sub": PairKind.DIFFERENCE}[kind]
    tensors = tuple(TensorSpec("t", (256,), scale, zero) for scale, zero in specs)
    every = np.arange(256, dtype=np.uint8)
    left, right = np.meshgrid(every, every, indexing="ij")
    for swapped, first, second in ((False, left, right), (True, every[7:8], every)):
        table = pair_table(pair, (128, 128, 128), tensors, swapped=swapped)
        theirs = run_single(kind, specs, [first.copy(), second.copy()])
        assert ((table[7] if swapped else table) == theirs).all()


@settings(max_examples=40)
@given(
    st.tuples(scales, zeros),
    st.tuples(st.sampled_from([1 / 255, 1 / 256, 2 / 255, 0.05]), zeros),
    st.sampled_from(
        [
            ("Sigmoid", Curve.SIGMOID, {}),
            ("Tanh", Curve.TANH, {}),
            ("HardSigmoid", Curve.HARD_SIGMOID, {"alpha": float(np.float32(1 / 6)), "beta": 0.5}),
            ("HardSwish", Curve.HARD_SWISH, {}),
            ("LeakyRelu", Curve.LEAKY_RELU, {"alpha": float(np.float32(0.1))}),
            ("Elu", Curve.ELU, {"alpha": 1.0}),
            ("Relu", Curve.CLIP, {}),
        ]
    ),
)
def test_tables_equal_the_runtime(
    source: tuple[float, int], target: tuple[float, int], function: tuple[str, Curve, dict[str, float]]
) -> None:
    kind, curve, attributes = function
    specs = [TensorSpec("t", (256,), *each) for each in (source, (float(np.float32(target[0])), target[1]))]
    parameters = (0.0, float("inf")) if kind == "Relu" else tuple(attributes.values())
    theirs = run_single(kind, [source, target], [np.arange(256, dtype=np.uint8)], **attributes)
    assert (curve_table(curve, parameters, specs[0], specs[1]) == theirs).all()


# --- what is refused ---


def changed(path: Path, change: Callable[[object], None]) -> bytes:
    model = onnx.load(path)
    change(model)
    return bytes(model.SerializeToString())


def node_of(model: object, kind: str) -> object:
    return next(node for node in model.graph.node if node.op_type == kind)


def constant_of(model: object, name: str) -> object:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def _external(model: object) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def _cycle(model: object) -> None:
    last = [node for node in model.graph.node if node.op_type == "QuantizeLinear"][-1]
    node_of(model, "Conv").input[0] = last.output[0]


def _shift_weights(model: object) -> None:
    conv = node_of(model, "Conv")
    weights = next(node for node in model.graph.node if conv.input[1] in node.output)
    zero = constant_of(model, weights.input[2])
    zero.CopyFrom(onnx.numpy_helper.from_array(np.full(list(zero.dims), 3, np.int8), zero.name))


def _scale_bias(model: object) -> None:
    conv = node_of(model, "Conv")
    scale = constant_of(model, next(node for node in model.graph.node if conv.input[2] in node.output).input[1])
    values = onnx.numpy_helper.to_array(scale)
    scale.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(1.01), scale.name))


def _scale_of_input(value: float) -> Callable[[object], None]:
    def change(model: object) -> None:
        scale = constant_of(model, node_of(model, "QuantizeLinear").input[1])
        scale.CopyFrom(onnx.numpy_helper.from_array(np.float32(value), scale.name))

    return change


def _unquantized(model: object) -> None:
    conv = [node for node in model.graph.node if node.op_type == "Conv"][1]  # followed by another convolution
    readers = [node for node in model.graph.node if conv.output[0] in node.input]
    model.graph.node.remove(readers[0])
    behind = next(node for node in model.graph.node if readers[0].output[0] in node.input)
    model.graph.node.remove(behind)
    for node in model.graph.node:
        node.input[:] = [conv.output[0] if name == behind.output[0] else name for name in node.input]


def _huge(model: object) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 2**40


def _open_size(model: object) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


def _twice(model: object) -> None:
    model.graph.node.append(node_of(model, "Conv"))


def _short_data(model: object) -> None:
    tensor = model.graph.initializer[0]
    tensor.raw_data = tensor.raw_data[:-1]


def _unknown(model: object) -> None:
    node_of(model, "MaxPool").op_type = "LSTM"


REFUSED = {
    _external: "is kept in another file",
    _cycle: "before it is made: the graph has a cycle",
    _shift_weights: "weights have zero point 3",
    _scale_bias: "the scale of its bias is not that of input times weights",
    _scale_of_input(float("nan")): "has scale nan",
    _scale_of_input(0.0): "has scale 0.0",
    _unquantized: "is real numbers without a QuantizeLinear",
    _huge: "elements at most",
    _open_size: "may be open",
    _twice: "already has a value",
    _short_data: "do not fit its shape",
    _unknown: "unsupported operators: 1 LSTM",
}


@pytest.mark.parametrize("change", REFUSED)
def test_unusable_files_get_one_line(quantized: Callable[[str, str], Path], change: Callable[[object], None]) -> None:
    content = changed(quantized("residual", "uint8"), change)
    with pytest.raises(NetworkError, match=f"^m.onnx: [^\n]*{REFUSED[change]}[^\n]*$"):
        onnx_from_bytes(content, "m.onnx")


def test_profiles_of_other_runtimes_are_refused(quantized: Callable[[str, str], Path]) -> None:
    with pytest.raises(NetworkError, match="onnxruntime"):
        load_network(quantized("residual", "uint8"), contract="litert_ref")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, quantized: Callable[[str, str], Path]) -> None:
    path = quantized("residual", "uint8")
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(NetworkError, match=r"^residual-uint8.onnx: .*pip install onnx$"):
        load_network(path)


def test_damaged_files_are_refused_or_run(quantized: Callable[[str, str], Path]) -> None:
    content, rng = quantized("branches", "uint8").read_bytes(), np.random.default_rng(6)
    imported, lines = 0, list[str]()
    for _ in range(100):
        mutant = bytearray(content[: rng.integers(1, len(content) + 1)] if rng.random() < 0.2 else content)
        for at in rng.integers(0, len(mutant), rng.integers(1, 4)):
            mutant[at] = rng.integers(0, 256)
        try:
            network = onnx_from_bytes(bytes(mutant), "m.onnx").network
        except NetworkError as error:
            lines.append(str(error))
            continue
        imported += 1
        IntegerExecutor(network).outputs(*random_samples(network, 1, 0))
    assert imported
    assert lines
    assert all(line.startswith("m.onnx: ") and "\n" not in line for line in lines)


def test_rescalers_follow_the_scales(quantized: Callable[[str, str], Path]) -> None:
    network = load_network(quantized("residual", "uint8"))
    for operator in network.narrowable_operators():
        again = with_multiplier_bits(operator, network.tensors, 31)
        for ours, theirs in zip(operator.rescalers, again.rescalers, strict=True):
            assert ours.contract is contract_named("half_up")
            assert (ours.multiplier == theirs.multiplier).all()
            assert (ours.right_shift == theirs.right_shift).all()
