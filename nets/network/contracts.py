"""Requantization contracts: one table of rounding rules; their arithmetic is in nets/network/requantization.py.

A contract defines how an integer accumulator becomes an output integer,
``q = clamp(zero_point + round(acc * multiplier * 2**-right_shift))``, down to the last bit. The executor, the
differentiable twin, the Verilog and the exported model are renderings of the same rows. docs/numerics.md is normative.
"""

from dataclasses import dataclass

from nets.errors import NetworkError

FULL_MULTIPLIER_BITS = 31  # int32 (Q31), the baseline of every study
INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)


@dataclass(frozen=True, slots=True)
class Contract:
    """One rounding rule with its widths and shift range.

    Attributes:
        source: where the rule is defined, or against what it was checked.
        full_multiplier_bits: width in bits that int32 (Q31), ``multiplier_bits = 31``, has under this rule.
        right_shift_min: smallest right shift in bits; a smaller one saturates to the largest multiplier.
        right_shift_max: largest right shift in bits; a larger one is emptied or flushed.
        flushes_to_zero: whether a channel beyond ``right_shift_max`` gets multiplier 0 (LiteRT's own edge rule)
            instead of the largest shift, which empties the result.
        float32_scale: whether the effective scale is computed in float32, step by step.
        reduced_from_bits: width in bits of the multiplier that the full width is rounded from, half up and without a
            carry into another bit (LiteRT's int64 kernels); 0 if a scale is rounded once.
        hardware: whether the rule is an integer datapath; the others reproduce a runtime.
    """

    name: str
    source: str
    full_multiplier_bits: int = FULL_MULTIPLIER_BITS
    right_shift_min: int = -31
    right_shift_max: int = 62
    flushes_to_zero: bool = False
    float32_scale: bool = False
    reduced_from_bits: int = 0
    hardware: bool = True


_ROWS = (
    Contract("half_up", "TOSA 1.0 RESCALE, SINGLE_ROUND; hwmodels/rtl/rescaler.v"),
    Contract("tflite_double", "gemmlowp fixedpoint.h; LiteRT BUILTIN_REF conv, ADD", flushes_to_zero=True),
    Contract("floor", "NE16 and PULP-NN requantization"),
    # One more than the others: at 62, the emptied channel of accumulator -2**31 would be a tie and give -1.
    Contract("half_away", "NVDLA SDP converters", right_shift_max=63),
    Contract(
        "xnnpack_fp32",
        "XNNPACK qs8 fp32 requantization",
        full_multiplier_bits=24,
        right_shift_max=126,
        float32_scale=True,
        hardware=False,
    ),
    Contract(
        "float64_half_away",
        "LiteRT BUILTIN_REF FULLY_CONNECTED",
        full_multiplier_bits=53,
        right_shift_max=1000,
        hardware=False,
    ),
    Contract("ruy_double", "ruy's kernels of int16 on x86-64; LiteRT BUILTIN", flushes_to_zero=True, hardware=False),
    # The arithmetic of half_up; only the way to a multiplier of full width differs.
    Contract(
        "tflite_int64",
        "LiteRT conv and depthwise of int16 activations with int64 bias",
        full_multiplier_bits=15,
        flushes_to_zero=True,
        reduced_from_bits=FULL_MULTIPLIER_BITS,
        hardware=False,
    ),
)
CONTRACTS: dict[str, Contract] = {row.name: row for row in _ROWS}


def contract_named(name: str) -> Contract:
    """Returns the contract of a name, or raises a NetworkError that lists the names."""
    if name not in CONTRACTS:
        raise NetworkError(f"unknown contract {name!r}; choose one of {', '.join(CONTRACTS)}")
    return CONTRACTS[name]
