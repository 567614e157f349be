"""Gates of an elaborated design: what logic synthesis makes of it, estimated without synthesis."""

from hwmodels.gates.features import gate_kinds
from hwmodels.gates.graph import Graph, Kind
from hwmodels.gates.lowering import Flop, GateDesign, lower
from hwmodels.gates.paths import Arrivals, arrivals
from hwmodels.gates.stimulus import random_words
from hwmodels.gates.transitions import Switching, is_redundant, switching

__all__ = [
    "Arrivals",
    "Flop",
    "GateDesign",
    "Graph",
    "Kind",
    "Switching",
    "arrivals",
    "gate_kinds",
    "is_redundant",
    "lower",
    "random_words",
    "switching",
]
