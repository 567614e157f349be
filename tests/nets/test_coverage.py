"""docs/results/coverage.md agrees with the importer, and the importer with LiteRT."""

import one_of_each
import pytest
from exactness import assert_equal

from nets.errors import NetworkError
from nets.importers.tflite.coverage import COVERAGE
from nets.importers.tflite.importer import CONVERTERS, network_from_bytes
from nets.network import PROFILES
from studies.reference.write_coverage import PAGE, reference


def test_every_kind_is_covered() -> None:
    assert COVERAGE.keys() == CONVERTERS.keys()


def test_the_page_is_up_to_date() -> None:
    """``python -m studies.reference.write_coverage`` writes it."""
    assert PAGE.read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize("kind", sorted(COVERAGE))
def test_each_kind_becomes_what_is_said_and_is_exact(kind: str) -> None:
    content = one_of_each.model(kind)
    network = network_from_bytes(content, "m")
    assert any(type(operator) is COVERAGE[kind].made for operator in network.operators)
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    for profile in PROFILES:
        if profile not in COVERAGE[kind].never:
            assert_equal(content, 1, profiles=[profile])
            continue
        with pytest.raises((NetworkError, AssertionError)):
            assert_equal(content, 1, profiles=[profile])
