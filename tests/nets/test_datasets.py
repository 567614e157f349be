from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets.datasets import Dataset, Samples, load_digits_dataset, load_npz_dataset, split
from nets.errors import NetworkError


def numbered(labels: list[int], held_out: Samples | None = None) -> Dataset:
    count = len(labels)
    return Dataset("numbered", Samples(np.arange(count)[:, None], np.array(labels, dtype=np.int64)), held_out, "")


@given(st.lists(st.integers(0, 3), min_size=40, max_size=120), st.integers(0, 1000))
def test_parts_are_disjoint_complete_and_stratified(labels: list[int], seed: int) -> None:
    parts = split(numbered(labels), finetune=0.3, validation=0.3, test=0.4, seed=seed)
    members = [part.inputs[:, 0] for part in (parts.finetune, parts.validation, parts.test)]
    assert sorted(np.concatenate(members)) == list(range(len(labels)))
    for label in set(labels):
        total = labels.count(label)
        for part, share in ((parts.finetune, 0.3), (parts.validation, 0.3), (parts.test, 0.4)):
            assert abs((part.labels == label).sum() - share * total) <= 1


def test_anomalies_are_spread_over_the_parts() -> None:
    """Targets of 0 and 1 are what ``anomaly_auc`` counts; without labels, splits are stratified by them."""
    labelled = numbered([1] * 10 + [0] * 190)
    parts = split(labelled.without_labels(), finetune=0.1, validation=0.5, test=0.4, seed=3)
    assert parts.stratified
    counts = [
        int(part.targets.sum()) for part in (parts.finetune, parts.validation, parts.test) if part.targets is not None
    ]
    assert counts == [1, 5, 4]
    real = Dataset("real", Samples(np.zeros((20, 1)), None, np.linspace(0, 1, 20)), None, "")
    assert not split(real, finetune=0.1, validation=0.5, test=0.4, seed=3).stratified


def test_seed_decides_the_split() -> None:
    labels = [0, 1] * 30
    one, same, other = (split(numbered(labels), finetune=0.3, validation=0.3, test=0.4, seed=s) for s in (1, 1, 2))
    assert (one.test.inputs == same.test.inputs).all()
    assert (one.test.inputs != other.test.inputs).any()


def test_a_test_part_of_the_source_is_used_whole() -> None:
    held_out = Samples(np.full((5, 1), -1), np.zeros(5, np.int64))
    parts = split(numbered([0, 1] * 10, held_out), finetune=0.5, validation=0.5, test=0, seed=0)
    assert parts.test is held_out
    assert len(parts.finetune) + len(parts.validation) == 20


@pytest.mark.parametrize(("held_out", "test"), [(True, 0.4), (False, 0.0)])
def test_test_part_is_asked_for_exactly_once(held_out: bool, test: float) -> None:
    part = Samples(np.zeros((5, 1)), np.zeros(5, np.int64)) if held_out else None
    with pytest.raises(NetworkError, match=f"got test = {test}"):
        split(numbered([0] * 10, part), finetune=0.3, validation=0.7 - test, test=test, seed=0)


def test_empty_part_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"finetune split of 'numbered' \(3 samples\) would be empty"):
        split(numbered([0, 1, 2]), finetune=0.1, validation=0.1, test=0.8, seed=0)


@given(st.lists(st.integers(0, 3), min_size=40, max_size=120), st.integers(1, 20) | st.just(0.25), st.integers(0, 99))
def test_calibration_samples_are_a_part_of_their_own(labels: list[int], calibration: float, seed: int) -> None:
    parts = split(numbered(labels), finetune=0.3, validation=0.3, test=0.4, seed=seed, calibration=calibration)
    members = [part.inputs[:, 0] for part in (parts.finetune, parts.validation, parts.test)]
    assert sorted(np.concatenate([*members, parts.calibration[:, 0]])) == list(range(len(labels)))
    assert len(parts.calibration) == (round(0.25 * len(labels)) if calibration == 0.25 else calibration)


def test_more_calibration_samples_include_fewer() -> None:
    """So 64 samples and 256 differ in nothing else, if the file gives as many to the split."""
    parts = split(numbered([0, 1] * 30), finetune=0, validation=0.5, test=0.5, seed=3, calibration=20)
    assert len(parts.finetune) == 0
    assert len(set(parts.calibration[:, 0])) == 20
    assert (np.sort(parts.calibration[:, 0]) != parts.calibration[:, 0]).any(), "the first ones are a random choice"


@pytest.mark.parametrize("calibration", [10, 11, 0.01, 0.99])
def test_calibration_takes_neither_all_nor_none(calibration: float) -> None:
    with pytest.raises(NetworkError, match=r"calibration split of 'numbered' takes \d+ of 10 samples"):
        split(numbered([0] * 10), finetune=0.3, validation=0.3, test=0.4, seed=0, calibration=calibration)


def test_one_sample_of_each_class_is_split_without_regard_to_classes() -> None:
    parts = split(numbered(list(range(400))), finetune=0, validation=0.4, test=0.6, seed=5, calibration=64)
    assert not parts.stratified
    assert (len(parts.finetune), len(parts.validation), len(parts.test)) == (0, 134, 202)
    assert len(set(parts.validation.labels) | set(parts.test.labels)) == 336
    again = split(numbered(list(range(400))), finetune=0, validation=0.4, test=0.6, seed=5, calibration=64)
    assert (again.test.labels == parts.test.labels).all()


