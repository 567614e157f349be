"""Patching of a network's integers and scales into the .onnx file that it was imported from; the structure stays."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nets.errors import NetworkError
from nets.importers import (
    Cut,
    ImportedOnnx,
    OnnxGraph,
    OnnxNode,
    onnx_from_bytes,
    operator_node,
    read_model,
    read_onnx_graph,
)
from nets.network import Convolution, FloatArray, IntArray, QuantizedNetwork, Weighted
from nets.oracle.onnxruntime import AnyArray
from nets.writers import runtime_weight_scale

_UNSIGNED_OFFSET = 128


@dataclass(slots=True)
class _Patcher:
    """Replaces constants of a model; one is replaced once, or twice by the same values."""

    constants: dict[str, Any]
    producers: dict[str, OnnxNode]
    arrays: dict[str, AnyArray]
    written: dict[str, bytes] = field(default_factory=dict)

    def write(self, name: str, values: AnyArray, what: str) -> None:
        """Replaces the values of a constant, which keeps its type and shape."""
        if name not in self.constants:
            raise NetworkError(f"{what}: the file does not hold it as a constant of the graph")
        old = self.arrays[name]
        if values.size != old.size:
            raise NetworkError(f"{what}: {values.size} values do not fit the {old.size} of the file")
        new = np.ascontiguousarray(values.reshape(old.shape), old.dtype.newbyteorder("<")).tobytes()
        if self.written.get(name, new) != new:
            raise NetworkError(f"{what} is shared with another tensor of the file, which needs other values")
        self.written[name] = new
        tensor = self.constants[name]
        for each in ("float_data", "int32_data", "int64_data"):
            tensor.ClearField(each)
        tensor.raw_data = new

    def integers(self, name: str, values: IntArray, what: str) -> None:
        """Replaces 8-bit integers, or int32, given as those of int8 or int32."""
        unsigned = name in self.arrays and self.arrays[name].dtype == np.uint8
        self.write(name, values + _UNSIGNED_OFFSET if unsigned else values, what)

    def quantization(self, node: OnnxNode, scales: FloatArray, zero_point: int, what: str) -> None:
        """Replaces the scales and the zero point that a QuantizeLinear or DequantizeLinear states."""
        self.write(node.inputs[1], scales.astype(np.float32), f"the scale of {what}")
        if node.has(2):
            size = self.arrays[node.inputs[2]].size if node.inputs[2] in self.arrays else 1
            self.integers(node.inputs[2], np.full(size, zero_point, np.int64), f"the zero point of {what}")

    def dequantizer(self, node: OnnxNode, position: int) -> OnnxNode:
        """Returns the DequantizeLinear that makes a constant input of a node."""
        return self.producers[node.inputs[position]]


def ends_in(network: QuantizedNetwork, original: bytes, name: str) -> Cut:
    """Returns the values of the file at which a network ends that was cut there; none if it ends at the logits."""
    try:  # what is behind a cut may be of any kind
        whole = [operator.name for operator in onnx_from_bytes(original, name).network.operators]
    except NetworkError:
        whole = []
    if whole == [operator.name for operator in network.operators]:
        return ()
    ends = tuple(network.tensors[index].name for index in network.outputs)
    made = {value for node in read_onnx_graph(original, name).nodes for value in node.outputs}
    return ends if made.issuperset(ends) else ()


def patched_onnx(network: QuantizedNetwork, original: bytes, name: str, ends: Cut = ()) -> bytes:
    """Returns the original file with the network's weights, biases, constants and scales.

    Weight scales are chosen so that ``s_x * s_w / s_y`` is what the network's multipliers and shifts represent, to the
    nearest float32.

    Raises:
        NetworkError: the network does not belong to this file, or the file has QLinear operators.
    """
    imported, graph, model = (
        onnx_from_bytes(original, name, cut=ends),
        read_onnx_graph(original, name),
        read_model(original, name),
    )
    if kinds := ", ".join(sorted({node.kind for node in graph.nodes if node.kind.startswith(("QLinear", "QGemm"))})):
        raise NetworkError(
            f"{name}: designs are not written into files with {kinds}; write a .tflite file, or quantize with QDQ"
        )
    if [op.name for op in imported.network.operators] != [op.name for op in network.operators]:
        raise NetworkError(f"{name}: network {network.name!r} was not imported from this file")
    patcher = _Patcher(
        constants={tensor.name: tensor for tensor in model.graph.initializer},
        producers={output: node for node in graph.nodes for output in node.outputs},
        arrays=graph.constants,
    )
    _patch_activations(patcher, network, imported, graph)
    for operator in network.operators:
        if isinstance(operator, Weighted):
            _patch_weighted(patcher, network, operator, graph.nodes[operator_node(operator)])
        for position, index in enumerate(operator.inputs):
            if index in network.constants:
                node = patcher.dequantizer(graph.nodes[operator_node(operator)], position)
                _patch_constant(patcher, network, index, node)
    return bytes(model.SerializeToString())


def _patch_activations(patcher: _Patcher, network: QuantizedNetwork, imported: ImportedOnnx, graph: OnnxGraph) -> None:
    """Replaces what the QuantizeLinear and DequantizeLinear of every activation state."""
    specs = {imported.names[spec.file_index]: spec for spec in network.tensors if spec.file_index is not None}
    for node in graph.nodes:
        name = {"QuantizeLinear": node.outputs[:1], "DequantizeLinear": node.inputs[:1]}.get(node.kind, ())
        if name and (spec := specs.get(name[0])) is not None:
            patcher.quantization(node, np.array([spec.scale]), spec.zero_point, f"{spec.name!r}")


def _patch_weighted(patcher: _Patcher, network: QuantizedNetwork, operator: Weighted, node: OnnxNode) -> None:
    values: AnyArray = operator.weights.astype(np.int64)
    if isinstance(operator, Convolution):
        values = values.transpose(0, 3, 1, 2)
    elif node.kind == "MatMul" or not node.integer("transB", 0):
        values = values.transpose(1, 0)
    scale = runtime_weight_scale(network, operator)
    weights = patcher.dequantizer(node, 1)
    patcher.integers(weights.inputs[0], values, f"{node}: weights")
    patcher.write(weights.inputs[1], scale.astype(np.float32), f"{node}: weight scales")
    if not node.has(2):
        if operator.bias.any():
            raise NetworkError(
                f"{node} has no bias in the file, and the network's is not 0; write a .tflite or .tosa file, or do "
                "without calibration"
            )
        return
    bias = patcher.dequantizer(node, 2)
    unit = scale * network.tensors[operator.inputs[0]].scale
    units = patcher.arrays[bias.inputs[1]].size if bias.inputs[1] in patcher.arrays else 1
    patcher.write(bias.inputs[0], operator.bias, f"{node}: bias")
    patcher.write(bias.inputs[1], np.broadcast_to(unit, units) if unit.size == 1 else unit, f"{node}: bias scales")


def _patch_constant(patcher: _Patcher, network: QuantizedNetwork, index: int, node: OnnxNode) -> None:
    values, spec = network.constants[index].astype(np.int64), network.tensors[index]
    in_file: AnyArray = values.transpose(2, 0, 1) if values.ndim == 3 else values
    patcher.integers(node.inputs[0], in_file, f"the values of {spec.name!r}")
    patcher.quantization(node, np.array([spec.scale]), spec.zero_point, f"{spec.name!r}")
