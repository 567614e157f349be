"""Networks from .tflite files, PyTorch modules and built-in topologies."""
