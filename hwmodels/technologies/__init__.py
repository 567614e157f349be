"""Technology tables: figures of components with node, voltage, source and error."""

from hwmodels.technologies.technology import (
    GATE_KINDS,
    DELAY_TERMS,
    METRICS,
    TERMS,
    Clocking,
    ComponentKind,
    Correction,
    GateErrors,
    GateKind,
    Gates,
    Metric,
    Technology,
    load_technology,
    parse_technology,
    technology_names,
)

__all__ = [
    "GATE_KINDS",
    "DELAY_TERMS",
    "METRICS",
    "TERMS",
    "Clocking",
    "ComponentKind",
    "Correction",
    "GateErrors",
    "GateKind",
    "Gates",
    "Metric",
    "Technology",
    "load_technology",
    "parse_technology",
    "technology_names",
]
