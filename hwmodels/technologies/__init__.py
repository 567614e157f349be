"""Technology tables: figures of components with node, voltage, source and error."""

from hwmodels.technologies.technology import (
    DELAY_TERMS,
    METRICS,
    TERMS,
    Clocking,
    ComponentKind,
    Correction,
    EnergyCorrection,
    Metric,
    Technology,
    load_technology,
    parse_technology,
    technology_names,
)

__all__ = [
    "DELAY_TERMS",
    "METRICS",
    "TERMS",
    "Clocking",
    "ComponentKind",
    "Correction",
    "EnergyCorrection",
    "Metric",
    "Technology",
    "load_technology",
    "parse_technology",
    "technology_names",
]
