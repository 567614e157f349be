"""A study of accuracy takes classifiers: detectors, feature maps, autoencoders and answers by chance are refused."""

from collections.abc import Callable
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_layers import Layers

from dse.design import DISAGREEMENT, DIVERGENCE
from dse.errors import StudyError
from dse.study.prepared import PreparedStudy, prepare
from dse.study.tasks import CHANCE_LEVEL, chance_of, check_above_chance
from nets.execute import IntegerExecutor
from nets.importers import network_from_bytes
from tests.small_studies import small_spec

Make = Callable[[Layers], int]
UNLABELLED = {"trials": 4, "starts": 0}


def classifier(layers: Layers) -> int:
    return layers.dense(layers.input(12), 4)


def autoencoder(layers: Layers) -> int:
    return layers.dense(layers.dense(layers.input(12), 3), 12)


def feature_map(layers: Layers) -> int:
    return layers.conv(layers.input(6, 6, 2), 4)


def one_position(layers: Layers) -> int:
    return layers.conv(layers.input(3, 3, 2), 4, kernel=(3, 3), padding=1)


def sigmoid(layers: Layers) -> int:
    return layers.logistic(layers.dense(layers.dense(layers.input(12), 3), 12))


def study(folder: Path, make: Make, labels: str, **changes: object) -> object:
    """The accuracy of int32 in a study of a random network (:func:`prepared`)."""
    return prepared(folder, make, labels, **changes).baseline_val_accuracy


def prepared(folder: Path, make: Make, labels: str, **changes: object) -> PreparedStudy:
    """A study of a random network; the labels are its ``own`` answers, ``random`` ones, or ``none``."""
    rng = np.random.default_rng(0)
    layers = Layers(rng)
    content = layers.content(make(layers))
    (folder / "model.tflite").write_bytes(content)
    network = network_from_bytes(content, "model.tflite")
    inputs = rng.integers(-128, 128, (200, *network.tensors[network.inputs[0]].shape), dtype=np.int8)
    answers = IntegerExecutor(network).outputs(inputs)[0].reshape(200, -1).argmax(axis=1)
    drawn = {"own": answers, "random": rng.integers(0, answers.max() + 1, 200)}
    np.savez(folder / "samples.npz", x=inputs, **({} if labels == "none" else {"y": drawn[labels]}))
    first = DIVERGENCE if changes.get("outputs") == "values" else DISAGREEMENT
    unlabelled = UNLABELLED | {"objectives": [first.name, "rescaler_area_um2"]}
    metric = {"metric": changes.pop("metric")} if "metric" in changes else {}
    spec = small_spec(
        network={"model": str(folder / "model.tflite"), **changes},
        data={"samples": str(folder / "samples.npz"), "finetune": 0.3, "validation": 0.4, "test": 0.3, **metric},
        fidelity__finetune="none",
        **({"search": unlabelled} if labels == "none" else {}),
    )
    return prepare(spec)


@pytest.mark.parametrize("make", [classifier, one_position])
def test_a_classifier_is_taken(tmp_path: Path, make: Make) -> None:
    assert study(tmp_path, make, "own") == 100
    assert study(tmp_path, make, "none") is None


@pytest.mark.parametrize("make", [classifier, autoencoder])
def test_labels_that_int32_meets_by_chance_are_refused(tmp_path: Path, make: Make) -> None:
    with pytest.raises(StudyError, match=r'samples\.npz: int32 is right on .* chance; check .*outputs = "values"'):
        study(tmp_path, make, "random")


def test_a_metric_of_values_is_not_computed_of_logits(tmp_path: Path) -> None:
    """A LOGISTIC at the end is left out of networks; what it gives is cut at, or what it takes, on purpose."""
    values = {"outputs": "values", "metric": "reconstruction_error"}
    with pytest.raises(StudyError, match=r"without the LOGISTIC .*cut = \[7\] for .* behind it, or .* = \[6\] for"):
        prepared(tmp_path, sigmoid, "none", **values)
    behind, before = (prepared(tmp_path, sigmoid, "none", cut=[at], **values).members[0] for at in (7, 6))
    inputs = behind.splits.validation.inputs
    reals = [
        each.network.tensors[each.network.outputs[0]].scale
        * (each.baseline_outputs.astype(float) - each.network.tensors[each.network.outputs[0]].zero_point)
        for each in (behind, before)
    ]
    assert behind.metric is not None
    assert reals[0].shape == inputs.shape
    assert reals[0] == pytest.approx(1 / (1 + np.exp(-reals[1])), abs=1 / 256)
    assert prepared(tmp_path, sigmoid, "none", outputs="values").members[0].metric is None


@pytest.mark.parametrize("labels", ["own", "none"])
def test_feature_maps_and_detectors_are_no_classifiers(tmp_path: Path, labels: str) -> None:
    with pytest.raises(StudyError, match=r"outputs \[6, 6, 4\], not one logit per class; use network\.outputs"):
        study(tmp_path, feature_map, labels)


def test_an_autoencoder_without_labels_is_recognized(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"outputs \[12\], the shape of its inputs; use network\.outputs"):
        study(tmp_path, autoencoder, "none")


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 60))
def test_chance_is_the_exact_binomial_test_against_the_most_frequent_class(labels: list[int], right: int) -> None:
    right = min(right, samples := len(labels))
    most = max(labels.count(label) for label in labels)
    assert chance_of(np.array(labels)) == most / samples
    chance = Fraction(most, samples)
    tail = sum(comb(samples, k) * chance**k * (1 - chance) ** (samples - k) for k in range(right, samples + 1))
    if tail > Fraction(CHANCE_LEVEL):
        with pytest.raises(StudyError, match="better than chance"):
            check_above_chance("x", right, np.array(labels))
    else:
        check_above_chance("x", right, np.array(labels))
