"""The search space of a network, and its two-way mapping to Optuna's parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from dse.design.point import DesignPoint, Finetune, Surroundings
from nets.narrow import RescalerChoice
from nets.network import FULL_MULTIPLIER_BITS, Method

FINETUNE = "finetune"
CONTRACT, STYLE, LANES = "contract", "style", "lanes"
MOST_SHIFT_BITS = 5  # a window of 32 shifts: no contract has more
NATURAL = MOST_SHIFT_BITS + 1  # the parameter's value for natural shifts, so that samplers see windows in their order


def bits_key(rescaler: str) -> str:
    """Returns the parameter and column name of a rescaler's width."""
    return f"{rescaler}.multiplier_bits"


def method_key(rescaler: str) -> str:
    """Returns the parameter and column name of a rescaler's method."""
    return f"{rescaler}.method"


def shift_key(rescaler: str) -> str:
    """Returns the parameter and column name of a rescaler's shift window."""
    return f"{rescaler}.shift_bits"


def weights_key(layer: str) -> str:
    """Returns the parameter and column name of the width of a layer's weights."""
    return f"{layer}.weight_bits"


@dataclass(frozen=True, slots=True)
class WeightsVariable:
    """The width of the weights of one layer, or of several tied layers.

    Attributes:
        layers: names of the layers.
        bits: widths that the search may choose, ascending.
        baseline_bits: width in the baseline.
    """

    layers: tuple[str, ...]
    bits: tuple[int, ...]
    baseline_bits: int


@dataclass(frozen=True, slots=True)
class ShiftVariable:
    """The shift window of one layer, or of several tied layers.

    Attributes:
        layers: names of the layers; an elementwise operator has no channels that could share a window.
        bits: windows that the search may choose, in bits, ascending; None, the last one, for natural shifts.
    """

    layers: tuple[str, ...]
    bits: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class SharedVariable:
    """A choice for the whole network or accelerator: contract, style or lanes.

    Attributes:
        key: name of the variable.
        allowed: values that the search may choose.
        baseline: value of the baselines, from the study file.
    """

    key: str
    allowed: tuple[str | int, ...]
    baseline: str | int


@dataclass(frozen=True, slots=True)
class RescalerVariable:
    """The width, method and shift window of one rescaler, or of several tied rescalers.

    Attributes:
        name: name of the rescaler, or the pattern that ties several.
        multiplier_bits: widths that the search may choose, ascending.
        methods: methods that the search may choose; baselines may use either.
        narrowest_bits: narrowest width of any baseline; the search may not allow it.
        tied: names of the rescalers that share the choice; empty if there is only the one called ``name``.
        weights: width of the layers' weights; None if the study fixes it.
        shifts: window of the layers' shifts; None if all shifts are natural.
    """

    name: str
    multiplier_bits: tuple[int, ...]
    methods: tuple[Method, ...]
    narrowest_bits: int = FULL_MULTIPLIER_BITS
    tied: tuple[str, ...] = ()
    weights: WeightsVariable | None = None
    shifts: ShiftVariable | None = None

    @property
    def rescalers(self) -> tuple[str, ...]:
        """Names of the rescalers that have this choice."""
        return self.tied or (self.name,)


