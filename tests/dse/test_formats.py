import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import formats
from dse.formats import MINUS, MISSING, TIMES


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (101_008, 3, "101,000"),
        (12.817, 3, "12.8"),
        (0.40551, 3, "0.406"),
        (999.9, 3, "1,000"),
        (0, 3, "0"),
        (7, 4, "7.000"),
    ],
)
def test_figures_are_rounded_to_significant_digits(value: float, digits: int, text: str) -> None:
    assert formats.rounded(value, digits) == text


@given(st.floats(1e-3, 1e9), st.integers(2, 5))
def test_rounding_changes_little_and_keeps_the_digits(value: float, digits: int) -> None:
    text = formats.rounded(value, digits)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.51 * 10.0 ** (1 - digits), abs=1e-6)


@pytest.mark.parametrize(
    ("value", "text"), [(0.34, "+0.3"), (-0.34, f"{MINUS}0.3"), (0.04, "0.0"), (-0.04, "0.0"), (math.nan, MISSING)]
)
def test_changes_have_a_sign_unless_they_vanish(value: float, text: str) -> None:
    assert formats.change(value, 1) == text


def test_ranges_that_read_alike_are_one_number() -> None:
    assert formats.span(7.12, 7.14, formats.factor) == f"7.1{TIMES}"
    assert formats.span(7.1, 7.7, formats.factor) == f"7.1{TIMES} to 7.7{TIMES}"


def test_equal_neighbours_are_written_once() -> None:
    assert formats.runs(["1a", "1a", "4r", "1a"]) == f"2{TIMES}1a 4r 1a"
    assert formats.runs([]) == ""