def test_samples_without_labels_are_split_and_have_none() -> None:
    unlabelled = Dataset("numbered", Samples(np.arange(20)[:, None]), None, "")
    parts = split(unlabelled, finetune=0, validation=0.5, test=0.5, seed=0)
    assert not parts.stratified
    assert sorted([*parts.validation.inputs[:, 0], *parts.test.inputs[:, 0]]) == list(range(20))
    with pytest.raises(NetworkError, match="have no labels"):
        _ = parts.test.labels


def test_files_without_labels_are_read(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.int8).reshape(4, 3)
    plain = load_npz_dataset(write(tmp_path / "a.npz", x=pixels))
    assert plain.samples.known_labels is None
    assert (plain.samples.inputs == pixels).all()
    own = load_npz_dataset(write(tmp_path / "b.npz", x_train=pixels, x_test=pixels))
    assert own.held_out is not None
    assert own.held_out.known_labels is None
    assert len({plain.sha256, own.sha256}) == 2


def test_digits_are_real_images() -> None:
    dataset = load_digits_dataset()
    assert dataset.samples.inputs.shape == (1797, 8, 8, 1)
    assert (dataset.samples.inputs.min(), dataset.samples.inputs.max()) == (0.0, 1.0)
    assert len(dataset.sha256) == 64


def write(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_inputs_of_16_bits_take_bytes_as_shares_of_the_range(tmp_path: Path) -> None:
    y = np.array([0, 1])
    pixels = write(tmp_path / "a.npz", x=np.array([[0, 255], [128, 1]], np.uint8), y=y)
    taken = load_npz_dataset(pixels, input_offset=-128, bits=16).samples.inputs
    assert taken.dtype == np.int16
    assert taken.tolist() == [[-32768, 127 * 256], [0, -127 * 256]]
    wider = write(tmp_path / "b.npz", x=np.array([[-32768, 32767], [5, -1]], np.int32), y=y)
    assert load_npz_dataset(wider, bits=16).samples.inputs.tolist() == [[-32768, 32767], [5, -1]]
    with pytest.raises(NetworkError, match="outside int16"):
        load_npz_dataset(wider, bits=16, input_offset=1)
    with pytest.raises(NetworkError, match="outside int8"):
        load_npz_dataset(wider)


def test_npz_with_and_without_its_own_test_part(tmp_path: Path) -> None:
    x, y = np.zeros((4, 2), np.int8), np.array([0, 1, 0, 1])
    plain = load_npz_dataset(write(tmp_path / "a.npz", x=x, y=y))
    assert plain.held_out is None
    pixels = np.full((4, 2), 255, np.uint8)
    own = load_npz_dataset(
        write(tmp_path / "b.npz", x_train=pixels, y_train=y, x_test=pixels, y_test=y), input_offset=-128
    )
    assert own.held_out is not None
    assert own.samples.inputs.dtype == np.int8
    assert (own.samples.inputs == 127).all()
    assert own.sha256 != plain.sha256


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_many_samples_of_any_width_keep_their_values(tmp_path: Path, dtype: type) -> None:
    pixels = np.arange(150 * 4).reshape(150, 4) % 256
    loaded = load_npz_dataset(write(tmp_path / "a.npz", x=pixels.astype(dtype)), input_offset=-128)
    assert loaded.samples.inputs.dtype == np.int8
    assert (loaded.samples.inputs == pixels - 128).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": np.zeros((2, 3), np.int8)}, r"has \['z'\]; give x and y"),
        ({"x_train": np.zeros((2, 3), np.int8), "y_train": np.zeros(2, int)}, r"has \['x_train', 'y_train'\]; give x"),
        ({"x": np.zeros(3, np.int8)}, r"x is \[3\]; give \[samples, \*shape\]"),
        ({"x": np.zeros((2, 3)), "y": np.zeros(2, int)}, "x is float64; give the model's integer inputs"),
        ({"x": np.zeros((2, 3), np.int8), "y": np.zeros(2)}, "y is float64"),
        ({"x": np.zeros((2, 3), np.int8), "y": np.zeros(3, int)}, "x has 2 samples and y 3"),
        ({"x": np.zeros((0, 3), np.int8), "y": np.zeros(0, int)}, "at least one"),
        ({"x": np.zeros((2, 3), np.int8), "y": np.array([0, -1])}, "y holds -1; labels count from 0"),
        ({"x": np.full((2, 3), 200, np.uint8), "y": np.zeros(2, int)}, "uint8 pixels need input_offset = -128"),
        ({"x": np.array([object()], object), "y": np.zeros(1, int)}, "not a readable .npz of plain arrays"),
    ],
)
def test_bad_npz_is_one_clear_line(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    path = write(tmp_path / "bad.npz", **arrays)
    with pytest.raises(NetworkError, match=message) as caught:
        load_npz_dataset(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_truncated_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no such sample file"):
        load_npz_dataset(tmp_path / "none.npz")
    whole = write(tmp_path / "whole.npz", x=np.zeros((9, 9), np.int8), y=np.zeros(9, int)).read_bytes()
    for content in (b"", b"PK", whole[: len(whole) // 2], b"\x80\x04pickle"):
        (tmp_path / "cut.npz").write_bytes(content)
        with pytest.raises(NetworkError, match="not a readable"):
            load_npz_dataset(tmp_path / "cut.npz")
