"""Every contract against exact rational arithmetic on Python's own integers; no code is shared with what is tested."""

import functools
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nets.errors import NetworkError
from nets.network.contracts import CONTRACTS, INT32_MAX, INT32_MIN, Contract, contract_named
from nets.network.requantization import requantize
from nets.network.rescaler import Rescaler, rescaler_from_scale, stored_bits

WIDTHS = range(1, 32)
CLAMP = 2**15  # outputs have at most 16 bits; beyond, a result only has to be on the right side
HALF = Fraction(1, 2)


# --- the oracle ---------------------------------------------------------------------------------------------------


def half_away_from_zero(value: Fraction) -> int:
    return int(math.copysign(1, value)) * math.floor(abs(value) + HALF)


def half_to_even(value: Fraction) -> int:
    low = math.floor(value)
    rest = value - low
    return low + (rest > HALF or (rest == HALF and low % 2 == 1))


def to_float(value: Fraction, bits: int) -> Fraction:
    """The nearest number with a significand of that many bits, ties to even (no subnormals, no overflow)."""
    if value == 0:
        return value
    exponent = value.numerator.bit_length() - value.denominator.bit_length() - bits
    value /= Fraction(2) ** exponent  # now within a factor of two of a whole significand
    while abs(value) >= 2**bits:
        value, exponent = value / 2, exponent + 1
    while abs(value) < 2 ** (bits - 1):
        value, exponent = value * 2, exponent - 1
    return half_to_even(value) * Fraction(2) ** exponent


def gemmlowp(
    acc: int, multiplier: int, right_shift: int, bits: int, second: Callable[[Fraction], int] = half_away_from_zero
) -> int:
    """Two roundings: half up at bit 31, then half away from zero, or by another rule, at the remaining shift."""
    left = bits - right_shift
    operand = acc if left <= 0 else max(INT32_MIN, min(INT32_MAX, acc * 2**left))
    high = math.floor(Fraction(operand * multiplier * 2 ** (31 - bits), 2**31) + HALF)
    return second(Fraction(high, 2 ** max(-left, 0)))


def scale_of(multiplier: int, right_shift: int) -> Fraction:
    return multiplier * Fraction(2) ** -right_shift


ORACLES: dict[str, Callable[[int, int, int, int], int]] = {
    "half_up": lambda acc, m, r, _k: math.floor(acc * scale_of(m, r) + HALF),
    "floor": lambda acc, m, r, _k: math.floor(acc * scale_of(m, r)),
    "half_away": lambda acc, m, r, _k: half_away_from_zero(acc * scale_of(m, r)),
    "tflite_double": gemmlowp,
    "xnnpack_fp32": lambda acc, m, r, _k: half_to_even(to_float(to_float(Fraction(acc), 24) * scale_of(m, r), 24)),
    "float64_half_away": lambda acc, m, r, _k: half_away_from_zero(to_float(acc * scale_of(m, r), 53)),
    "ruy_double": lambda acc, m, r, k: gemmlowp(acc, m, r, k, second=lambda value: math.floor(value + HALF)),
    "tflite_int64": lambda acc, m, r, _k: math.floor(acc * scale_of(m, r) + HALF),
}


# --- cases --------------------------------------------------------------------------------------------------------


def multipliers(bits: int) -> list[int]:
    low, high = 2 ** (bits - 1), 2**bits - 1
    rng = np.random.default_rng(bits)
    return sorted({low, min(low + 1, high), high, *(int(m) for m in rng.integers(low, high + 1, 2))})


def right_shifts(contract: Contract, bits: int) -> list[int]:
    usual = {-31, -8, -1, 0, 1, 2, bits, bits + 7, bits + 12, bits + 31, contract.right_shift_max}
    largest = bits + 31 if contract.flushes_to_zero else contract.right_shift_max
    return sorted(r for r in usual if contract.right_shift_min <= r <= largest)


