"""Quantization of float PyTorch networks to full-int8 networks."""

from nets.importers.pytorch.builder import affine_spec
from nets.importers.pytorch.quantizer import QuantizedModule, quantize_input, quantize_module

__all__ = ["QuantizedModule", "affine_spec", "quantize_input", "quantize_module"]
