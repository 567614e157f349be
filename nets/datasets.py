"""Samples, labelled or not, and splits of them that are seeded, disjoint and, if the classes allow, stratified."""

import reprlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nets.archives import ArrayFile
from nets.digests import digest
from nets.errors import NetworkError

LabelArray = npt.NDArray[np.int64]
IntegerInputs = npt.NDArray[np.int8 | np.int16]
_Indices = npt.NDArray[np.intp]
_PRINTED_CHARACTERS = 30_000  # to train on, and to validate and test so that drops of 1 point are resolved
_AT_ONCE = 64  # samples that are converted
_MOST_MISSED = 0.1  # share of the samples by which a part may miss its own share because classes are cut one by one


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs of a network, with the labels of a classifier if they are known.

    Attributes:
        inputs: ``[samples, *shape]``; int8 or int16 model inputs, or real values for a built-in network.
        known_labels: int64 ``[samples]``, from 0; None for unlabelled samples.
        targets: what the outputs should be, or what else a metric compares them with, ``[samples, ...]``; None if
            nothing is known of that.
    """

    inputs: npt.NDArray[np.generic]
    known_labels: LabelArray | None = None
    targets: npt.NDArray[np.generic] | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def labels(self) -> LabelArray:
        """The labels, int64 ``[samples]``.

        Raises:
            NetworkError: the samples have no labels.
        """
        if self.known_labels is None:
            raise NetworkError("the samples have no labels (y), and accuracies and fine-tuning need them")
        return self.known_labels

    @property
    def strata(self) -> LabelArray | None:
        """What splits are stratified by, int64 ``[samples]``: labels, or targets that are 0 or 1 (of anomalies)."""
        targets = self.targets
        if self.known_labels is not None or targets is None:
            return self.known_labels
        return targets.astype(np.int64) if targets.ndim == 1 and np.isin(targets, (0, 1)).all() else None

    def take(self, indices: npt.NDArray[np.intp]) -> "Samples":
        """Returns copies of the samples at these indices."""
        labels, targets = self.known_labels, self.targets
        return Samples(
            self.inputs[indices],
            None if labels is None else labels[indices],
            None if targets is None else targets[indices],
        )

    def without_labels(self) -> "Samples":
        """Returns the samples without labels, which mean no class of the network's outputs: they may be targets."""
        return Samples(self.inputs, None, self.known_labels if self.targets is None else self.targets)


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

    def without_labels(self) -> "Dataset":
        """Returns the dataset without its labels, which mean no class of the network's outputs."""
        held_out = None if self.held_out is None else self.held_out.without_labels()
        return replace(self, samples=self.samples.without_labels(), held_out=held_out)


@dataclass(frozen=True, eq=False)
class Splits:
    """Disjoint parts of a dataset; the search uses all but the test part.

    Attributes:
        finetune, validation, test: the parts; the first one may be empty.
        calibration: inputs ``[samples, *shape]`` whose labels nothing may use, in random order; there may be none.
        stratified: whether every class is cut at the same shares; otherwise the samples are, without regard to classes.
    """

    finetune: Samples
    validation: Samples
    test: Samples
    calibration: npt.NDArray[np.generic]
    stratified: bool


