"""Networks from model files, PyTorch modules and built-in topologies."""

from typing import TYPE_CHECKING

from nets.importers.ends import Cut
from nets.importers.formats import MODEL_FORMATS, ModelFormat, inspect_model, load_network, model_format
from nets.importers.inspection import Inspection
from nets.importers.onnx import ImportedOnnx, load_onnx, onnx_from_bytes, operator_node, read_model
from nets.importers.onnx import RawGraph as OnnxGraph
from nets.importers.onnx import RawNode as OnnxNode
from nets.importers.onnx import read_graph as read_onnx_graph
from nets.importers.tflite import load_tflite
from nets.importers.tflite.activation import CLAMPS, activation_range, clamp_range
from nets.importers.tflite.blocks import FROM_BATCH, TO_BATCH
from nets.importers.tflite.builder import kind_name
from nets.importers.tflite.coverage import COVERAGE, Coverage
from nets.importers.tflite.graph import DECODING_ERRORS, IDENTIFIER, RawGraph, RawOperator, read_file, read_graph
from nets.importers.tflite.importer import network_from_bytes, operator_index
from nets.importers.tflite.interpolation import neighbours
from nets.importers.tflite.recurrent import OUTPUT_STATE, weighted_inputs
from nets.importers.tflite.windows import window
from nets.importers.tosa import AS_STATED, load_tosa, tosa_network
from nets.importers.tosa import schema as tosa_schema
from nets.importers.tosa import with_outputs as tosa_with_outputs
from nets.lazy import names_on_demand

if TYPE_CHECKING:
    from nets.importers.pytorch import quantize_input, quantize_module
    from nets.importers.topologies import TOPOLOGIES, train_float
else:
    __getattr__ = names_on_demand(__name__, "topologies", "pytorch")  # torch

__all__ = [
    "AS_STATED",
    "CLAMPS",
    "COVERAGE",
    "DECODING_ERRORS",
    "FROM_BATCH",
    "IDENTIFIER",
    "MODEL_FORMATS",
    "OUTPUT_STATE",
    "TOPOLOGIES",
    "TO_BATCH",
    "Coverage",
    "Cut",
    "ImportedOnnx",
    "Inspection",
    "ModelFormat",
    "OnnxGraph",
    "OnnxNode",
    "RawGraph",
    "RawOperator",
    "activation_range",
    "clamp_range",
    "inspect_model",
    "kind_name",
    "load_network",
    "load_onnx",
    "load_tflite",
    "load_tosa",
    "model_format",
    "neighbours",
    "network_from_bytes",
    "onnx_from_bytes",
    "operator_index",
    "operator_node",
    "quantize_input",
    "quantize_module",
    "read_file",
    "read_graph",
    "read_model",
    "read_onnx_graph",
    "tosa_network",
    "tosa_schema",
    "tosa_with_outputs",
    "train_float",
    "weighted_inputs",
    "window",
]
