"""Static memories: tables of a macro's area, access energies and leakage, scaled to a size and a process."""

from hwmodels.memories.memory import Macro, MemoryTable, Scaled, load_memory, memory_names
from hwmodels.memories.scaling import area_factor, energy_factor

__all__ = [
    "Macro",
    "MemoryTable",
    "Scaled",
    "area_factor",
    "energy_factor",
    "load_memory",
    "memory_names",
]
