"""The search: driver, samplers and surrogate."""

from dse.search.driver import Driver, Progress
from dse.search.interrupts import Interrupted, Interrupts
from dse.search.observations import ExpectedLosses, expected_losses
from dse.search.sampler import DistinctSampler, Proposer, make_sampler, proposer

__all__ = [
    "DistinctSampler",
    "Driver",
    "ExpectedLosses",
    "Interrupted",
    "Interrupts",
    "Progress",
    "Proposer",
    "expected_losses",
    "make_sampler",
    "proposer",
]
