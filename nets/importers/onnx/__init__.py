"""Quantized networks from .onnx files."""

from nets.importers.onnx.graph import RawGraph, RawNode, read_graph, read_model
from nets.importers.onnx.importer import ImportedOnnx, end_of_onnx, load_onnx, onnx_from_bytes, operator_node
from nets.importers.onnx.inspection import inspect_onnx

__all__ = [
    "ImportedOnnx",
    "RawGraph",
    "RawNode",
    "end_of_onnx",
    "inspect_onnx",
    "load_onnx",
    "onnx_from_bytes",
    "operator_node",
    "read_graph",
    "read_model",
]
