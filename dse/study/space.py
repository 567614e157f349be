"""Builds the search space of a study from its networks' rescaling operators and its [search] table."""

import fnmatch
from collections.abc import Sequence

from dse.design import (
    CONTRACT,
    INT16_MULTIPLIER_BITS,
    LANES,
    STYLE,
    Finetune,
    RescalerVariable,
    SearchSpace,
    SharedVariable,
    ShiftVariable,
    WeightsVariable,
)
from dse.errors import StudyError
from dse.study.search import RescalerRule, SearchSpec
from dse.study.spec import HardwareSpec
from dse.study.values import NATURAL_SHIFTS
from nets.network import NarrowableOperator, Operator, Weighted


def space_over(
    rescaling: Sequence[NarrowableOperator],
    search: SearchSpec,
    finetune: Finetune,
    hardware: HardwareSpec | None = None,
    calibration: int = 0,
) -> SearchSpace:
    """Returns the space of some rescaling operators; its distributions also cover the baselines.

    Args:
        rescaling: rescaling operators of the baseline networks, in order of execution.
        search: the study's [search] table.
        finetune: highest level of fine-tuning.
        hardware: the study's [hardware] table: style and lanes of the baselines.
        calibration: number of samples that designs are calibrated with.

    Raises:
        StudyError: a rule matches no rescaler.
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
    return SearchSpace(
        rescalers=variables,
        finetune=levels,
        order=tuple(operators),
        shared=_shared(rescaling[0], search, hardware or HardwareSpec()),
        calibration=calibration,
    )


def _shared(one: NarrowableOperator, search: SearchSpec, hardware: HardwareSpec) -> tuple[SharedVariable, ...]:
    variables = (
        SharedVariable(CONTRACT, allowed=search.contracts, baseline=one.rescaler.contract.name),
        SharedVariable(STYLE, allowed=search.styles, baseline=hardware.style),
        SharedVariable(LANES, allowed=search.lanes, baseline=hardware.lanes),
    )
    return tuple(variable for variable in variables if variable.allowed)


def _variable(group: str, operators: list[Operator], search: SearchSpec) -> RescalerVariable:
    names = [operator.name for operator in operators]
    rules = [rule for rule in reversed(search.rescalers) if fnmatch.filter(names, rule.names)]
    bits = next((rule.multiplier_bits for rule in rules if rule.multiplier_bits), search.multiplier_bits)
    weight_bits = next((rule.weight_bits for rule in rules if rule.weight_bits), search.weight_bits)
    return RescalerVariable(
        name=group,
        multiplier_bits=tuple(sorted(bits)),
        methods=next((rule.methods for rule in rules if rule.methods), search.methods),
        narrowest_bits=min((*search.uniform_multiplier_bits, INT16_MULTIPLIER_BITS)),
        tied=tuple(names) if len(names) > 1 else (),
        weights=_weights(operators, weight_bits),
        shifts=_shifts(operators, rules, search) if search.has_windows else None,
    )


def _shifts(operators: list[Operator], rules: list[RescalerRule], search: SearchSpec) -> ShiftVariable | None:
    """Returns the window of the layers that have several shifts: those with a weight scale for each channel."""
    layers = [operator for operator in operators if isinstance(operator, Weighted) and operator.weight_scale.size > 1]
    if not layers:
        return None
    windows = next((rule.shift_bits for rule in rules if rule.shift_bits), search.shift_bits)
    widths = sorted(int(window) for window in windows if window != NATURAL_SHIFTS)
    natural = (None,) if NATURAL_SHIFTS in windows else ()
    return ShiftVariable(layers=tuple(layer.name for layer in layers), bits=(*widths, *natural))


def _weights(operators: list[Operator], bits: tuple[int, ...]) -> WeightsVariable | None:
    layers = [operator for operator in operators if isinstance(operator, Weighted)]
    if not bits or not layers:
        return None
    return WeightsVariable(
        layers=tuple(layer.name for layer in layers), bits=tuple(sorted(bits)), baseline_bits=layers[0].weight_bits
    )
