"""Independent checks against LiteRT, and model files that carry a narrowed design."""

from nets.oracle.export import ExportReport, export_tflite, is_patched
from nets.oracle.litert import RefusedModelError
from nets.oracle.matrix import ContractMatrix, contract_matrix
from nets.oracle.verify import VerifyReport, random_samples, verify_model

__all__ = [
    "ContractMatrix",
    "ExportReport",
    "RefusedModelError",
    "VerifyReport",
    "contract_matrix",
    "export_tflite",
    "is_patched",
    "random_samples",
    "verify_model",
]