@dataclass(frozen=True)
class SearchSpace:
    """All choices that make up a design point.

    Attributes:
        rescalers: one variable per rescaler or tie, in the execution order of their first rescalers.
        finetune: levels of fine-tuning that a design may have, lowest first.
        order: names of the rescalers in order of execution; empty if that is the order of the variables.
        shared: choices for the whole network or accelerator.
        calibration: number of samples that designs are calibrated with, if calibration can change them.
    """

    rescalers: tuple[RescalerVariable, ...]
    finetune: tuple[Finetune, ...]
    order: tuple[str, ...] = ()
    shared: tuple[SharedVariable, ...] = ()
    calibration: int = 0

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions by parameter; a variable with a single possible value is not a parameter.

        Widths are integers on a logarithmic scale, so that samplers know their order: one more bit matters at 2 bits,
        but not at 16. The range includes the baselines' widths; :meth:`snapped` maps any width in it to an allowed one.
        """
        distributions: dict[str, BaseDistribution] = {}
        for variable in self.rescalers:
            narrowest = min(variable.narrowest_bits, variable.multiplier_bits[0])
            distributions[bits_key(variable.name)] = IntDistribution(narrowest, FULL_MULTIPLIER_BITS, log=True)
            distributions[method_key(variable.name)] = CategoricalDistribution([method.value for method in Method])
            if weights := variable.weights:
                widths = (*weights.bits, weights.baseline_bits)
                distributions[weights_key(variable.name)] = IntDistribution(min(widths), max(widths))
            if variable.shifts:
                distributions[shift_key(variable.name)] = IntDistribution(0, NATURAL)
        for shared in self.shared:
            distributions[shared.key] = _distribution((*shared.allowed, shared.baseline))
        if len(self.finetune) > 1:
            distributions[FINETUNE] = CategoricalDistribution([level.value for level in self.finetune])
        return distributions

    def point(self, parameters: Mapping[str, object]) -> DesignPoint:
        """Returns the design point of a trial's parameters."""
        chosen = {v.name: _choice(v, parameters) for v in self.rescalers}
        return self.design(chosen, Finetune(str(parameters.get(FINETUNE, self.finetune[0]))), parameters)

    def design(
        self, chosen: Mapping[str, RescalerChoice], finetune: Finetune, others: Mapping[str, object] | None = None
    ) -> DesignPoint:
        """Returns the design point with the chosen width, method and window of every rescaler variable, by its name.

        ``others`` are parameters of weights, contract, style and lanes; missing ones are those of the baselines.
        """
        given = {**self._baseline_parameters, **(others or {})}
        choices = {name: _of_rescaler(name, v, chosen[v.name]) for v in self.rescalers for name in v.rescalers}
        varying = [(weights_key(v.name), v.weights) for v in self.rescalers if v.weights]
        weights = {layer: int(str(given[key])) for key, variable in varying for layer in variable.layers}
        order = self.order or tuple(choices)
        # Calibration changes weights and biases of what absorbs, and of layers with other weights than the baseline's.
        absorbs = any(c.method is Method.ABSORB and c.multiplier_bits < FULL_MULTIPLIER_BITS for c in choices.values())
        requantized = any(given[key] != variable.baseline_bits for key, variable in varying)
        return DesignPoint.of(
            {name: choices[name] for name in order},
            finetune,
            {name: weights[name] for name in order if name in weights},
            Surroundings(**{choice.key: given[choice.key] for choice in self.shared}),  # type: ignore[arg-type]
            self.calibration if absorbs or requantized else 0,
        )

    @cached_property
    def _baseline_parameters(self) -> dict[str, str | int]:
        """Weight widths, contract, style and lanes of the baselines, by parameter."""
        weights = {weights_key(v.name): v.weights.baseline_bits for v in self.rescalers if v.weights}
        return {**weights, **{choice.key: choice.baseline for choice in self.shared}}

    def parameters(self, point: DesignPoint) -> dict[str, str | int]:
        """Returns the Optuna parameters of a design point; the inverse of :meth:`point`."""
        values: dict[str, str | int] = {FINETUNE: point.finetune.value}
        choices = dict(point.choices)
        for variable in self.rescalers:
            choice = choices[variable.rescalers[0]]
            values[bits_key(variable.name)] = choice.multiplier_bits
            values[method_key(variable.name)] = choice.method.value
            if variable.weights:
                values[weights_key(variable.name)] = dict(point.weight_bits)[variable.weights.layers[0]]
            if variable.shifts:
                values[shift_key(variable.name)] = _encoded(choices[variable.shifts.layers[0]].shift_bits)
        for shared in self.shared:
            values[shared.key] = getattr(point.surroundings, shared.key)
        return {key: values[key] for key in self.distributions}

    def uniform(
        self, multiplier_bits: int, method: Method, finetune: Finetune, shift_bits: int | None = None
    ) -> DesignPoint:
        """Returns the design with the same width and method, and shift window if it can have one, in every rescaler."""
        choice = RescalerChoice(multiplier_bits, method, shift_bits)
        return self.design(dict.fromkeys((v.name for v in self.rescalers), choice), finetune)

    def narrowest(self) -> DesignPoint:
        """Returns the design with the narrowest multiplier and shift window that each rescaler may have."""
        choices = {
            variable.name: RescalerChoice(
                variable.multiplier_bits[0], variable.methods[-1], variable.shifts.bits[0] if variable.shifts else None
            )
            for variable in self.rescalers
        }
        return self.design(choices, Finetune.NONE)

    @cached_property
    def values(self) -> dict[str, tuple[str | int, ...]]:
        """The values that the search may choose, by parameter."""
        allowed: dict[str, tuple[str | int, ...]] = {FINETUNE: tuple(level.value for level in self.finetune)}
        for variable in self.rescalers:
            allowed[bits_key(variable.name)] = variable.multiplier_bits
            allowed[method_key(variable.name)] = tuple(method.value for method in variable.methods)
            if variable.weights:
                allowed[weights_key(variable.name)] = variable.weights.bits
            if variable.shifts:
                allowed[shift_key(variable.name)] = tuple(map(_encoded, variable.shifts.bits))
        allowed |= {choice.key: choice.allowed for choice in self.shared}
        return {key: allowed[key] for key in self.distributions}

    def snapped(self, parameters: Mapping[str, object]) -> dict[str, object]:
        """Returns the parameters with every value allowed: the nearest width, else the first allowed value."""
        return {**parameters, **{key: _nearest(parameters[key], allowed) for key, allowed in self.values.items()}}

    def mutated(self, parameters: Mapping[str, object], generator: np.random.Generator) -> dict[str, object]:
        """Returns the parameters with one of them changed at random; unchanged if no parameter has another value."""
        others = {key: [v for v in allowed if v != parameters[key]] for key, allowed in self.values.items()}
        free = sorted(key for key, values in others.items() if values)
        if not free:
            return dict(parameters)
        key = free[generator.integers(len(free))]
        return {**parameters, key: others[key][generator.integers(len(others[key]))]}


