"""Formal proofs that folding changes no output, of units of real widths and for all inputs; and that they can fail."""

from pathlib import Path

import pytest
from formal_proof import Folding, add_folding, foldings, rescaler_folding, window
from hw_workloads import addition, built_for, needs_yosys

FOLDINGS = dict(foldings(20, 8))


@needs_yosys
@pytest.mark.parametrize("folding", FOLDINGS.values(), ids=FOLDINGS)
def test_a_folded_unit_equals_the_one_that_it_was_folded_from(folding: Folding, tmp_path: Path) -> None:
    assert folding.proven(tmp_path)


@needs_yosys
@pytest.mark.parametrize("error", [-1, 1])
@pytest.mark.parametrize("ports", [False, True])
def test_a_constant_that_is_off_by_one_is_found(error: int, ports: bool, tmp_path: Path) -> None:
    layer = built_for(window(20, 8, 2), -128)
    assert not rescaler_folding(layer, ports=ports, error=error).proven(tmp_path)


@needs_yosys
def test_a_wrong_bound_and_a_wrong_zero_point_of_an_add_are_found(tmp_path: Path) -> None:
    add = built_for(addition(multiplier_bits=1), 4)
    assert add_folding(add).proven(tmp_path)
    assert not add_folding(add, error=1).proven(tmp_path)
