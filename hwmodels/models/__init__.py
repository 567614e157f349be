"""Cost models with one interface: analytic, parsed RTL and calibrated."""

from hwmodels.models.analytic import AnalyticRescalerModel
from hwmodels.models.base import CostModel
from hwmodels.models.calibrated import CalibratedRescalerModel
from hwmodels.models.parsed_parts import design_parts
from hwmodels.models.rtl import RtlRescalerModel, RtlSource
from hwmodels.models.verilog import VerilogCost, cost_verilog

__all__ = [
    "AnalyticRescalerModel",
    "CalibratedRescalerModel",
    "CostModel",
    "RtlRescalerModel",
    "RtlSource",
    "VerilogCost",
    "cost_verilog",
    "design_parts",
]
