"""Factors between process nodes: A. Stillmaker and B. Baas, Integration 58 (2017), doi 10.1016/j.vlsi.2017.02.002.

Areas and the polynomials of the energy over the supply are theirs as Accelergy's library plug-in lists them
(Accelergy-Project/accelergy-library-plug-in, scaling.py), down from 130 nm. Of 180 nm, the two factors to 45 nm are
known, the energy at the supplies of 1.8 and 0.9 V only. Between nodes the factors are interpolated linearly.
"""

from typing import Final

from hwmodels.errors import HardwareError

# Area relative to 32 nm, and the coefficients of the energy in V^2, V and 1 (in units that cancel).
_AREAS: Final = {130: 14.0, 90: 6.1, 65: 3.3, 45: 2.2, 32: 1.0, 20: 0.46, 16: 0.41, 14: 0.38, 10: 0.22, 7: 0.13}
_ENERGIES: Final = {
    130: (7.171, -6.709, 2.904),
    90: (4.762, -4.781, 2.092),
    65: (3.755, -4.398, 1.975),
    45: (1.103, -0.362, 0.2767),
    32: (0.9559, -0.7823, 0.471),
    20: (0.373, -0.1582, 0.04104),
    16: (0.2958, -0.1241, 0.03024),
    14: (0.2363, -0.09675, 0.02239),
    10: (0.2068, -0.09311, 0.02375),
    7: (0.1776, -0.09097, 0.02447),
}
_OLDEST: Final = 180.0
_OLDEST_VOLTAGE: Final = 1.8
_AREA_TO_45: Final = 0.053
_ENERGY_TO_45: Final = 0.0265  # from 1.8 to 0.9 V


def area_factor(from_nm: float, to_nm: float) -> float:
    """Returns the area of a circuit at one node relative to its area at another.

    Raises:
        HardwareError: a node is none of 7 to 130 nm, or 180 nm.
    """
    return _area(to_nm) / _area(from_nm)


def energy_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """Returns the energy of a circuit at one node and supply relative to that at another.

    Raises:
        HardwareError: a node is none of 7 to 130 nm, or 180 nm at 1.8 V.
    """
    return _energy(to_nm, to_v) / _energy(from_nm, from_v)


def _area(node_nm: float) -> float:
    if node_nm == _OLDEST:
        return _AREAS[45] / _AREA_TO_45
    above, below, part = _neighbours(node_nm)
    return _AREAS[above] * part + _AREAS[below] * (1 - part)


def _energy(node_nm: float, voltage_v: float) -> float:
    if node_nm == _OLDEST:
        if voltage_v != _OLDEST_VOLTAGE:
            raise HardwareError(
                f"no energy is known at {_OLDEST:g} nm and {voltage_v:g} V, only at {_OLDEST_VOLTAGE} V"
            )
        return _energy(45, 0.9) / _ENERGY_TO_45
    above, below, part = _neighbours(node_nm)
    return _at(above, voltage_v) * part + _at(below, voltage_v) * (1 - part)


def _at(node: int, voltage_v: float) -> float:
    square, linear, constant = _ENERGIES[node]
    return square * voltage_v**2 + linear * voltage_v + constant


def _neighbours(node_nm: float) -> tuple[int, int, float]:
    """Returns the listed nodes on both sides of a node, and the part of the way from the smaller to the larger one."""
    above = min((node for node in _AREAS if node >= node_nm), default=None)
    below = max((node for node in _AREAS if node <= node_nm), default=None)
    if above is None or below is None:
        raise HardwareError(f"memories cannot be scaled to {node_nm:g} nm; possible are 7 to 130 nm, and 180 nm")
    return above, below, 0.0 if above == below else (node_nm - below) / (above - below)
