"""Narrowing of rescalers: rounding, absorption into weights and activation scales, certificates."""

from typing import TYPE_CHECKING

from nets.lazy import names_on_demand
from nets.narrow.choice import RescalerChoice
from nets.narrow.synthetic import synthetic_inputs
from nets.narrow.weights import RealWeights, inherit_weights, real_weights, with_weight_bits

if TYPE_CHECKING:
    from nets.narrow.calibration import Calibration
    from nets.narrow.certificates import Interval, NetworkCertificate, certify
    from nets.narrow.folding import RescalerConstants, StageConstants, SumInput, rescaler_constants
    from nets.narrow.narrowing import narrow
else:
    __getattr__ = names_on_demand(__name__, "certificates", "folding", "narrowing", "calibration")  # torch

__all__ = [
    "Calibration",
    "Interval",
    "NetworkCertificate",
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
    "synthetic_inputs",
    "with_weight_bits",
]
