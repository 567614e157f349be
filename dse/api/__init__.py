"""What ``import dse`` offers: studies, and one model, one Verilog file or one cell library at a time.

The functions are named after the commands that do the same. Their results are tables or have some, and notebooks show
them as such.
"""

from dse.api.runs import Run, launch, open_run
from dse.api.tools import calibrate, cost, fetch_file, narrow, prove

__all__ = [
    "Run",
    "calibrate",
    "cost",
    "fetch_file",
    "launch",
    "narrow",
    "open_run",
    "prove",
]
