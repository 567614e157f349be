"""Gates of an elaborated design: what logic synthesis makes of it, estimated without synthesis."""

from hwmodels.gates.graph import Graph, Kind
from hwmodels.gates.lowering import Flop, GateDesign, lower
from hwmodels.gates.stimulus import random_words

__all__ = ["Flop", "GateDesign", "Graph", "Kind", "lower", "random_words"]