def load_digits_dataset() -> Dataset:
    """Loads the 1,797 8×8 digits of scikit-learn; inputs float64 ``[samples, 8, 8, 1]`` in [0, 1]."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images / 16.0)[..., np.newaxis]
    return _dataset("digits", Samples(images, bunch.target.astype(np.int64)), None)


def integers(inputs: npt.NDArray[np.generic]) -> IntegerInputs:
    """Returns prepared inputs of a network in their type: int16 if they are, otherwise int8."""
    return inputs.astype(np.int16 if inputs.dtype == np.int16 else np.int8, copy=False)


def load_printed_characters() -> Dataset:
    """Draws 30,000 images of printed characters (:mod:`nets.characters`); float32 ``[samples, 16, 16, 1]`` in [0, 1].

    Raises:
        NetworkError: Matplotlib, whose fonts are used, is not installed.
    """
    from nets.characters import printed_characters

    images, labels = printed_characters(_PRINTED_CHARACTERS)
    return _dataset("printed_characters", Samples((images / np.float32(255))[..., np.newaxis], labels), None)


BUILT_IN_DATASETS: dict[str, Callable[[], Dataset]] = {
    "digits": load_digits_dataset,
    "printed_characters": load_printed_characters,
}


def load_npz_dataset(path: Path, *, input_offset: int = 0, bits: int = 8) -> Dataset:
    """Loads samples from an .npz file with ``x`` and ``y``, or with ``x_train``, ``y_train``, ``x_test``, ``y_test``.

    Files without ``y``, or ``y_train`` and ``y_test``, give unlabelled samples. ``target``, or ``target_train`` and
    ``target_test``, ``[samples, ...]``, are what metrics compare the outputs with.
    For a network with inputs of 16 bits, arrays of a one-byte type stand for the same share of the range: after the
    offset they are multiplied by 256.

    Args:
        path: the file; arrays of Python objects in it are refused.
        input_offset: added to the stored integers to give model inputs (-128 for uint8 pixels).
        bits: width of the network's inputs, up to 8 or 16.

    Raises:
        NetworkError: the file is missing, damaged, or not of this form.
    """
    file = ArrayFile(path)
    names = set(file.names)
    if "x" in names:
        return _dataset(
            path.stem, _samples(path, file.read(names & {"x", "y", "target"}), "", input_offset, bits), None
        )
    pairs: list[set[str]] = [{f"{name}_train", f"{name}_test"} for name in ("x", "y", "target")]
    if pairs[0] <= names and not any(len(pair & names) == 1 for pair in pairs):
        arrays = file.read(names & frozenset().union(*pairs))
        train = _samples(path, arrays, "_train", input_offset, bits)
        return _dataset(path.stem, train, _samples(path, arrays, "_test", input_offset, bits))
    raise NetworkError(
        f"{path}: has {reprlib.repr(sorted(names))}; give x and y, or x_train, y_train, x_test and y_test "
        "(without labels: x, or x_train and x_test)"
    )


def _samples(path: Path, arrays: dict[str, npt.NDArray[np.generic]], part: str, offset: int, bits: int) -> Samples:
    x, y = f"x{part}", f"y{part}"
    inputs = arrays[x]
    if inputs.ndim < 2 or len(inputs) == 0:
        raise NetworkError(f"{path}: {x} is {list(inputs.shape)}; give [samples, *shape], at least one sample")
    if not np.issubdtype(inputs.dtype, np.integer):
        raise NetworkError(f"{path}: {x} is {inputs.dtype}; give the model's integer inputs")
    wide = bits > 8 and inputs.dtype.itemsize > 1
    stored = np.iinfo(np.int16 if wide else np.int8)
    low, high = int(inputs.min()) + offset, int(inputs.max()) + offset
    if low < stored.min or high > stored.max:
        raise NetworkError(
            f"{path}: {x} with input_offset {offset} spans {low} to {high}, outside {stored.dtype}; "
            "uint8 pixels need input_offset = -128"
        )
    labels = _labels(path, arrays[y], y, x, len(inputs)) if y in arrays else None
    targets = _targets(path, arrays[target], target, x, len(inputs)) if (target := f"target{part}") in arrays else None
    return Samples(_as_integers(inputs, offset, factor=1 if wide or bits <= 8 else 256, bits=bits), labels, targets)


def _as_integers(inputs: npt.NDArray[np.generic], offset: int, *, factor: int, bits: int) -> IntegerInputs:
    """Adds an offset and multiplies; the results fit. Few samples at once, so that wide copies take no memory."""
    dtype = np.dtype(np.int8 if bits <= 8 else np.int16)
    if inputs.dtype == dtype and offset == 0 and factor == 1:
        return inputs.view(dtype)
    made = np.empty(inputs.shape, dtype)
    for start in range(0, len(inputs), _AT_ONCE):
        made[start : start + _AT_ONCE] = (inputs[start : start + _AT_ONCE].astype(np.int32) + offset) * factor
    return made


def _labels(path: Path, labels: npt.NDArray[np.generic], y: str, x: str, samples: int) -> LabelArray:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise NetworkError(f"{path}: {y} is {labels.dtype} {list(labels.shape)}; give one integer label per sample")
    if samples != len(labels):
        raise NetworkError(f"{path}: {x} has {samples} samples and {y} {len(labels)}; give equally many")
    if int(labels.min()) < 0:
        raise NetworkError(f"{path}: {y} holds {labels.min()}; labels count from 0")
    return labels.astype(np.int64)


def _targets(path: Path, targets: npt.NDArray[np.generic], name: str, x: str, samples: int) -> npt.NDArray[np.generic]:
    if not np.issubdtype(targets.dtype, np.number) or np.issubdtype(targets.dtype, np.complexfloating):
        raise NetworkError(f"{path}: {name} is {targets.dtype}; give numbers")
    if targets.ndim < 1 or len(targets) != samples:
        raise NetworkError(f"{path}: {x} has {samples} samples and {name} is {list(targets.shape)}; give equally many")
    if not np.isfinite(targets).all():
        raise NetworkError(f"{path}: {name} holds values that are no finite numbers")
    return targets


def _dataset(name: str, samples: Samples, held_out: Samples | None) -> Dataset:
    sources = (samples,) if held_out is None else (samples, held_out)
    held = [array for each in sources for array in (each.inputs, each.known_labels, each.targets)]
    arrays = [array for array in held if array is not None]
    return Dataset(name, samples, held_out, digest(*(np.ascontiguousarray(array).tobytes() for array in arrays)).hex())


def split(
    dataset: Dataset, *, finetune: float, validation: float, test: float, seed: int, calibration: float = 0
) -> Splits:
    """Splits a dataset in shares, from a seed; a source's own test part is used whole as the test split.

    Every class is cut at the same shares. If the samples have no labels, or so few of each class that cutting classes
    would miss the shares (one image of each, say), the samples are cut without regard to their classes.

    Args:
        dataset: the samples.
        finetune: share of the samples, 0 to 1.
        validation: share of the samples, 0 to 1.
        test: share of the samples, 0 to 1; 0 if and only if the source has its own test part.
        seed: seed of the choice.
        calibration: share of the samples (below 1) or their number (from 1) that is taken first, at random; the other
            shares are of what is left.

    Raises:
        NetworkError: A part would be empty, or the test part is defined twice or not at all.
    """
    if (test == 0) != (dataset.held_out is not None):
        has = "has a test part of its own: use test = 0" if dataset.held_out else "has no test part: give test a share"
        raise NetworkError(f"dataset {dataset.name!r} {has}, got test = {test}")
    generator, shares = np.random.default_rng(seed), (finetune, validation, test)
    taken, rest = _drawn(dataset, calibration, generator)
    parts, stratified = _cut(dataset.samples.strata, rest, shares, generator)
    for name, share, part in zip(("finetune", "validation", "test"), shares, parts, strict=True):
        if len(part) == 0 and share > 0:
            raise NetworkError(f"the {name} split of {dataset.name!r} ({len(rest)} samples) would be empty")
    first, second, third = (dataset.samples.take(part) for part in parts)
    return Splits(
        finetune=first,
        validation=second,
        test=dataset.held_out if dataset.held_out is not None else third,
        calibration=dataset.samples.inputs[taken],
        stratified=stratified,
    )


def _drawn(dataset: Dataset, calibration: float, generator: np.random.Generator) -> tuple[_Indices, _Indices]:
    """Returns the indices of the samples for calibration, in random order, and the others, ascending."""
    total = len(dataset.samples)
    if calibration == 0:
        return np.arange(0), np.arange(total)
    count = round(calibration * total) if calibration < 1 else int(calibration)
    if not 0 < count < total:
        raise NetworkError(
            f"the calibration split of {dataset.name!r} takes {count} of {total} samples (calibration = "
            f"{calibration:g}); it has to leave some, and to have some"
        )
    order = generator.permutation(total)
    return order[:count], np.sort(order[count:])


def _cut(
    labels: LabelArray | None, indices: _Indices, shares: tuple[float, ...], generator: np.random.Generator
) -> tuple[list[_Indices], bool]:
    """Returns the indices of each part, and whether the classes were cut one by one."""
    if labels is not None:
        parts = _by_class(labels, indices, shares, generator)
        missed = max(abs(len(part) - share * len(indices)) for part, share in zip(parts, shares, strict=True))
        if missed <= max(1.0, _MOST_MISSED * len(indices)):
            return parts, True
    order = generator.permutation(indices)
    return [np.sort(part) for part in np.split(order, _bounds(shares, len(order)))], False


def _by_class(
    labels: LabelArray, indices: _Indices, shares: tuple[float, ...], generator: np.random.Generator
) -> list[_Indices]:
    """Returns the indices of each part; every class is cut at the same shares, rounded."""
    parts: list[list[_Indices]] = [[] for _ in shares]
    for label in np.unique(labels[indices]):
        members = generator.permutation(indices[labels[indices] == label])
        for part, piece in zip(parts, np.split(members, _bounds(shares, len(members))), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]


def _bounds(shares: tuple[float, ...], count: int) -> list[int]:
    return [int(bound) for bound in np.rint(np.cumsum(shares)[:-1] * count)]
