"""Narrowing of rescalers: rounding, absorption into weights and activation scales, certificates."""

from nets.narrow.certificates import Interval, StageCertificate, certify
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.narrow.weights import RealWeights, inherit_weights, real_weights, with_weight_bits

__all__ = [
    "Interval",
    "RealWeights",
    "RescalerChoice",
    "StageCertificate",
    "certify",
    "inherit_weights",
    "narrow",
    "real_weights",
    "with_weight_bits",
]
