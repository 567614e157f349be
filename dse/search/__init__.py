"""The search: driver, samplers and surrogate."""

from dse.search.driver import Driver, Progress
from dse.search.factors import Factors, Rows
from dse.search.interrupts import Interrupted, Interrupts
from dse.search.observations import ExpectedLosses, expected_losses
from dse.search.sampler import DistinctSampler, Proposer, make_sampler, proposer
from dse.search.starts import Probe, probes, promising
from dse.search.surrogate_sampler import Beforehand, SurrogateSampler

__all__ = [
    "Beforehand",
    "DistinctSampler",
    "Driver",
    "ExpectedLosses",
    "Factors",
    "Interrupted",
    "Interrupts",
    "Probe",
    "Progress",
    "Proposer",
    "Rows",
    "SurrogateSampler",
    "expected_losses",
    "make_sampler",
    "probes",
    "promising",
    "proposer",
]