def _choice(variable: RescalerVariable, parameters: Mapping[str, object]) -> RescalerChoice:
    window = int(str(parameters[shift_key(variable.name)])) if variable.shifts else NATURAL
    return RescalerChoice(
        int(str(parameters[bits_key(variable.name)])),
        Method(str(parameters[method_key(variable.name)])),
        None if window == NATURAL else window,
    )


def _of_rescaler(name: str, variable: RescalerVariable, choice: RescalerChoice) -> RescalerChoice:
    """Returns the variable's choice for one of its rescalers, without the window if the rescaler can have none."""
    windowed = variable.shifts is not None and name in variable.shifts.layers
    return choice if windowed else replace(choice, shift_bits=None)


def _encoded(shift_bits: int | None) -> int:
    return NATURAL if shift_bits is None else shift_bits


def _distribution(values: tuple[str | int, ...]) -> BaseDistribution:
    """Returns a logarithmic integer distribution for numbers, a categorical one for names."""
    numbers = [value for value in values if isinstance(value, int)]
    if numbers:
        return IntDistribution(min(numbers), max(numbers), log=True)
    return CategoricalDistribution(list(dict.fromkeys(values)))


def _nearest(value: object, allowed: tuple[str | int, ...]) -> str | int:
    if value in allowed:
        return value
    if isinstance(value, int):
        return min(allowed, key=lambda width: abs(int(width) - value))
    return allowed[0]
