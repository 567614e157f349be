"""Exports one design as files: Verilog with parameter memories, test bench, C header, JSON, .tflite."""

from dse.export.bundle import export_design
from dse.export.document import DesignDocument

__all__ = [
    "DesignDocument",
    "export_design",
]
