"""The error that hwmodels raises on bad technology tables, Verilog files and parameters."""


class HardwareError(ValueError):
    """Raised on input that hwmodels cannot accept; the message names the place, the value and what would be right."""
