"""Evaluator pools with one contract: in the driver's own process or as Ray actors."""

from dse.workers.cached import CachedPool
from dse.workers.pool import Completion, Evaluates, EvaluatorFactory, EvaluatorPool
from dse.workers.serial import SerialPool

__all__ = [
    "CachedPool",
    "Completion",
    "Evaluates",
    "EvaluatorFactory",
    "EvaluatorPool",
    "SerialPool",
]
