import pytest

from dse.design.metrics import DISAGREEMENT, DROP
from dse.verdict.words import _compared


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.56, "is 0.56 pp worse than int32"),
        (-1.49, "is 1.49 pp better than int32"),
        (0.001, "is as accurate as int32"),
        (-0.001, "is as accurate as int32"),
    ],
)
def test_a_drop_is_worse_or_better(value: float, words: str) -> None:
    assert _compared(value, DROP, "int32") == words


def test_a_disagreement_is_a_share_of_the_samples() -> None:
    assert _compared(2.4, DISAGREEMENT, "int32") == "differs from int32 on 2.40% of the samples"
