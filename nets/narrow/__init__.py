"""Narrowing of rescalers: rounding, absorption into weights and activation scales, certificates."""

from nets.narrow.certificates import Interval, certify
from nets.narrow.folding import RescalerConstants, StageConstants, SumInput, rescaler_constants
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.narrow.weights import RealWeights, inherit_weights, real_weights, with_weight_bits

__all__ = [
    "Interval",
    "RealWeights",
    "RescalerChoice",
    "RescalerConstants",
    "StageConstants",
    "SumInput",
    "certify",
    "inherit_weights",
    "narrow",
    "real_weights",
    "rescaler_constants",
    "with_weight_bits",
]
