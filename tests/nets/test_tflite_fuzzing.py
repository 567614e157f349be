"""A share of the fuzzing; fuzz_tflite.py does all of it."""

import fuzz_tflite
import numpy as np
import pytest

from nets.errors import NetworkError
from nets.importers.tflite import network_from_bytes


@pytest.mark.parametrize("start", range(0, 400, 100))
def test_mutants_are_refused_or_run(start: int) -> None:
    sources = fuzz_tflite.originals()
    kinds = set()
    for number in range(start, start + 100):
        rng = np.random.default_rng([2, number])
        kinds.add(fuzz_tflite.feed(fuzz_tflite.mutated(sources[number % len(sources)], rng), number).kind)
    assert {"ran", "refused"} <= kinds  # mutations are neither all harmless nor all fatal


def test_every_truncation_is_refused() -> None:
    content = fuzz_tflite.originals()[1]
    for size in range(0, len(content) - 1, 7):
        with pytest.raises(NetworkError):
            network_from_bytes(content[:size], "cut.tflite")
