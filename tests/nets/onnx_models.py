"""Small ONNX networks, quantized by ONNX Runtime's own quantizer."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

FloatArray = npt.NDArray[np.float32]


class Graph:
    """Collects nodes and constants; a node's method returns the name of its output."""

    def __init__(self, seed: int, shape: tuple[int, ...]) -> None:
        self.rng = np.random.default_rng(seed)
        self.shape = shape
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def const(self, values: npt.ArrayLike) -> str:
        name = f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weights(self, *shape: int) -> str:
        spread = 1 / np.sqrt(max(np.prod(shape[1:]), 1))
        return self.const(self.rng.normal(0, spread, shape).astype(np.float32))

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:  # noqa: ANN401 -- as onnx takes and one or several names
        names = [f"t{len(self.nodes)}_{at}" for at in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x: str, channels: int, out: int, size: int = 3, *, groups: int = 1, stride: int = 1) -> str:
        w, b = self.weights(out, channels // groups, size, size), self.weights(out)
        pads = [size // 2] * 4
        return self.node("Conv", x, w, b, kernel_shape=[size, size], pads=pads, group=groups, strides=[stride] * 2)

    def gemm(self, x: str, features: int, out: int) -> str:
        return self.node("Gemm", x, self.weights(out, features), self.weights(out), transB=1)

    def model(self, output: str) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *self.shape])]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, "g", inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        return onnx.shape_inference.infer_shapes(model)


