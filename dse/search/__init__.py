"""The search: driver, samplers and surrogate."""

from dse.search.driver import Driver, Progress
from dse.search.interrupts import Interrupted, Interrupts
from dse.search.sampler import DistinctSampler, make_sampler, proposer

__all__ = [
    "DistinctSampler",
    "Driver",
    "Interrupted",
    "Interrupts",
    "Progress",
    "make_sampler",
    "proposer",
]
