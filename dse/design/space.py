"""The search space, made from the network itself, and its two-way mapping to Optuna's parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from dse.design.point import DesignPoint, Finetune, Surroundings
from nets.narrow.narrowing import RescalerChoice
from nets.network.contracts import FULL_MULTIPLIER_BITS
from nets.network.operators import Method

FINETUNE = "finetune"
CONTRACT, STYLE, LANES = "contract", "style", "lanes"


def bits_key(rescaler: str) -> str:
    """Name of a rescaler's width, as parameter and as column."""
    return f"{rescaler}.multiplier_bits"


def method_key(rescaler: str) -> str:
    """Name of a rescaler's method, as parameter and as column."""
    return f"{rescaler}.method"


def weights_key(layer: str) -> str:
    """Name of the width of a layer's weights, as parameter and as column."""
    return f"{layer}.weight_bits"


@dataclass(frozen=True, slots=True)
class WeightsVariable:
    """How wide the weights of one layer, or of several that are tied, may be.

    Attributes:
        layers: their names.
        bits: widths that the search may choose, ascending.
        baseline_bits: width in the baseline.
    """

    layers: tuple[str, ...]
    bits: tuple[int, ...]
    baseline_bits: int


@dataclass(frozen=True, slots=True)
class SharedVariable:
    """A choice for the network or the accelerator as a whole: contract, style or lanes.

    Attributes:
        key: which one.
        allowed: what the search may choose.
        baseline: what the baselines have, by the study file.
    """

    key: str
    allowed: tuple[str | int, ...]
    baseline: str | int


@dataclass(frozen=True, slots=True)
class RescalerVariable:
    """One choice of the space: what one rescaler may be, or several that are tied.

    Attributes:
        name: of the rescaler, or the pattern that ties several.
        multiplier_bits: widths that the search may choose, ascending.
        methods: methods that it may choose.
        narrowest_bits: narrowest width that any design of the study has; a baseline's may lie outside the search.
        tied: the rescalers that share the choice; empty for the one of that name.
        rounding: those among them that can only round, whatever method is chosen.
        possible: methods that any design of the study has; empty for ``methods`` alone.
        weights: widths of the layers' weights; None where the study fixes them.
    """

    name: str
    multiplier_bits: tuple[int, ...]
    methods: tuple[Method, ...]
    narrowest_bits: int = FULL_MULTIPLIER_BITS
    tied: tuple[str, ...] = ()
    rounding: frozenset[str] = frozenset()
    possible: tuple[Method, ...] = ()
    weights: WeightsVariable | None = None

    @property
    def every_method(self) -> tuple[Method, ...]:
        """Methods that designs of the study may have, baselines among them."""
        return self.possible or self.methods

    def choices(self, choice: RescalerChoice) -> dict[str, RescalerChoice]:
        """The choice for every rescaler that it is for."""
        return {
            name: RescalerChoice(choice.multiplier_bits, Method.ROUND) if name in self.rounding else choice
            for name in self.tied or (self.name,)
        }

    def choice_in(self, choices: Mapping[str, RescalerChoice]) -> RescalerChoice:
        """The choice that a design made, read from a rescaler that shows its method."""
        names = self.tied or (self.name,)
        return choices[next((name for name in names if name not in self.rounding), names[0])]


