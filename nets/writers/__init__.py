"""Networks as files that runtimes and other tools read."""

from nets.writers.tflite import deployable, runtime_weight_scale, save_tflite, tflite_bytes

__all__ = ["deployable", "runtime_weight_scale", "save_tflite", "tflite_bytes"]