def accumulators(multiplier: int, right_shift: int, seed: int) -> list[int]:
    """The extremes, zero, random ones of every magnitude, and the neighbours of ties."""
    rng = np.random.default_rng(seed)
    values = {INT32_MIN, INT32_MIN + 1, -1, 0, 1, INT32_MAX - 1, INT32_MAX, 2**24 + 1, -(2**24) - 1}
    values |= {int(x) for magnitude in range(1, 32, 5) for x in rng.integers(-(2**magnitude), 2**magnitude, 2)}
    for target in (-129, -2, -1, 0, 1, 127):
        tie = (target + HALF) / scale_of(multiplier, right_shift)
        values |= {math.floor(tie) + step for step in (-1, 0, 1)}
    return sorted(acc for acc in values if INT32_MIN <= acc <= INT32_MAX)


def clamp(value: int) -> int:
    return max(-CLAMP, min(CLAMP, value))


def computed(contract: Contract, accs: list[int], multiplier: int, right_shift: int, bits: int) -> list[int]:
    result = requantize(
        torch.tensor(accs)[:, None], torch.tensor([multiplier]), torch.tensor([right_shift]), bits, contract
    )
    assert result.dtype == torch.int64
    return [clamp(q) for q in result[:, 0].tolist()]


@functools.cache
def cases(contract: Contract, bits: int) -> list[tuple[int, int, list[int]]]:
    return [
        (m, r, accumulators(m, r, seed=bits * 100 + r)) for m in multipliers(bits) for r in right_shifts(contract, bits)
    ]


# --- the suite ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=sorted(CONTRACTS))
def contract(request: pytest.FixtureRequest) -> Contract:
    return contract_named(request.param)


def widths_of(contract: Contract) -> list[int]:
    return sorted({stored_bits(bits, contract) for bits in WIDTHS})


def test_every_contract_has_an_oracle() -> None:
    assert set(ORACLES) == set(CONTRACTS)


def test_equals_exact_rational_arithmetic_at_every_width(contract: Contract) -> None:
    for bits in widths_of(contract):
        for multiplier, right_shift, accs in cases(contract, bits):
            expected = [clamp(ORACLES[contract.name](acc, multiplier, right_shift, bits)) for acc in accs]
            assert computed(contract, accs, multiplier, right_shift, bits) == expected, (bits, multiplier, right_shift)


def test_is_monotone_in_the_accumulator(contract: Contract) -> None:
    for bits in widths_of(contract):
        for multiplier, right_shift, accs in cases(contract, bits):
            results = computed(contract, accs, multiplier, right_shift, bits)
            assert results == sorted(results)


def test_stays_within_its_bound_of_the_exact_product(contract: Contract) -> None:
    """Nearest rules err by 1/2 LSB, floor by 1, two roundings by up to 1; float rules add their own rounding."""
    bound = Fraction(1) if contract.name in ("floor", "tflite_double", "ruy_double") else HALF
    for bits in widths_of(contract):
        for multiplier, right_shift, accs in cases(contract, bits):
            for acc, q in zip(accs, computed(contract, accs, multiplier, right_shift, bits), strict=True):
                exact = acc * scale_of(multiplier, right_shift)
                slack = 0 if contract.hardware else abs(exact) * Fraction(1, 2**22)
                if abs(exact) < CLAMP - 1:
                    assert abs(q - exact) <= bound + slack


def test_a_flushed_multiplier_gives_zero(contract: Contract) -> None:
    extremes = [INT32_MIN, -1, 0, 1, INT32_MAX]
    for bits in widths_of(contract):
        assert computed(contract, extremes, 0, bits + 31, bits) == [0] * 5


@settings(max_examples=300)
@given(st.sampled_from(sorted(CONTRACTS)), st.data())
def test_equals_exact_rational_arithmetic_on_any_integers(name: str, data: st.DataObject) -> None:
    contract = contract_named(name)
    bits = data.draw(st.sampled_from(widths_of(contract)))
    multiplier = data.draw(st.integers(2 ** (bits - 1), 2**bits - 1))
    largest = bits + 31 if contract.flushes_to_zero else min(contract.right_shift_max, bits + 40)
    right_shift = data.draw(st.integers(-31, largest))
    accs = data.draw(st.lists(st.integers(INT32_MIN, INT32_MAX), min_size=1, max_size=20))
    expected = [clamp(ORACLES[name](acc, multiplier, right_shift, bits)) for acc in accs]
    assert computed(contract, accs, multiplier, right_shift, bits) == expected


