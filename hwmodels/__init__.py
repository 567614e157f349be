"""Area, energy and latency of integer rescalers, from tables, formulas, parsed RTL and synthesis."""

from hwmodels.accelerator import Accelerator, AcceleratorCost, accelerator_cost
from hwmodels.clock import Clock, ClockedModel
from hwmodels.costs import ComponentCost, LayerCost, NetworkCost, Style, UnitCost
from hwmodels.dataflow import Buffer, Dataflow, MemoryCost
from hwmodels.errors import HardwareError
from hwmodels.memories import MemoryTable, load_memory, memory_names
from hwmodels.models import (
    AnalyticRescalerModel,
    CalibratedRescalerModel,
    CostModel,
    RtlRescalerModel,
    RtlSource,
    VerilogCost,
    cost_verilog,
)
from hwmodels.network import network_cost
from hwmodels.orders import OUTPUT_ORDERS, OutputOrder
from hwmodels.parsing import included_files
from hwmodels.presets import PRESETS, OwnBuffers, Preset, PresetName
from hwmodels.technologies import Technology, load_technology, technology_names
from hwmodels.toml_files import parse_toml, read_text
from hwmodels.workload import RescalerWorkload, RescaleStage

__all__ = [
    "OUTPUT_ORDERS",
    "PRESETS",
    "Accelerator",
    "AcceleratorCost",
    "AnalyticRescalerModel",
    "Buffer",
    "CalibratedRescalerModel",
    "Clock",
    "ClockedModel",
    "ComponentCost",
    "CostModel",
    "Dataflow",
    "HardwareError",
    "LayerCost",
    "MemoryCost",
    "MemoryTable",
    "NetworkCost",
    "OutputOrder",
    "OwnBuffers",
    "Preset",
    "PresetName",
    "RescaleStage",
    "RescalerWorkload",
    "RtlRescalerModel",
    "RtlSource",
    "Style",
    "Technology",
    "UnitCost",
    "VerilogCost",
    "accelerator_cost",
    "cost_verilog",
    "included_files",
    "load_memory",
    "load_technology",
    "memory_names",
    "network_cost",
    "parse_toml",
    "read_text",
    "technology_names",
]
