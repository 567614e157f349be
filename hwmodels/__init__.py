"""Area, energy and latency of integer rescalers, from tables, formulas, parsed RTL and synthesis."""

from hwmodels.analytic import AnalyticRescalerModel
from hwmodels.calibrated import CalibratedRescalerModel
from hwmodels.costs import ComponentCost, CostModel, LayerCost, NetworkCost, Style, UnitCost
from hwmodels.errors import HardwareError
from hwmodels.mapped_rtl import MappedRtlModel
from hwmodels.network import network_cost
from hwmodels.rtl_model import RtlRescalerModel
from hwmodels.technology import Technology, load_technology, technology_names
from hwmodels.verilog_cost import VerilogCost, cost_verilog
from hwmodels.workload import RescalerWorkload, RescaleStage

__all__ = [
    "AnalyticRescalerModel",
    "CalibratedRescalerModel",
    "ComponentCost",
    "CostModel",
    "HardwareError",
    "LayerCost",
    "MappedRtlModel",
    "NetworkCost",
    "RescaleStage",
    "RescalerWorkload",
    "RtlRescalerModel",
    "Style",
    "Technology",
    "UnitCost",
    "VerilogCost",
    "cost_verilog",
    "load_technology",
    "network_cost",
    "technology_names",
]
