"""Networks as files that runtimes and other tools read."""

from nets.writers.tflite import deployable, runtime_weight_scale, save_tflite, tflite_bytes
from nets.writers.tosa import save_tosa, tosa_bytes

__all__ = ["deployable", "runtime_weight_scale", "save_tflite", "save_tosa", "tflite_bytes", "tosa_bytes"]
