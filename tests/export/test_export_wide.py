"""Units of networks with int16 activations compute the network's integers, by the exact reference of their Verilog."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "nets"))
