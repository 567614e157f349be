"""The source of cost figures, as reports and manifests state it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CostSource:
    """A cost model with its technology table.

    Attributes:
        model: ``analytic``, ``rtl`` or ``calibrated``.
        technology: name of the technology table.
        node_nm: technology node, nm.
        source: publication or synthesis that the table comes from.
        error: the known error of the model, in words.
    """

    model: str
    technology: str
    node_nm: float
    source: str
    error: str

    def __str__(self) -> str:
        return f"{self.model}, table {self.technology} ({self.node_nm:g} nm; {self.source}); error: {self.error}"
