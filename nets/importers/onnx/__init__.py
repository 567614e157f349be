"""Quantized networks from .onnx files."""

from nets.importers.onnx.graph import read_model
from nets.importers.onnx.importer import ImportedOnnx, load_onnx, onnx_from_bytes

__all__ = ["ImportedOnnx", "load_onnx", "onnx_from_bytes", "read_model"]
