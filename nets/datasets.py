"""Labelled samples, and splits of them that are stratified, seeded and disjoint."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nets.digests import digest
from nets.errors import NetworkError

LabelArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled inputs of a classifier.

    Attributes:
        inputs: ``[samples, *shape]``; int8 model inputs, or real values for a built-in network.
        labels: int64 ``[samples]``, from 0.
    """

    inputs: npt.NDArray[np.generic]
    labels: LabelArray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: npt.NDArray[np.intp]) -> "Samples":
        """Returns copies of the samples at these indices."""
        return Samples(self.inputs[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples of one source, and the test part that the source itself keeps apart.

    Attributes:
        samples: the samples to split.
        held_out: the source's own test part, or None.
        sha256: digest of all arrays, hexadecimal.
    """

    name: str
    samples: Samples
    held_out: Samples | None
    sha256: str


@dataclass(frozen=True, eq=False)
class Splits:
    """Disjoint parts of a dataset; the search uses the first two only."""

    finetune: Samples
    validation: Samples
    test: Samples


def load_digits_dataset() -> Dataset:
    """Loads the 1,797 8×8 digits of scikit-learn; inputs float64 ``[samples, 8, 8, 1]`` in [0, 1]."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images / 16.0)[..., np.newaxis]
    return _dataset("digits", Samples(images, bunch.target.astype(np.int64)), None)


def load_npz_dataset(path: Path, *, input_offset: int = 0) -> Dataset:
    """Loads samples from an .npz file with ``x`` and ``y``, or with ``x_train``, ``y_train``, ``x_test``, ``y_test``.

    Args:
        path: the file; arrays of Python objects in it are refused.
        input_offset: added to the stored integers to give int8 model inputs (-128 for uint8 pixels).

    Raises:
        NetworkError: the file is missing, damaged, or not of this form.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise NetworkError(f"{path}: no such sample file") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise NetworkError(f"{path}: not a readable .npz of plain arrays: {error}") from None
    if {"x", "y"} <= arrays.keys():
        return _dataset(path.stem, _samples(path, arrays, "x", "y", input_offset), None)
    if {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        train = _samples(path, arrays, "x_train", "y_train", input_offset)
        return _dataset(path.stem, train, _samples(path, arrays, "x_test", "y_test", input_offset))
    raise NetworkError(f"{path}: has {sorted(arrays)}; give x and y, or x_train, y_train, x_test and y_test")


def _samples(path: Path, arrays: dict[str, npt.NDArray[np.generic]], x: str, y: str, offset: int) -> Samples:
    inputs, labels = arrays[x], arrays[y]
    if not np.issubdtype(inputs.dtype, np.integer):
        raise NetworkError(f"{path}: {x} is {inputs.dtype}; give the model's integer inputs")
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise NetworkError(f"{path}: {y} is {labels.dtype} {list(labels.shape)}; give one integer label per sample")
    if len(inputs) != len(labels) or len(inputs) == 0:
        raise NetworkError(
            f"{path}: {x} has {len(inputs)} samples and {y} {len(labels)}; give equally many, at least one"
        )
    if labels.min() < 0:
        raise NetworkError(f"{path}: {y} holds {labels.min()}; labels count from 0")
    low, high = int(inputs.min()) + offset, int(inputs.max()) + offset
    if low < -128 or high > 127:
        raise NetworkError(
            f"{path}: {x} with input_offset {offset} spans {low} to {high}, outside int8; "
            "uint8 pixels need input_offset = -128"
        )
    return Samples((inputs.astype(np.int16) + offset).astype(np.int8), labels.astype(np.int64))


def _dataset(name: str, samples: Samples, held_out: Samples | None) -> Dataset:
    sources = (samples,) if held_out is None else (samples, held_out)
    arrays = (array for source in sources for array in (source.inputs, source.labels))
    return Dataset(name, samples, held_out, digest(*(np.ascontiguousarray(array).tobytes() for array in arrays)).hex())


def split(dataset: Dataset, *, finetune: float, validation: float, test: float, seed: int) -> Splits:
    """Splits a dataset by class, in shares, from a seed; a source's own test part is used whole as the test split.

    Args:
        dataset: the samples.
        finetune: share of the samples, 0 to 1.
        validation: share of the samples, 0 to 1.
        test: share of the samples, 0 to 1; 0 if and only if the source has its own test part.
        seed: seed of the choice.

    Raises:
        NetworkError: A part would be empty, or the test part is defined twice or not at all.
    """
    if (test == 0) != (dataset.held_out is not None):
        has = "has a test part of its own: use test = 0" if dataset.held_out else "has no test part: give test a share"
        raise NetworkError(f"dataset {dataset.name!r} {has}, got test = {test}")
    parts = _stratified(dataset.samples.labels, (finetune, validation, test), np.random.default_rng(seed))
    for name, part in zip(("finetune", "validation", "test"), parts, strict=True):
        if len(part) == 0 and not (name == "test" and dataset.held_out is not None):
            raise NetworkError(f"the {name} split of {dataset.name!r} ({len(dataset.samples)} samples) would be empty")
    first, second, third = (dataset.samples.take(part) for part in parts)
    return Splits(first, second, dataset.held_out if dataset.held_out is not None else third)


def _stratified(
    labels: LabelArray, shares: tuple[float, ...], generator: np.random.Generator
) -> list[npt.NDArray[np.intp]]:
    """Returns the indices of each part; every class is cut at the same shares, rounded."""
    parts: list[list[npt.NDArray[np.intp]]] = [[] for _ in shares]
    bounds = np.cumsum(shares)[:-1]
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        cuts = np.rint(bounds * len(members)).astype(int)
        for part, piece in zip(parts, np.split(members, cuts), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]
