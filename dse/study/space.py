"""Builds the search space of a study from its networks' rescaling operators and its [search] table."""

import fnmatch
from collections.abc import Sequence

from dse.design.point import Finetune
from dse.design.space import CONTRACT, LANES, STYLE, RescalerVariable, SearchSpace, SharedVariable, WeightsVariable
from dse.errors import StudyError
from dse.study.spec import HardwareSpec, SearchSpec
from nets.narrow.narrowing import methods_of
from nets.network.network import Method, Operator, Rescaling, Weighted
from nets.network.rescaler import FULL_MULTIPLIER_BITS


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
