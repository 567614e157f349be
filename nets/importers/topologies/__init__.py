"""Float networks of ours, trained from a seed where no model is at hand."""

from nets.importers.topologies.training import TOPOLOGIES, Topology, train_float

__all__ = ["TOPOLOGIES", "Topology", "train_float"]
