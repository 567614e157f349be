"""Checks against LiteRT, ONNX Runtime and the TOSA reference model, and model files that carry a narrowed design."""

from nets.oracle.export import ExportReport, export_tflite, is_patched
from nets.oracle.litert import LiteRtRunner, RefusedModelError, exposed_model
from nets.oracle.matrix import ContractMatrix, contract_matrix
from nets.oracle.onnx_export import export_onnx
from nets.oracle.runtimes import verify_model
from nets.oracle.tosa_export import LostIntegersError, TosaReport, export_tosa
from nets.oracle.verify import VerifyReport, random_samples

__all__ = [
    "ContractMatrix",
    "ExportReport",
    "LiteRtRunner",
    "LostIntegersError",
    "RefusedModelError",
    "TosaReport",
    "VerifyReport",
    "contract_matrix",
    "export_onnx",
    "export_tflite",
    "export_tosa",
    "exposed_model",
    "is_patched",
    "random_samples",
    "verify_model",
]
