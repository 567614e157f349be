"""Any network as a .tflite file."""

from nets.writers.tflite.deployment import deployable
from nets.writers.tflite.weighted import runtime_weight_scale
from nets.writers.tflite.writer import save_tflite, tflite_bytes

__all__ = ["deployable", "runtime_weight_scale", "save_tflite", "tflite_bytes"]
