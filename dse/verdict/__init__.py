"""The verdict: what is tested, what the test split shows, and how sure that is."""

from dse.verdict.candidates import candidates_of, entries_of, tested_loss
from dse.verdict.designs import (
    ROLE_NAMES,
    Choice,
    Evidence,
    choices,
    loss_amount,
    loss_digits,
    uniform_name,
)
from dse.verdict.judge import verdict_of
from dse.verdict.outcome import Comparison, Gain, Outcome, Power, Reference, Stability, Test, Verdict
from dse.verdict.plan import next_look
from dse.verdict.words import refuted_rival, shares_of

__all__ = [
    "ROLE_NAMES",
    "Choice",
    "Comparison",
    "Evidence",
    "Gain",
    "Outcome",
    "Power",
    "Reference",
    "Stability",
    "Test",
    "Verdict",
    "candidates_of",
    "choices",
    "entries_of",
    "loss_amount",
    "loss_digits",
    "next_look",
    "refuted_rival",
    "shares_of",
    "tested_loss",
    "uniform_name",
    "verdict_of",
]
