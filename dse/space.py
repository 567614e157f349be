"""The search space, made from the network itself, and its two-way mapping to Optuna's parameters."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from dse.design import DesignPoint, Surroundings
from dse.errors import StudyError
from dse.spec import Finetune, HardwareSpec, SearchSpec
from nets.narrowing import RescalerChoice, methods_of
from nets.network import Method, Operator, QuantizedNetwork, Rescaling, Weighted
from nets.rescaler import FULL_MULTIPLIER_BITS

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


def space_of(
    network: QuantizedNetwork, search: SearchSpec, finetune: Finetune, hardware: HardwareSpec | None = None
) -> SearchSpace:
    """The space of a network, as :func:`space_over` its rescaling operators."""
    return space_over(tuple(network.rescaling_operators()), search, finetune, hardware)


def space_over(
    rescaling: Sequence[Rescaling], search: SearchSpec, finetune: Finetune, hardware: HardwareSpec | None = None
) -> SearchSpace:
    """The space of some rescaling operators, with room for the baselines beside it.

    Args:
        rescaling: operators of the baseline.
        search: what may vary.
        finetune: highest level of fine-tuning.
        hardware: style and lanes of the baselines, where these vary.

    Raises:
        StudyError: a rule names no rescaler, or a method that its rescalers do not have.
    """
    operators = {operator.name: operator for operator in rescaling}
    for rule in search.rescalers:
        if not fnmatch.filter(operators, rule.names):
            raise StudyError(f"search.rescalers: no rescaler is named {rule.names!r}; there are {', '.join(operators)}")
    groups: dict[str, list[str]] = {}
    for name in operators:
        tie = next((r.names for r in reversed(search.rescalers) if r.tied and fnmatch.fnmatchcase(name, r.names)), name)
        groups.setdefault(tie, []).append(name)
    variables = tuple(_variable(group, [operators[name] for name in names], search) for group, names in groups.items())
    levels = tuple(Finetune)[: tuple(Finetune).index(finetune) + 1]
    return SearchSpace(variables, levels, tuple(operators), _shared(rescaling[0], search, hardware or HardwareSpec()))


def _shared(one: Rescaling, search: SearchSpec, hardware: HardwareSpec) -> tuple[SharedVariable, ...]:
    found = (
        SharedVariable(CONTRACT, search.contracts, one.rescaler.contract.name),
        SharedVariable(STYLE, search.styles, hardware.style),
        SharedVariable(LANES, search.lanes, hardware.lanes),
    )
    return tuple(variable for variable in found if variable.allowed)


def _variable(group: str, operators: list[Operator], search: SearchSpec) -> RescalerVariable:
    names = [operator.name for operator in operators]
    rules = [rule for rule in reversed(search.rescalers) if fnmatch.filter(names, rule.names)]
    bits = next((rule.multiplier_bits for rule in rules if rule.multiplier_bits), search.multiplier_bits)
    asked = next((rule.methods for rule in rules if rule.methods), None)
    possible = tuple(m for m in Method if any(m in methods_of(operator) for operator in operators))
    methods = tuple(m for m in asked or search.methods if m in possible)
    if asked and not methods:
        raise StudyError(f'search.rescalers: {group} has no weights to absorb into; use methods = ["round"]')
    return RescalerVariable(
        group,
        tuple(sorted(bits)),
        methods or (Method.ROUND,),
        min(search.uniform_multiplier_bits, default=FULL_MULTIPLIER_BITS),
        tuple(names) if len(names) > 1 else (),
        frozenset(operator.name for operator in operators if Method.ABSORB not in methods_of(operator)),
        possible,
        _weights(operators, next((rule.weight_bits for rule in rules if rule.weight_bits), search.weight_bits)),
    )


def _weights(operators: list[Operator], bits: tuple[int, ...]) -> WeightsVariable | None:
    layers = [operator for operator in operators if isinstance(operator, Weighted)]
    if not bits or not layers:
        return None
    return WeightsVariable(tuple(layer.name for layer in layers), tuple(sorted(bits)), layers[0].weight_bits)
