"""Scaling of a technology table from one node to another, where a published ratio exists."""

from typing import Final

from hwmodels.errors import HardwareError
from hwmodels.technologies.technology import Component, Figure, Technology

# A. Stillmaker and B. Baas, Scaling equations for the accurate prediction of CMOS device performance from 180 nm to
# 7 nm, Integration 58, 2017, doi 10.1016/j.vlsi.2017.02.002: (from nm, to nm) -> (area, energy, volts) ratios.
_RATIOS: Final = {(180.0, 45.0): (0.053, 0.0265, 0.9)}
_SOURCE: Final = "Stillmaker and Baas 2017, doi 10.1016/j.vlsi.2017.02.002"
# The authors fit simulated inverters; another gate mix at another corner is assumed to be off by as much again.
_ADDED_ERROR: Final = 0.2


def scale_technology(technology: Technology, node_nm: float) -> Technology:
    """Return a table scaled to another node: areas and energies; delay and leakage are left out.

    Args:
        technology: table to scale.
        node_nm: feature size to scale to, in nanometres.

    Raises:
        HardwareError: if no ratio between the two nodes is known.
    """
    ratios = _RATIOS.get((technology.node_nm, node_nm))
    if ratios is None:
        known = ", ".join(f"{source:g} to {target:g} nm" for source, target in _RATIOS)
        raise HardwareError(f"no ratio from {technology.node_nm:g} to {node_nm:g} nm is known; known: {known}")
    area, energy, volts = ratios
    return technology.model_copy(
        update={
            "name": f"{technology.name}_at_{node_nm:g}nm",
            "node_nm": node_nm,
            "voltage_v": volts,
            "conditions": f"{technology.conditions}; scaled from {technology.node_nm:g} nm, {_SOURCE}",
            "components": {kind: _scaled(part, area, energy) for kind, part in technology.components.items()},
            "corrections": {},  # their delays do not follow one ratio
        }
    )


def _scaled(component: Component, area: float, energy: float) -> Component:
    return Component(
        area_um2=_times(component.area_um2, area),
        energy_pj=_times(component.energy_pj, energy),
        missing=f"delay and leakage are not scaled; {component.missing}",
    )


def _times(figure: Figure | None, factor: float) -> Figure | None:
    if figure is None:
        return None
    terms = {term: value * factor for term, value in figure.terms.items()}
    return Figure(terms=terms, error=figure.error + _ADDED_ERROR, source=f"{figure.source}; scaled: {_SOURCE}")
