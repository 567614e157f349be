"""Designs and how they are compared: design point, search space, metrics, dominance, statistics."""

from dse.design import metrics
from dse.design.cost_source import CostSource
from dse.design.evaluation import Evaluation, Job, Level, MemberScore, TestScore
from dse.design.metrics import (
    ACCELERATOR_AREA,
    ACCELERATOR_ENERGY,
    DEFAULT_OBJECTIVES,
    DROP,
    RESCALER_AREA,
    RESCALER_ENERGY,
    VAL_ACCURACY,
    Figure,
    Section,
    figure_named,
    value_of,
    values_of,
)
from dse.design.pareto import FloatMatrix, hypervolume, non_dominated, rank_among, reference_point, relative_costs
from dse.design.point import DesignPoint, Finetune, Surroundings
from dse.design.roles import Role
from dse.design.space import (
    CONTRACT,
    LANES,
    STYLE,
    RescalerVariable,
    SearchSpace,
    SharedVariable,
    WeightsVariable,
    bits_key,
    method_key,
    weights_key,
)
from dse.design.statistics import PairedCounts, paired_interval, resolvable_margin

__all__ = [
    "ACCELERATOR_AREA",
    "ACCELERATOR_ENERGY",
    "CONTRACT",
    "DEFAULT_OBJECTIVES",
    "DROP",
    "LANES",
    "RESCALER_AREA",
    "RESCALER_ENERGY",
    "STYLE",
    "VAL_ACCURACY",
    "CostSource",
    "DesignPoint",
    "Evaluation",
    "Figure",
    "Finetune",
    "FloatMatrix",
    "Job",
    "Level",
    "MemberScore",
    "PairedCounts",
    "RescalerVariable",
    "Role",
    "SearchSpace",
    "Section",
    "SharedVariable",
    "Surroundings",
    "TestScore",
    "WeightsVariable",
    "bits_key",
    "figure_named",
    "hypervolume",
    "method_key",
    "metrics",
    "non_dominated",
    "paired_interval",
    "rank_among",
    "reference_point",
    "relative_costs",
    "resolvable_margin",
    "value_of",
    "values_of",
    "weights_key",
]