@settings(max_examples=60)
@given(st.sampled_from(sorted(CONTRACTS)), st.data())
def test_equals_exact_rational_arithmetic_on_wide_accumulators(name: str, data: st.DataObject) -> None:
    """Those of int16 activations: 48 bits and more."""
    contract = contract_named(name)
    bits = data.draw(st.sampled_from(widths_of(contract)))
    multiplier = data.draw(st.integers(2 ** (bits - 1), 2**bits - 1))
    largest = bits + 31 if contract.flushes_to_zero else min(contract.right_shift_max, bits + 40)
    right_shift = data.draw(st.integers(-31, largest))
    magnitude = 2 ** data.draw(st.integers(30, 50))
    tie = math.floor((data.draw(st.integers(-CLAMP, CLAMP)) + HALF) / scale_of(multiplier, right_shift))
    near = [tie + step for step in (-1, 0, 1) if abs(tie) < 2**50]
    accs = near + data.draw(st.lists(st.integers(-magnitude, magnitude), min_size=1, max_size=20))
    expected = [clamp(ORACLES[name](acc, multiplier, right_shift, bits)) for acc in accs]
    assert computed(contract, accs, multiplier, right_shift, bits) == expected


@pytest.mark.parametrize("name", ["half_away", "float64_half_away", "xnnpack_fp32"])
def test_symmetric_rules_are_odd(name: str) -> None:
    contract = contract_named(name)
    for bits in widths_of(contract):
        for multiplier, right_shift, accs in cases(contract, bits):
            positive = [acc for acc in accs if acc > 0]
            negated = computed(contract, [-acc for acc in positive], multiplier, right_shift, bits)
            assert negated == [-q for q in computed(contract, positive, multiplier, right_shift, bits)]


def test_channels_have_their_own_multiplier_and_shift(contract: Contract) -> None:
    bits = stored_bits(31, contract)
    multiplier, shift = [2 ** (bits - 1), 2**bits - 1, 2**bits - 5], [bits + 3, bits, bits + 9]
    acc = torch.arange(-300, 300).reshape(2, 100, 3)
    result = requantize(acc, torch.tensor(multiplier), torch.tensor(shift), bits, contract)
    for channel in range(3):
        column = acc[..., channel].reshape(-1).tolist()
        expected = [ORACLES[contract.name](a, multiplier[channel], shift[channel], bits) for a in column]
        assert result[..., channel].reshape(-1).tolist() == expected


@pytest.mark.parametrize(
    ("name", "acc", "expected"),
    # multiplier 1, right shift 1: halves, on which the rules differ.
    [
        ("half_up", [-3, -1, 1, 3], [-1, 0, 1, 2]),
        ("floor", [-3, -1, 1, 3], [-2, -1, 0, 1]),
        ("half_away", [-3, -1, 1, 3], [-2, -1, 1, 2]),
        ("xnnpack_fp32", [-3, -1, 1, 3], [-2, 0, 0, 2]),
        ("float64_half_away", [-3, -1, 1, 3], [-2, -1, 1, 2]),
        ("tflite_double", [-3, -1, 1, 3], [-1, 0, 1, 2]),
    ],
)
def test_ties(name: str, acc: list[int], expected: list[int]) -> None:
    assert computed(contract_named(name), acc, 1, 1, 1) == expected


def test_two_roundings_can_differ_from_one_without_a_tie() -> None:
    # 0.49999...: the first rounding makes it a tie, the second rounds it up.
    multiplier, right_shift, acc = 2**31 - 1, 33, 2
    assert computed(contract_named("half_up"), [acc], multiplier, right_shift, 31) == [0]
    assert computed(contract_named("tflite_double"), [acc], multiplier, right_shift, 31) == [1]


def test_an_unknown_contract_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(NetworkError, match=r"'up'.*half_up"):
        contract_named("up")


# --- multipliers and shifts from scales ---------------------------------------------------------------------------

scales = st.floats(1e-9, 1e3, allow_nan=False)


def represented(rescaler: Rescaler) -> Fraction:
    return scale_of(int(rescaler.multiplier[0]), int(rescaler.right_shift[0]))


