"""Proofs that a rescaler computes its contract for all inputs."""

from hwmodels.proof._netlist import Source, WordNetlist, read_netlist
from hwmodels.proof.architectures import Statement, shipped
from hwmodels.proof.bench import bench_of
from hwmodels.proof.claims import Claim, Rescale, Sum
from hwmodels.proof.contracts import CONTRACTS
from hwmodels.proof.interface import CLOCK, LAYER_ROLES, OUTPUT, RESET, Interface, PortBits
from hwmodels.proof.module import ROLES, Answer, Question, prove_module
from hwmodels.proof.prover import Counterexample, Outcome, Proof, Prover

__all__ = [
    "CLOCK",
    "CONTRACTS",
    "LAYER_ROLES",
    "OUTPUT",
    "RESET",
    "ROLES",
    "Answer",
    "Claim",
    "Counterexample",
    "Interface",
    "Outcome",
    "PortBits",
    "Proof",
    "Prover",
    "Question",
    "Rescale",
    "Source",
    "Statement",
    "Sum",
    "WordNetlist",
    "bench_of",
    "prove_module",
    "read_netlist",
    "shipped",
]
