"""The search space, made from the network itself, and its two-way mapping to Optuna's parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from dse.design import DesignPoint
from dse.spec import Finetune, SearchSpec
from nets.narrowing import RescalerChoice, methods_of
from nets.network import Method, QuantizedNetwork
from nets.rescaler import FULL_MULTIPLIER_BITS

FINETUNE = "finetune"


def bits_key(rescaler: str) -> str:
    """Name of a rescaler's width, as parameter and as column."""
    return f"{rescaler}.multiplier_bits"


def method_key(rescaler: str) -> str:
    """Name of a rescaler's method, as parameter and as column."""
    return f"{rescaler}.method"


@dataclass(frozen=True, slots=True)
class RescalerVariable:
    """What may be chosen for one rescaler.

    Attributes:
        name: of the rescaler.
        multiplier_bits: widths that the search may choose, ascending.
        methods: methods that it may choose.
        narrowest_bits: narrowest width that any design of the study has; a baseline's may lie outside the search.
    """

    name: str
    multiplier_bits: tuple[int, ...]
    methods: tuple[Method, ...]
    narrowest_bits: int = FULL_MULTIPLIER_BITS


@dataclass(frozen=True)
class SearchSpace:
    """Every choice that makes a design point.

    Attributes:
        rescalers: in order of execution.
        finetune: levels of fine-tuning that a point may ask for.
    """

    rescalers: tuple[RescalerVariable, ...]
    finetune: tuple[Finetune, ...]

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
            if len(variable.methods) > 1:
                found[method_key(variable.name)] = CategoricalDistribution([m.value for m in variable.methods])
        if len(self.finetune) > 1:
            found[FINETUNE] = CategoricalDistribution([level.value for level in self.finetune])
        return found

    def point(self, parameters: Mapping[str, object]) -> DesignPoint:
        """The design point of a trial's parameters."""
        choices = {
            v.name: RescalerChoice(
                int(str(parameters[bits_key(v.name)])),
                Method(str(parameters.get(method_key(v.name), v.methods[0]))),
            )
            for v in self.rescalers
        }
        return DesignPoint.of(choices, Finetune(str(parameters.get(FINETUNE, self.finetune[0]))))

    def parameters(self, point: DesignPoint) -> dict[str, str | int]:
        """The Optuna parameters of a design point."""
        values: dict[str, str | int] = {FINETUNE: point.finetune.value}
        for name, choice in point.choices:
            values[bits_key(name)] = choice.multiplier_bits
            values[method_key(name)] = choice.method.value
        return {key: values[key] for key in self.distributions}

    def uniform(self, multiplier_bits: int, method: Method, finetune: Finetune) -> DesignPoint:
        """The same width everywhere; rescalers without weights round."""
        choices = {
            v.name: RescalerChoice(multiplier_bits, method if method in v.methods else Method.ROUND)
            for v in self.rescalers
        }
        return DesignPoint.of(choices, finetune)

    @cached_property
    def values(self) -> dict[str, tuple[str | int, ...]]:
        """The values that the search may give every parameter."""
        widths = {bits_key(v.name): v.multiplier_bits for v in self.rescalers}
        return {
            key: widths[key] if isinstance(found, IntDistribution) else tuple(str(c) for c in _choices(found))
            for key, found in self.distributions.items()
        }

    def snapped(self, parameters: Mapping[str, object]) -> dict[str, object]:
        """The same parameters with every width at the nearest one of the space."""
        nearest = {
            key: min(allowed, key=lambda width: abs(int(width) - int(str(parameters[key]))))
            for key, allowed in self.values.items()
            if isinstance(allowed[0], int)
        }
        return {**parameters, **nearest}

    def mutated(self, parameters: Mapping[str, object], generator: np.random.Generator) -> dict[str, object]:
        """The same parameters but for one, drawn anew."""
        others = {key: [v for v in allowed if v != parameters[key]] for key, allowed in self.values.items()}
        free = sorted(key for key, values in others.items() if values)
        if not free:
            return dict(parameters)
        key = free[generator.integers(len(free))]
        return {**parameters, key: others[key][generator.integers(len(others[key]))]}


def _choices(distribution: BaseDistribution) -> tuple[object, ...]:
    return tuple(distribution.choices) if isinstance(distribution, CategoricalDistribution) else ()


def space_of(network: QuantizedNetwork, search: SearchSpec, finetune: Finetune) -> SearchSpace:
    """The space of a network, with room for the baselines beside it."""
    bits = tuple(sorted(search.multiplier_bits))
    variables = tuple(
        RescalerVariable(
            operator.name,
            bits,
            tuple(m for m in search.methods if m in methods_of(operator)) or (Method.ROUND,),
            min(search.uniform_multiplier_bits, default=FULL_MULTIPLIER_BITS),
        )
        for operator in network.rescaling_operators()
    )
    return SearchSpace(variables, (Finetune.NONE,) if finetune is Finetune.NONE else (Finetune.NONE, finetune))
