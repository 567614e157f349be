"""Import of TOSA 1.0 flatbuffers (.tosa)."""

from nets.importers.tosa.exposing import with_outputs
from nets.importers.tosa.importer import AS_STATED, load_tosa, tosa_network
from nets.importers.tosa.inspection import inspect_tosa

__all__ = ["AS_STATED", "inspect_tosa", "load_tosa", "tosa_network", "with_outputs"]