@dataclass(frozen=True)
class SearchSpace:
    """Every choice that makes a design point.

    Attributes:
        rescalers: in order of execution, tied ones where the first of them is.
        finetune: levels of fine-tuning that a point may ask for, lowest first.
        order: rescalers in order of execution; empty where that is the order of the variables.
        shared: choices for the network or the accelerator as a whole.
    """

    rescalers: tuple[RescalerVariable, ...]
    finetune: tuple[Finetune, ...]
    order: tuple[str, ...] = ()
    shared: tuple[SharedVariable, ...] = ()

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions; a choice of one is no parameter.

        Widths are integers on a logarithmic scale, so that samplers know their order: one bit more matters at 2 bits,
        not at 16. They span the baselines too; values between the widths of the space are for :meth:`snapped`.
        """
        found: dict[str, BaseDistribution] = {}
        for variable in self.rescalers:
            narrowest = min(variable.narrowest_bits, variable.multiplier_bits[0])
            found[bits_key(variable.name)] = IntDistribution(narrowest, FULL_MULTIPLIER_BITS, log=True)
            if len(methods := variable.every_method) > 1:
                found[method_key(variable.name)] = CategoricalDistribution([m.value for m in methods])
            if weights := variable.weights:
                among = (*weights.bits, weights.baseline_bits)
                found[weights_key(variable.name)] = IntDistribution(min(among), max(among))
        for choice in self.shared:
            found[choice.key] = _distribution((*choice.allowed, choice.baseline))
        if len(self.finetune) > 1:
            found[FINETUNE] = CategoricalDistribution([level.value for level in self.finetune])
        return found

    def point(self, parameters: Mapping[str, object]) -> DesignPoint:
        """The design point of a trial's parameters."""
        chosen = {
            v.name: RescalerChoice(
                int(str(parameters[bits_key(v.name)])),
                Method(str(parameters.get(method_key(v.name), v.methods[0]))),
            )
            for v in self.rescalers
        }
        return self.design(chosen, Finetune(str(parameters.get(FINETUNE, self.finetune[0]))), parameters)

    def design(
        self, chosen: Mapping[str, RescalerChoice], finetune: Finetune, others: Mapping[str, object] | None = None
    ) -> DesignPoint:
        """The design point of a choice for every rescaler variable, by name.

        Args:
            chosen: width and method of every rescaler variable.
            finetune: how far weights are trained.
            others: parameters of weights, contract, style and lanes; the baselines' for those that are not given.
        """
        given = {**self._baseline_parameters, **(others or {})}
        choices = {name: c for v in self.rescalers for name, c in v.choices(chosen[v.name]).items()}
        varying = [(weights_key(v.name), v.weights) for v in self.rescalers if v.weights]
        weights = {layer: int(str(given[key])) for key, variable in varying for layer in variable.layers}
        order = self.order or tuple(choices)
        return DesignPoint.of(
            {name: choices[name] for name in order},
            finetune,
            {name: weights[name] for name in order if name in weights},
            Surroundings(**{choice.key: given[choice.key] for choice in self.shared}),  # type: ignore[arg-type]
        )

    @cached_property
    def _baseline_parameters(self) -> dict[str, str | int]:
        """Weights, contract, style and lanes of the baselines."""
        weights = {weights_key(v.name): v.weights.baseline_bits for v in self.rescalers if v.weights}
        return {**weights, **{choice.key: choice.baseline for choice in self.shared}}

    def parameters(self, point: DesignPoint) -> dict[str, str | int]:
        """The Optuna parameters of a design point."""
        values: dict[str, str | int] = {FINETUNE: point.finetune.value}
        choices = dict(point.choices)
        for variable in self.rescalers:
            choice = variable.choice_in(choices)
            values[bits_key(variable.name)] = choice.multiplier_bits
            values[method_key(variable.name)] = choice.method.value
            if variable.weights:
                values[weights_key(variable.name)] = dict(point.weight_bits)[variable.weights.layers[0]]
        for shared in self.shared:
            values[shared.key] = getattr(point.surroundings, shared.key)
        return {key: values[key] for key in self.distributions}

    def uniform(self, multiplier_bits: int, method: Method, finetune: Finetune) -> DesignPoint:
        """The same width everywhere; rescalers without weights round."""
        chosen = {v.name: RescalerChoice(multiplier_bits, _reachable(method, v)) for v in self.rescalers}
        return self.design(chosen, finetune)

    @cached_property
    def values(self) -> dict[str, tuple[str | int, ...]]:
        """The values that the search may give every parameter."""
        allowed: dict[str, tuple[str | int, ...]] = {FINETUNE: tuple(level.value for level in self.finetune)}
        for variable in self.rescalers:
            allowed[bits_key(variable.name)] = variable.multiplier_bits
            allowed[method_key(variable.name)] = tuple(method.value for method in variable.methods)
            if variable.weights:
                allowed[weights_key(variable.name)] = variable.weights.bits
        allowed |= {choice.key: choice.allowed for choice in self.shared}
        return {key: allowed[key] for key in self.distributions}

    def snapped(self, parameters: Mapping[str, object]) -> dict[str, object]:
        """The same parameters with every value in the space: the nearest width, a method that may be chosen."""
        return {**parameters, **{key: _nearest(parameters[key], allowed) for key, allowed in self.values.items()}}

    def mutated(self, parameters: Mapping[str, object], generator: np.random.Generator) -> dict[str, object]:
        """The same parameters but for one, drawn anew."""
        others = {key: [v for v in allowed if v != parameters[key]] for key, allowed in self.values.items()}
        free = sorted(key for key, values in others.items() if values)
        if not free:
            return dict(parameters)
        key = free[generator.integers(len(free))]
        return {**parameters, key: others[key][generator.integers(len(others[key]))]}


def _distribution(values: tuple[str | int, ...]) -> BaseDistribution:
    """Numbers on a logarithmic scale, names as categories."""
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


def _reachable(method: Method, variable: RescalerVariable) -> Method:
    return method if method in variable.every_method else Method.ROUND
