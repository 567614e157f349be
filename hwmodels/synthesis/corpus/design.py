"""A design of the corpus."""

from dataclasses import dataclass
from typing import Literal

Group = Literal["operator", "datapath"]
TOP = "corpus_design"


@dataclass(frozen=True, slots=True)
class CorpusDesign:
    """A Verilog design.

    Attributes:
        name: unique name; that of a datapath ends in its seed.
        group: class of designs that it belongs to.
        text: its Verilog, whose top module is ``TOP`` and whose clock, if it has one, is ``clk``.
    """

    name: str
    group: Group
    text: str
