"""Import of full-int8 .tflite models."""

from nets.importers.tflite.importer import load_tflite, network_from_bytes

__all__ = ["load_tflite", "network_from_bytes"]
