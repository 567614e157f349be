"""A design of the corpus."""

import hashlib
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

    @property
    def digest(self) -> str:
        """Short hash of the text, which tells whether a measurement is of this design."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]