@settings(max_examples=300)
@given(scales, st.integers(1, 31), st.sampled_from(sorted(CONTRACTS)))
def test_the_multiplier_is_normalised_and_nearest(scale: float, bits: int, name: str) -> None:
    contract = contract_named(name)
    rescaler = rescaler_from_scale(np.array([scale]), bits, contract)
    stored = stored_bits(bits, contract)
    multiplier = int(rescaler.multiplier[0])
    if multiplier == 0:
        assert contract.flushes_to_zero
        assert scale < 2.0**-31
        return
    assert 2 ** (stored - 1) <= multiplier < 2**stored
    ulp = Fraction(2) ** (math.frexp(scale)[1] - stored)
    # A multiplier that is reduced from another is rounded twice, and the largest ones are cut.
    reduced = contract.reduced_from_bits and stored == contract.full_multiplier_bits
    assert abs(represented(rescaler) - Fraction(scale)) <= (ulp if reduced else ulp / 2)
    assert rescaler.scale[0] == float(represented(rescaler))


@pytest.mark.parametrize("bits", WIDTHS)
def test_a_mantissa_tie_rounds_away_and_an_overflow_lowers_the_shift(bits: int) -> None:
    contract = contract_named("half_up")
    tie = math.ldexp(2 ** (bits - 1) + 0.5, -bits)
    assert rescaler_from_scale(np.array([tie]), bits, contract).multiplier[0] in (2 ** (bits - 1) + 1, 1)
    nearly_one = rescaler_from_scale(np.array([1 - 2.0 ** -(bits + 2)]), bits, contract)
    assert represented(nearly_one) == 1


@pytest.mark.parametrize("name", sorted(CONTRACTS))
@pytest.mark.parametrize("bits", [1, 4, 8, 31])
def test_scales_beyond_the_shift_range(name: str, bits: int) -> None:
    contract = contract_named(name)
    tiny = rescaler_from_scale(np.array([2.0**-120]), bits, contract)
    accs = [INT32_MIN, INT32_MIN + 1, -1, 0, 1, INT32_MAX]
    emptied = [-1, -1, -1, 0, 0, 0] if name == "floor" else [0] * 6
    stored = stored_bits(bits, contract)
    assert computed(contract, accs, int(tiny.multiplier[0]), int(tiny.right_shift[0]), stored) == emptied
    assert (int(tiny.multiplier[0]) == 0) == contract.flushes_to_zero
    huge = rescaler_from_scale(np.array([2.0**90]), bits, contract)
    assert int(huge.right_shift[0]) == contract.right_shift_min
    results = computed(contract, accs, int(huge.multiplier[0]), int(huge.right_shift[0]), stored)
    assert results == [-CLAMP, -CLAMP, -CLAMP, 0, CLAMP, CLAMP]


def test_litert_flushes_below_a_shift_of_minus_31() -> None:
    contract = contract_named("tflite_double")
    kept, flushed = (rescaler_from_scale(np.array([2.0**-e]), 31, contract) for e in (32, 33))
    assert (int(kept.multiplier[0]), int(kept.right_shift[0])) == (2**30, 62)
    assert int(flushed.multiplier[0]) == 0


@given(st.integers(2**30, 2**31 - 1), st.integers(-31, 7))
def test_the_int64_kernels_reduce_a_q31_multiplier(q31: int, left_shift: int) -> None:
    """As MultiplyByQuantizedMultiplier of an int64 does, in TFLite's ``kernels/internal/common.h``."""
    rescaler = rescaler_from_scale(np.array([math.ldexp(q31, left_shift - 31)]), 31, contract_named("tflite_int64"))
    reduced = (q31 + (1 << 15)) >> 16 if q31 < 0x7FFF0000 else 0x7FFF
    assert (int(rescaler.multiplier[0]), int(rescaler.right_shift[0])) == (reduced, 15 - left_shift)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_scales_must_be_positive_and_finite(scale: float) -> None:
    with pytest.raises(NetworkError, match="positive and finite"):
        rescaler_from_scale(np.array([0.5, scale]), 8, contract_named("half_up"))


@pytest.mark.parametrize("bits", [0, 32, -1])
def test_widths_are_1_to_31(bits: int) -> None:
    with pytest.raises(NetworkError, match=f"multiplier_bits = {bits}"):
        rescaler_from_scale(np.array([0.5]), bits, contract_named("half_up"))
