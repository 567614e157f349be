"""The integer network: operators, tensors, rescalers, contracts, integers and fingerprints."""

from typing import TYPE_CHECKING

from nets.lazy import names_on_demand
from nets.network.contracts import CONTRACTS, FULL_MULTIPLIER_BITS, INT32_MAX, INT32_MIN, Contract, contract_named
from nets.network.fingerprints import Arrays, fingerprint, operator_digest, trained_arrays, with_trained_arrays
from nets.network.float_forms import (
    Curve,
    FloatAveragePool,
    FloatLookup,
    PairKind,
    PairLookup,
    curve_table,
    pair_table,
)
from nets.network.lookup import Function, Lookup, Tabulated, fixed_quantization, lookup_table, retabulated
from nets.network.operators import (
    SUM_LEFT_SHIFT,
    AveragePool,
    Concatenation,
    Convolution,
    ElementwiseKind,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    FullyConnected,
    Interpolation,
    MaxPool,
    Mean,
    Method,
    NarrowableOperator,
    Neighbours,
    Operator,
    Pad,
    Pads,
    Pool,
    Rearrangement,
    Requantize,
    RescaledOperator,
    Reshape,
    Transpose,
    Weighted,
)
from nets.network.profiles import ONNX_PROFILES, PROFILES, Profile, profile_named
from nets.network.quantization import along_channels, quantize_bias, quantize_weights, weight_limit
from nets.network.quantized_network import QuantizedNetwork, shared_quantization
from nets.network.rescaler import Rescaler, neighbouring_scales, rescaler_from_scale, stored_bits
from nets.network.scales import effective_scales, product_scale, sum_scales, weighted_scale, with_multiplier_bits
from nets.network.tensors import FloatArray, Int8Array, IntArray, TensorSpec

if TYPE_CHECKING:
    from nets.network.requantization import rescaling
else:
    __getattr__ = names_on_demand(__name__, "requantization")  # torch

__all__ = [
    "CONTRACTS",
    "FULL_MULTIPLIER_BITS",
    "INT32_MAX",
    "INT32_MIN",
    "ONNX_PROFILES",
    "PROFILES",
    "SUM_LEFT_SHIFT",
    "Arrays",
    "AveragePool",
    "Concatenation",
    "Contract",
    "Convolution",
    "Curve",
    "ElementwiseKind",
    "ElementwiseProduct",
    "ElementwiseSum",
    "Extremum",
    "FloatArray",
    "FloatAveragePool",
    "FloatLookup",
    "FullyConnected",
    "Function",
    "Int8Array",
    "IntArray",
    "Interpolation",
    "Lookup",
    "MaxPool",
    "Mean",
    "Method",
    "NarrowableOperator",
    "Neighbours",
    "Operator",
    "Pad",
    "Pads",
    "PairKind",
    "PairLookup",
    "Pool",
    "Profile",
    "QuantizedNetwork",
    "Rearrangement",
    "Requantize",
    "RescaledOperator",
    "Rescaler",
    "Reshape",
    "Tabulated",
    "TensorSpec",
    "Transpose",
    "Weighted",
    "along_channels",
    "contract_named",
    "curve_table",
    "effective_scales",
    "fingerprint",
    "fixed_quantization",
    "lookup_table",
    "neighbouring_scales",
    "operator_digest",
    "pair_table",
    "product_scale",
    "profile_named",
    "quantize_bias",
    "quantize_weights",
    "rescaler_from_scale",
    "rescaling",
    "retabulated",
    "shared_quantization",
    "stored_bits",
    "sum_scales",
    "trained_arrays",
    "weight_limit",
    "weighted_scale",
    "with_multiplier_bits",
    "with_trained_arrays",
]
