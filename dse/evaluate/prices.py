"""Costs of every choice of every rescaler, which are known before anything is evaluated.

A rescaler's cost depends on its own choices, and on little else: on ranges that narrowing the layers before it changes
by a bit now and then. So the costs of a design are about the sum of what its choices save of int32's, if layers have
hardware of their own. They cost a narrowing of the network per choice, and no inference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dse.design import (
    Finetune,
    FloatMatrix,
    RescalerVariable,
    bits_key,
    method_key,
    shift_key,
    values_of,
    weights_key,
)
from dse.evaluate.costing import cost_models, unevaluated
from dse.evaluate.designs import narrowed, workloads_of
from dse.study import PreparedStudy
from hwmodels import ClockedModel, CostModel, Technology, UnitCost
from hwmodels.architectures import Architecture
from hwmodels.workload import RescalerWorkload
from nets.network import FULL_MULTIPLIER_BITS, Method

_MOST = 64  # different choices: each takes a narrowing of all networks


Parameters = Mapping[str, str | int]
Setting = tuple[str | int | None, ...]  # width, method, width of weights, window


def prices_of(
    study: PreparedStudy,
    factors: Sequence[tuple[RescalerVariable | None, Sequence[Parameters]]],
    objectives: Sequence[str],
) -> FloatMatrix | None:
    """Returns the costs of every choice, relative to int32's; those of a design are their sum over the factors.

    Args:
        study: the study.
        factors: a variable with the parameters of its choices, or None for a choice of the whole network, which is
            taken to cost nothing.
        objectives: names of the costs.

    Returns:
        ``[objectives, factors, choices]``; None if there are too many different choices.
    """
    settings = [[_setting(v, each) for each in choices] if v else [] for v, choices in factors]
    different = {setting for each in settings for setting in each}
    if len(different) > _MOST:
        return None
    hardware = study.spec.hardware
    model = _remembering(cost_models(hardware)[0])

    def costs(chosen: Mapping[str, RescalerWorkload]) -> FloatMatrix:
        return np.array(values_of(unevaluated(tuple(chosen.values()), model, hardware), objectives))

    int32 = _uniform(study, (FULL_MULTIPLIER_BITS, Method.ROUND, None, None))
    uniform = {setting: _uniform(study, setting) for setting in different}
    whole = costs(int32)
    prices = np.full((len(objectives), len(factors), max(len(c) for _, c in factors)), 1.0 / len(factors))
    for at, (variable, _) in enumerate(factors):
        for n, setting in enumerate(settings[at]):
            own = {name: uniform[setting][name] for name in (variable.rescalers if variable else ())}
            prices[:, at, n] += costs({**int32, **own}) / whole - 1.0
    return prices if np.isfinite(prices).all() else None


@dataclass(frozen=True)
class _Remembering:
    """A cost model that computes the cost of every lane once."""

    model: CostModel
    known: dict[RescalerWorkload, UnitCost] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def technology(self) -> Technology:
        return self.model.technology

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Returns the cost of one lane that serves ``workload``."""
        if workload not in self.known:
            self.known[workload] = self.model.unit_cost(workload)
        return self.known[workload]

    def delay_ns(self, workload: RescalerWorkload) -> float | None:
        """Returns the longest path between the registers of that lane, in ns."""
        return self.model.delay_ns(workload)

    def architecture_of(self, workload: RescalerWorkload) -> Architecture | None:
        """Returns the shipped architecture that serves a workload, None for a module of the user's own."""
        return self.model.architecture_of(workload)


def _remembering(model: CostModel) -> CostModel:
    return replace(model, model=_Remembering(model.model)) if isinstance(model, ClockedModel) else _Remembering(model)


def _setting(variable: RescalerVariable, parameters: Parameters) -> Setting:
    name = variable.name
    keys = (bits_key(name), method_key(name), weights_key(name), shift_key(name))
    return tuple(parameters.get(key) for key in keys)


def _uniform(study: PreparedStudy, setting: Setting) -> dict[str, RescalerWorkload]:
    """Returns the workloads if every rescaler has a setting, by the rescaler's name."""
    space = study.space
    int32 = space.parameters(space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, Finetune.NONE))
    parameters = dict(int32)
    for variable in space.rescalers:
        name = variable.name
        keys = (bits_key(name), method_key(name), weights_key(name), shift_key(name))
        parameters |= {k: value for k, value in zip(keys, setting, strict=True) if k in int32 and value is not None}
    point = replace(space.point(parameters), calibration=0, finetune=Finetune.NONE)
    networks = {member.name: narrowed(member, member.own_point(point)) for member in study.members}
    return {workload.name: workload for workload in workloads_of(study, networks)}
