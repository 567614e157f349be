"""Networks as TOSA 1.0 flatbuffers, the files that state their integers exactly."""

from nets.writers.tosa.writer import save_tosa, tosa_bytes

__all__ = ["save_tosa", "tosa_bytes"]
