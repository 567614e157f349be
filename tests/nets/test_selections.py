"""A network whose scores are masked by SELECT_V2, from its file through narrowing and training to new files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from certified import assert_certified
from random_layers import Layers

from nets.execute import IntegerExecutor
from nets.importers import network_from_bytes
from nets.narrow import Calibration, RescalerChoice, narrow
from nets.network import Method
from nets.oracle import export_tflite, random_samples
from nets.train.twin import RescaleAwareTwin
from nets.writers import tflite_bytes


def masked() -> bytes:
    """Scores of one sequence against itself, those of later steps replaced by the smallest integer."""
    layers = Layers(np.random.default_rng(2))
    x = layers.dense(layers.input(6, 8), 5, keep=True)
    scores = layers.matrices(x, x, (False, True))
    smallest = layers.constant(1, like=scores)
    layers.writer.tensors[smallest].data = np.array([-128], np.int8).tobytes()
    scores = layers.select("SELECT_V2", np.tril(np.ones((6, 6))) > 0, scores, smallest)
    return layers.content(layers.dense(layers.matrices(layers.softmax(scores), x), 4))


def test_a_masked_network_ignores_what_comes_later() -> None:
    network = network_from_bytes(masked(), "m")
    shares = next(op.output for op in network.operators if op.name.startswith("softmax"))
    (x,) = random_samples(network, 4, 0)
    changed = x.copy()
    changed[:, 4:] = np.roll(changed[:, 4:], 1, axis=0)
    before, after = (IntegerExecutor(network).tensors(each)[shares] for each in (x, changed))
    assert np.array_equal(before[:, :4], after[:, :4])
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("method", list(Method))
def test_a_masked_network_is_narrowed_trained_and_written(method: Method, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    (tmp_path / "m.tflite").write_bytes(masked())
    network = network_from_bytes(masked(), "m")
    x = random_samples(network, 4, 0)
    choices = {op.name: RescalerChoice(4, method) for op in network.narrowable_operators()}
    design = narrow(network, choices) if method is Method.ROUND else Calibration(network, *x).narrow(network, choices)
    report = export_tflite(design, tmp_path / "m.tflite", tmp_path / "out.tflite", "litert_ref")
    assert report.litert, report.litert_refused
    assert report.explained
    assert_certified(design, *x)
    made = IntegerExecutor(design).outputs(*x)[0]
    carried = RescaleAwareTwin(design).integers(torch.from_numpy(x[0]))[design.outputs[0]]
    assert np.array_equal(carried.detach().numpy(), made)
    again = network_from_bytes(tflite_bytes(network), "again")
    assert np.array_equal(IntegerExecutor(again).outputs(*x)[0], IntegerExecutor(network).outputs(*x)[0])
