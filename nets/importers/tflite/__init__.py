"""Import of full-int8 .tflite models."""

from nets.importers.tflite.importer import end_of_tflite, load_tflite, network_from_bytes
from nets.importers.tflite.inspection import inspect_tflite
from nets.importers.tflite.reductions import mean_rescaler

__all__ = ["end_of_tflite", "inspect_tflite", "load_tflite", "mean_rescaler", "network_from_bytes"]
