"""What can be wrong with a technology table, a Verilog file or a parameter."""


class HardwareError(ValueError):
    """Input that hwmodels cannot accept; the message names the place, the value and what would be right."""
