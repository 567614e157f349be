"""Exports one design as files: Verilog with parameters, test bench, synthesis, C header, JSON, model files."""

from dse.export.bundle import export_design
from dse.export.document import DesignDocument
from dse.export.interface import Handshake, Interface, Parameters, Reset
from dse.export.proof import UnitProof, prove_design, prove_unit
from dse.export.scored_design import ScoredDesign, load_design
from dse.export.units import Unit, units_of

__all__ = [
    "DesignDocument",
    "Handshake",
    "Interface",
    "Parameters",
    "Reset",
    "ScoredDesign",
    "Unit",
    "UnitProof",
    "export_design",
    "load_design",
    "prove_design",
    "prove_unit",
    "units_of",
]
