"""A search space as factors: the choices that act together, each with its distinct values.

The width, method and shift window of a rescaler, and the width of its layer's weights, are one factor: what a window
does depends on the method. A design is a row of indices, one per factor; equal designs have equal rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from dse.design import NATURAL, Finetune, RescalerVariable, SearchSpace, bits_key, method_key, shift_key, weights_key
from nets.network import FULL_MULTIPLIER_BITS, Method

Rows = npt.NDArray[np.intp]  # [designs, factors]
Value = tuple[str | int, ...]


@dataclass
class Factor:
    """Parameters that act together.

    Attributes:
        keys: names of the parameters.
        variable: the rescaler variable, or None for a choice of the whole network or accelerator.
        values: canonical values; the first ``allowed`` ones the search may choose, the others were met in baselines.
        parameters: parameters of every value, those of the first ``allowed`` ones inside the space.
        allowed: number of values that the search may choose.
    """

    keys: tuple[str, ...]
    variable: RescalerVariable | None
    values: list[Value] = field(default_factory=list)
    parameters: list[Value] = field(default_factory=list)
    allowed: int = 0
    _index: dict[Value, int] = field(default_factory=dict)

    def index(self, parameters: Value) -> int:
        """Returns the index of the value of these parameters; a new one is appended."""
        if (at := self._index.get(parameters)) is not None:
            return at
        value = self.canonical(parameters)
        if value not in self._index:
            self._index[value] = len(self.values)
            self.values.append(value)
            self.parameters.append(parameters)
        return self._index.setdefault(parameters, self._index[value])

    def canonical(self, value: Value) -> Value:
        """Returns the value of the same effect that stands for all of them (:class:`~dse.design.DesignPoint`)."""
        if self.variable is None:
            return value
        if value[0] == FULL_MULTIPLIER_BITS:
            value = (FULL_MULTIPLIER_BITS, Method.ROUND.value, *value[2:])
        if self.variable.shifts and value[1] == Method.ROUND:
            value = (*value[:-1], NATURAL)
        return value


class Factors:
    """Converts designs between parameters and rows.

    Attributes:
        factors: the factors; those of rescalers have int32's value too, allowed or not.
        int32: row of int32.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        allowed = space.values
        groups = [(_keys_of(variable), variable) for variable in space.rescalers]
        covered = {key for keys, _ in groups for key in keys}
        others = [((key,), None) for key in allowed if key not in covered]
        self.factors = [_factor(keys, variable, allowed) for keys, variable in (*groups, *others)]
        self.int32 = self.row(space.parameters(space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, Finetune.NONE)))

    @property
    def sizes(self) -> npt.NDArray[np.intp]:
        """The number of values that the search may choose, by factor."""
        return np.array([factor.allowed for factor in self.factors])

    @property
    def free(self) -> Rows:
        """Indices of the factors that the search can change."""
        return np.flatnonzero(self.sizes > 1)

    @property
    def choices(self) -> list[tuple[RescalerVariable | None, list[dict[str, str | int]]]]:
        """Every factor's variable, and the parameters of its values."""
        return [
            (factor.variable, [dict(zip(factor.keys, each, strict=True)) for each in factor.parameters])
            for factor in self.factors
        ]

    def row(self, parameters: Mapping[str, object]) -> Rows:
        """Returns the row of a design, also of one outside the space."""
        return np.array(
            [factor.index(tuple(parameters[key] for key in factor.keys)) for factor in self.factors],  # type: ignore[misc]
            dtype=np.intp,
        )

    def parameters(self, row: Rows) -> dict[str, str | int]:
        """Returns the parameters of a row, in the order of the space's distributions."""
        chosen = {
            key: value
            for factor, at in zip(self.factors, row, strict=True)
            for key, value in zip(factor.keys, factor.parameters[at], strict=True)
        }
        return {key: chosen[key] for key in self._space.distributions}

    def inside(self, rows: Rows) -> Rows:
        """Returns rows with every value outside the space replaced by the nearest allowed one."""
        outside = (rows >= self.sizes).any(axis=1)
        rows = rows.copy()
        for at in np.flatnonzero(outside):
            rows[at] = self.row(self._space.snapped(self.parameters(rows[at])))
        return rows

    def random(self, count: int, generator: np.random.Generator) -> Rows:
        """Returns ``count`` rows, drawn uniformly."""
        return generator.integers(self.sizes, size=(count, len(self.factors)))


def _keys_of(variable: RescalerVariable) -> tuple[str, ...]:
    """Returns the parameters of a rescaler: width, method, perhaps weights, perhaps the window at the end."""
    weights = (weights_key(variable.name),) if variable.weights else ()
    windows = (shift_key(variable.name),) if variable.shifts else ()
    return (bits_key(variable.name), method_key(variable.name), *weights, *windows)


def _factor(
    keys: tuple[str, ...], variable: RescalerVariable | None, allowed: Mapping[str, Sequence[str | int]]
) -> Factor:
    """Returns the factor of parameters with its distinct allowed values, in ascending order of widths."""
    factor = Factor(keys, variable)
    for parameters in product(*(allowed[key] for key in keys)):
        factor.index(parameters)
    factor.allowed = len(factor.values)
    return factor
