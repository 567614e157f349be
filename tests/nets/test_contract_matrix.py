"""The comparison of contracts, against counts made in another way."""

from pathlib import Path

import known_models
import numpy as np
import pytest

from nets.errors import NetworkError
from nets.execute.executor import Backend, IntegerExecutor
from nets.importers.tflite import load_tflite
from nets.network.contracts import CONTRACTS
from nets.network.profiles import PROFILES
from nets.oracle.matrix import contract_matrix
from nets.oracle.verify import random_samples


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(known_models.streaming_wakeword(np.random.default_rng(6)))
    return path


def test_every_contract_and_profile_has_a_row(model: Path) -> None:
    samples = random_samples(load_tflite(model), 70, 0)[0]
    labels = np.arange(70) % 3
    matrix = contract_matrix(model, samples, labels, baseline="floor")
    assert matrix.rows[0].contract == "floor"
    assert {row.contract for row in matrix.rows} == {*CONTRACTS, *PROFILES}
    assert matrix.samples == 70


def test_figures_equal_a_plain_count(model: Path) -> None:
    samples = random_samples(load_tflite(model), 70, 0)[0]
    labels = np.arange(70) % 3
    matrix = contract_matrix(model, samples, labels)
    runs = {
        row.contract: IntegerExecutor(load_tflite(model, contract=row.contract), backend=Backend.TORCH).tensors(samples)
        for row in matrix.rows
    }
    network = load_tflite(model)
    base = runs["half_up"]
    for row in matrix.rows:
        tensors = runs[row.contract]
        steps = np.concatenate(
            [(tensors[op.output].astype(int) - base[op.output]).reshape(-1) for op in network.operators]
        )
        counts = [(steps <= -2).sum(), (steps == -1).sum(), (steps == 0).sum(), (steps == 1).sum(), (steps >= 2).sum()]
        assert list(row.histogram) == counts
        assert row.differing == pytest.approx((steps != 0).mean(), abs=1e-12)
        assert row.off_by_one == pytest.approx((abs(steps) == 1).mean(), abs=1e-12)
        chosen, before = (run[network.outputs[0]].argmax(1) for run in (tensors, base))
        assert row.agreement == (chosen == before).mean()
        assert row.accuracy == (chosen == labels).mean()
        first = next((op.name for op in network.operators if (tensors[op.output] != base[op.output]).any()), None)
        assert row.first_divergent == first
    assert {row.contract: row for row in matrix.rows}["floor"].first_divergent is not None


def test_labels_may_be_missing(model: Path) -> None:
    samples = random_samples(load_tflite(model), 3, 0)[0]
    assert all(row.accuracy is None for row in contract_matrix(model, samples).rows)


@pytest.mark.parametrize(
    ("labels", "message"), [(np.array([0, 1, 3]), "0 to 3; the network has 3"), (np.array([0]), "labels of shape")]
)
def test_labels_that_do_not_fit_are_refused(model: Path, labels: np.ndarray, message: str) -> None:
    samples = random_samples(load_tflite(model), 3, 0)[0]
    with pytest.raises(NetworkError, match=message):
        contract_matrix(model, samples, labels)
