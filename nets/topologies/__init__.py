"""Float networks of ours, trained from a seed where no model is at hand."""

from nets.topologies.digits import DigitsCnn
from nets.topologies.training import train_float

__all__ = ["DigitsCnn", "train_float"]
