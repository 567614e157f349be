"""Narrowing of rescalers: rounding, absorption into weights and activation scales, certificates."""

from nets.narrow.certificates import Interval, RescalerCertificate, certify
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.narrow.weights import RealWeights, inherit_weights, real_weights, with_weight_bits

__all__ = [
    "Interval",
    "RealWeights",
    "RescalerCertificate",
    "RescalerChoice",
    "certify",
    "inherit_weights",
    "narrow",
    "real_weights",
    "with_weight_bits",
]
