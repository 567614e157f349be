"""Built-in float networks, trained from a seed and used without a model file."""

from nets.importers.topologies.training import TOPOLOGIES, Topology, train_float

__all__ = ["TOPOLOGIES", "Topology", "train_float"]