class _Batches(CalibrationDataReader):
    def __init__(self, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(0)
        self._batches: Iterator[FloatArray] = iter(rng.normal(0, 1, (3, 8, *shape)).astype(np.float32))

    def get_next(self) -> dict[str, FloatArray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"x": batch}


def quantized(graph: Graph, output: str, folder: Path, **options: bool) -> bytes:
    """Returns the quantized model's bytes; the options are those of :func:`quantized_file`."""
    onnx.save(graph.model(output), folder / "real.onnx")
    return quantized_file(folder / "real.onnx", graph.shape, **options)


def quantized_file(
    real: Path,
    shape: tuple[int, ...],
    *,
    unsigned: bool = True,
    symmetric: bool = False,
    per_channel: bool = True,
    operators: bool = False,
) -> bytes:
    """Returns a model's bytes, quantized; activations are uint8 or int8, weights int8."""
    out = real.with_name("quantized.onnx")
    quantize_static(
        real,
        out,
        _Batches(shape),
        quant_format=QuantFormat.QOperator if operators else QuantFormat.QDQ,
        activation_type=QuantType.QUInt8 if unsigned else QuantType.QInt8,
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
        extra_options={"ActivationSymmetric": symmetric},
    )
    return out.read_bytes()


def depthwise_separable(graph: Graph) -> str:
    """Keyword spotting's structure: depthwise and pointwise, ReLU and ReLU6, an average over the image."""
    x = graph.node("Relu", graph.conv("x", 3, 8, stride=2))
    x = graph.node("Clip", graph.conv(x, 8, 8, groups=8), graph.const(np.float32(0)), graph.const(np.float32(6)))
    x = graph.node("Relu", graph.conv(x, 8, 12, 1))
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    return graph.node("Softmax", graph.gemm(x, 12, 5))


def residual(graph: Graph) -> str:
    """ResNet's structure: sums behind two convolutions and behind a projection, a maximum pool."""
    x = graph.node("Relu", graph.conv("x", 3, 8))
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    y = graph.conv(graph.node("Relu", graph.conv(x, 8, 8)), 8, 8)
    x = graph.node("Relu", graph.node("Add", y, x))
    y = graph.conv(graph.node("Relu", graph.conv(x, 8, 16, stride=2)), 16, 16)
    x = graph.node("Relu", graph.node("Add", y, graph.conv(x, 8, 16, 1, stride=2)))
    x = graph.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    return graph.gemm(graph.node("Reshape", x, graph.const(np.array([0, -1], np.int64))), 64, 10)


def squeeze_excite(graph: Graph) -> str:
    """MobileNetV3's structure: a gate for each channel by HardSigmoid, swish as a product."""
    x = graph.conv("x", 3, 8, stride=2)
    x = graph.node("Mul", x, graph.node("Sigmoid", x))
    gate = graph.node("Relu", graph.conv(graph.node("GlobalAveragePool", x), 8, 4, 1))
    gate = graph.node("HardSigmoid", graph.conv(gate, 4, 8, 1), alpha=1 / 6, beta=0.5)
    x = graph.conv(graph.node("Mul", x, gate), 8, 8, 1)
    x = graph.conv(graph.node("HardSwish", x), 8, 6, 1)
    return graph.gemm(graph.node("Flatten", x), 6 * 64, 4)


def branches(graph: Graph) -> str:
    """Inception's and ShuffleNet's structure: parts of the channels, joined again, with padding and averages."""
    x = graph.node("LeakyRelu", graph.conv("x", 3, 8), alpha=0.1)
    left, right = graph.node("Split", x, outputs=2, axis=1, num_outputs=2)
    left = graph.node("Relu", graph.conv(left, 4, 6))
    right = graph.node("AveragePool", right, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
    x = shuffled(graph, graph.node("Concat", left, right, axis=1))
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = graph.node("Pad", x, graph.const(np.array([0, 0, 0, 1, 0, 0, 2, 1], np.int64)))
    x = graph.node("Relu", graph.conv(x, 10, 8, stride=2))
    x = graph.node("Resize", x, "", graph.const(np.array([1, 1, 2, 2], np.float32)), mode="nearest")
    x = graph.node("Transpose", graph.node("GlobalAveragePool", graph.conv(x, 8, 8)), perm=[0, 2, 3, 1])
    return graph.gemm(graph.node("Flatten", x), 8, 4)


def shuffled(graph: Graph, x: str) -> str:
    """Exchanges two groups of channels, by sizes that the graph computes from the shape of its tensor."""

    def numbers(*values: int) -> str:
        return graph.const(np.array(values, np.int64))

    channels = graph.node("Gather", graph.node("Shape", x), graph.const(np.int64(1)))
    half = graph.node("Unsqueeze", graph.node("Div", channels, graph.const(np.int64(2))), numbers(0))
    split = graph.node("Concat", numbers(0, 2), half, numbers(*graph.shape[1:]), axis=0)
    whole = graph.node("Concat", numbers(0), graph.node("Mul", half, numbers(2)), numbers(*graph.shape[1:]), axis=0)
    return graph.node("Reshape", graph.node("Transpose", graph.node("Reshape", x, split), perm=[0, 2, 1, 3, 4]), whole)


def dense(graph: Graph) -> str:
    """A mixer's structure: products with matrices along the last axis, constants added, Tanh."""
    x = graph.node("Reshape", "x", graph.const(np.array([0, 12, 64], np.int64)))
    x = graph.node("Add", graph.node("MatMul", x, graph.weights(64, 16)), graph.weights(16))
    x = graph.node("Transpose", graph.node("Tanh", x), perm=[0, 2, 1])
    y = graph.node("Add", graph.node("MatMul", x, graph.weights(12, 12)), graph.weights(12))
    x = graph.node("ReduceMean", graph.node("Add", x, y), graph.const(np.array([1], np.int64)), keepdims=0)
    return graph.gemm(x, 12, 4)


NETWORKS = {each.__name__: each for each in (depthwise_separable, residual, squeeze_excite, branches, dense)}
VARIANTS: dict[str, dict[str, bool]] = {
    "uint8": {},
    "int8": {"unsigned": False},
    "symmetric": {"unsigned": False, "symmetric": True, "per_channel": False},
    "operators": {"operators": True},
}


def every_network() -> list[bytes]:
    """Returns each network in each variant."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for make, variant in itertools.product(NETWORKS.values(), VARIANTS.values()):
            graph = Graph(1, (3, 16, 16))
            made.append(quantized(graph, make(graph), Path(folder), **variant))
    return made
