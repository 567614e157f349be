"""Evaluates designs: their networks, accuracies and costs, and the keys of evaluations in the cache."""

from dse.evaluate.cache_key import CacheKeys, processor
from dse.evaluate.contents import contents_of, located
from dse.evaluate.costing import check_objectives, cost_sources, pipelines_of, single_cycle, unit_model
from dse.evaluate.designs import shipped_networks
from dse.evaluate.evaluator import Evaluator, start_evaluator
from dse.evaluate.lowering import lower, lowered
from dse.evaluate.outputs import real_outputs, squared_errors
from dse.evaluate.prices import prices_of
from dse.evaluate.traces import accumulator_recording, spread

__all__ = [
    "CacheKeys",
    "Evaluator",
    "accumulator_recording",
    "check_objectives",
    "contents_of",
    "cost_sources",
    "located",
    "lower",
    "lowered",
    "pipelines_of",
    "prices_of",
    "processor",
    "real_outputs",
    "shipped_networks",
    "single_cycle",
    "spread",
    "squared_errors",
    "start_evaluator",
    "unit_model",
]
