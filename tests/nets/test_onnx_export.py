"""Designs written into .onnx files: ONNX Runtime does what is predicted, and every difference is explained."""

import importlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dse.export.tflite import write_models
from dse.narrowing import FileDocument, NarrowRequest, narrow_model
from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import inspect_model, load_network
from nets.narrow import Calibration, RescalerChoice, narrow
from nets.network import ElementwiseSum, FullyConnected, Method, QuantizedNetwork, Weighted
from nets.oracle import export_onnx, random_samples, verify_model

pytest.importorskip("onnx", reason="onnx, which reads the files, is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime, the oracle, is not installed")
models = importlib.import_module("onnx_models")


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    folder = tmp_path_factory.mktemp("onnx")

    def make(name: str, variant: str) -> Path:
        path = folder / f"{name}-{variant}.onnx"
        if not path.exists():
            graph = models.Graph(5, (3, 16, 16))
            path.write_bytes(models.quantized(graph, models.NETWORKS[name](graph), folder, **models.VARIANTS[variant]))
        return path

    return make


def narrowed(network: QuantizedNetwork, method: Method, bits: int, *, calibrated: bool) -> QuantizedNetwork:
    choices = {op.name: RescalerChoice(bits, method) for op in network.narrowable_operators()}
    if not calibrated:
        return narrow(network, choices)
    return Calibration(network, *random_samples(network, 16, 1)).narrow(network, choices)


@pytest.mark.parametrize(
    ("name", "variant", "method", "bits", "calibrated"),
    [
        ("residual", "uint8", Method.ABSORB, 1, True),
        ("residual", "int8", Method.ROUND, 4, False),
        ("squeeze_excite", "symmetric", Method.ABSORB, 2, True),
        ("branches", "uint8", Method.ABSORB, 8, True),
        ("dense", "uint8", Method.ABSORB, 3, False),
    ],
)
def test_onnx_runtime_does_what_is_predicted(
    quantized: Callable[[str, str], Path],
    tmp_path: Path,
    name: str,
    variant: str,
    method: Method,
    bits: int,
    calibrated: bool,
) -> None:
    path, out = quantized(name, variant), tmp_path / "out.onnx"
    design = narrowed(load_network(path), method, bits, calibrated=calibrated)
    report = export_onnx(design, path, out)
    assert report.litert, report.litert_refused
    assert report.explained, report.operators
    again = load_network(out)
    for ours, theirs in zip(design.operators, again.operators, strict=True):
        if isinstance(ours, Weighted) and isinstance(theirs, Weighted):
            assert (ours.weights == theirs.weights).all()
            assert (ours.bias == theirs.bias).all()
            assert np.abs(theirs.rescaler.scale / ours.rescaler.scale - 1).max() < 2.0**-22
    for ours, theirs in zip(design.tensors, again.tensors, strict=True):
        assert (np.float32(ours.scale), ours.zero_point) == (np.float32(theirs.scale), theirs.zero_point)
    assert {i: v.tolist() for i, v in design.constants.items()} == {i: v.tolist() for i, v in again.constants.items()}


def test_what_a_file_cannot_hold_is_refused(quantized: Callable[[str, str], Path], tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    operators = quantized("residual", "operators")
    with pytest.raises(NetworkError, match=r"not written into files with QGemm, QLinearAdd, .*write a .tflite file"):
        export_onnx(load_network(operators), operators, out)
    dense = quantized("dense", "uint8")
    network = load_network(dense)
    assert sum(isinstance(op, FullyConnected) for op in network.operators) == 3
    with pytest.raises(NetworkError, match=r"MatMul has no bias in the file, .* or do without calibration"):
        export_onnx(narrowed(network, Method.ABSORB, 1, calibrated=True), dense, out)
    with pytest.raises(NetworkError, match="was not imported from this file"):
        export_onnx(network, quantized("residual", "uint8"), out)
    assert not out.exists()


def test_a_cut_network_is_compared_and_written(quantized: Callable[[str, str], Path], tmp_path: Path) -> None:
    path, out = quantized("residual", "uint8"), tmp_path / "out.onnx"
    whole = load_network(path)
    middle = next(whole.tensors[op.output] for op in whole.operators if isinstance(op, ElementwiseSum))
    network = load_network(path, cut=[middle.name])
    assert network.tensors[network.outputs[0]] == middle
    assert 0 < len(network.operators) < len(whole.operators)
    samples = random_samples(network, 5, 0)
    wanted = IntegerExecutor(whole).tensors(*samples)[[each.name for each in whole.tensors].index(middle.name)]
    assert np.array_equal(IntegerExecutor(network).outputs(*samples)[0], wanted)
    report = verify_model(path, "onnxruntime", *samples, cut=[middle.name])
    assert report.exact
    assert len(report.tensors) < len(verify_model(path, "onnxruntime", *samples).tensors)
    document = narrow_model(NarrowRequest(model=path, out=out, calibrate=8, cut=(middle.name,)))
    assert isinstance(document.file, FileDocument)
    assert document.file.sound
    assert document.file.litert_as_predicted
    assert document.file.agreement is None  # it has positions
    facts = inspect_model(path, cut=[middle.name])
    assert facts.importable
    assert facts.rescalers == len(list(network.narrowable_operators())) < inspect_model(path).rescalers
    assert facts.macs == sum(
        op.weights.size * math.prod(network.tensors[op.output].shape[:-1])
        for op in network.operators
        if isinstance(op, Weighted)
    )
    for name, said in (("no such", "is no tensor; give the name"), (whole.tensors[0].name[:5], "is no tensor")):
        with pytest.raises(NetworkError, match=f"cut: '{name}' {said}"):
            load_network(path, cut=[name])
    with pytest.raises(NetworkError, match="is an input or a constant"):
        load_network(path, cut=["x"])


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_one_model_is_narrowed(quantized: Callable[[str, str], Path], tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    document = narrow_model(NarrowRequest(model=quantized("residual", "uint8"), out=out, calibrate=8))
    assert document.file.resolver == ("onnxruntime" if suffix == ".onnx" else "litert_xnnpack")
    assert document.file.sound
    assert document.file.unexplained == 0
    shipped = [op.bias for op in load_network(out).operators if isinstance(op, Weighted)]
    assert len(shipped) == sum(isinstance(op, Weighted) for op in load_network(document.model).operators)


def test_exports_of_studies_have_the_model_of_their_own_runtime(
    quantized: Callable[[str, str], Path], tmp_path: Path
) -> None:
    path = quantized("squeeze_excite", "uint8")
    design = narrowed(load_network(path), Method.ABSORB, 1, calibrated=False)
    (x,) = random_samples(design, 6, 2)
    written = {each.resolver: each for each in write_models(design, path, x, tmp_path)}
    assert written["onnxruntime"].file == "model.onnxruntime.onnx"
    assert written["onnxruntime"].explained
    assert written["onnxruntime"].litert_equals_prediction
    assert "FloatLookup" in str(written["litert_xnnpack"].refused)
