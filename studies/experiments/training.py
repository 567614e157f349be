"""Measures accuracy at narrow multipliers, before and after a short fine-tune: docs/results/training-NETWORK.md.

    python -m studies.experiments.training digits
    python -m studies.experiments.training kws --data ../shared/data
    python -m studies.experiments.training resnet8 --data ../shared/data

Every sample is tested by networks that were not fine-tuned on it: digits and KWS by 5-fold cross-fitting, ResNet8 on
CIFAR-10 test images. Intervals average over the seeds of each sample, because seeds are not independent samples.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import typer
from rich.progress import track
from scipy.stats import norm
from sklearn.model_selection import StratifiedKFold

from dse.study import BoolArray, correct_answers
from nets.datasets import Samples, load_digits_dataset, load_npz_dataset
from nets.errors import NetworkError
from nets.importers import TOPOLOGIES, load_tflite, quantize_input, quantize_module, train_float
from nets.narrow import RealWeights, RescalerChoice, narrow, real_weights, with_weight_bits
from nets.network import Method, QuantizedNetwork
from nets.train import FinetuneSettings, fine_tune

MULTIPLIER_BITS = (31, 8, 4, 3, 2, 1)
WEIGHT_BITS = (8, 5, 4)
FOLDS = 5
SETTINGS = {
    "digits": FinetuneSettings(epochs=2, batch_size=32, learning_rate=2e-3, seed=0),
    "kws": FinetuneSettings(epochs=2, batch_size=64, learning_rate=3e-4, seed=0),
    "resnet8": FinetuneSettings(epochs=1, batch_size=64, learning_rate=3e-4, seed=0),
}

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fold:
    """A network with its training and test samples.

    Attributes:
        network: the network at int32 with 8-bit weights.
        originals: real weights of its layers by name.
        training: samples to fine-tune on.
        test: samples to test on.
        test_ids: index of every test sample in the data set.
    """

    network: QuantizedNetwork
    originals: dict[str, RealWeights]
    training: Samples
    test: Samples
    test_ids: npt.NDArray[np.intp]


@dataclass(frozen=True, order=True)
class Case:
    """One cell of the tables."""

    weight_bits: int
    multiplier_bits: int
    method: Method
    trained: bool

    @property
    def reference(self) -> "Case":
        """The case of int32 with the same weight width and training, which separates narrowing from training."""
        return replace(self, multiplier_bits=31, method=Method.ROUND)


def cases() -> list[Case]:
    """Returns every case once; at full width there is nothing to absorb."""
    combinations = (Case(*choice) for choice in product(WEIGHT_BITS, MULTIPLIER_BITS, Method, (False, True)))
    return [case for case in combinations if case.multiplier_bits < 31 or case.method is Method.ROUND]


def folds(name: str, data: Path, seed: int) -> Iterator[Fold]:
    """Yields the folds of one seed."""
    if name == "resnet8":
        dataset = load_npz_dataset(data / "samples" / "cifar10_subset.npz", input_offset=-128)
        assert dataset.held_out is not None  # noqa: S101 -- the file has a test part of its own
        network = load_tflite(data / "models" / "pretrainedResnet_quant.tflite")
        ids = np.arange(len(dataset.held_out))
        yield Fold(network, real_weights(network), dataset.samples, dataset.held_out, ids)
        return
    samples = (load_digits_dataset() if name == "digits" else load_npz_dataset(data / "samples" / "kws01.npz")).samples
    folder = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for training, test in folder.split(samples.labels, samples.labels):
        yield _fold(name, data, samples, training, test, seed)


def _fold(
    name: str, data: Path, samples: Samples, training: npt.NDArray[np.intp], test: npt.NDArray[np.intp], seed: int
) -> Fold:
    parts = samples.take(training), samples.take(test)
    if name == "kws":
        network = load_tflite(data / "models" / "kws_ref_model.tflite")
        return Fold(network, real_weights(network), *parts, test)
    images = torch.from_numpy(parts[0].inputs.astype(np.float32)).permute(0, 3, 1, 2).contiguous()
    module = train_float(TOPOLOGIES["digits_cnn"], images, torch.from_numpy(parts[0].labels), seed)
    quantized = quantize_module(module, images, name=name)
    spec = quantized.network.tensors[0]
    training_part, test_part = (
        Samples(quantize_input(part.inputs.astype(np.float64), spec), part.labels) for part in parts
    )
    return Fold(quantized.network, quantized.originals, training_part, test_part, test)


def evaluate(fold: Fold, case: Case, settings: FinetuneSettings) -> BoolArray:
    """Returns which test samples a case classifies correctly, ``[samples]``."""
    base = with_weight_bits(fold.network, case.weight_bits, fold.originals)
    choices = {op.name: RescalerChoice(case.multiplier_bits, case.method) for op in base.narrowable_operators()}
    network = narrow(base, choices, fold.originals)
    if case.trained:
        network = fine_tune(network, fold.training, settings, fold.originals).network
    return correct_answers(network, fold.test)


def measure(name: str, data: Path, seeds: int) -> dict[Case, FloatArray]:
    """Returns, by case, the share of the seeds that classify each sample correctly, ``[samples]``."""
    every = [(seed, fold) for seed in range(seeds) for fold in folds(name, data, seed)]
    size = 1 + max(int(fold.test_ids.max()) for _, fold in every)
    right = {case: np.zeros(size) for case in cases()}
    for (seed, fold), case in track(list(product(every, cases())), description=name):
        right[case][fold.test_ids] += evaluate(fold, case, replace(SETTINGS[name], seed=seed)) / seeds
    return right


@dataclass(frozen=True, slots=True)
class Row:
    """The result of a case: accuracy in percent, drop in percentage points with its paired 95% interval."""

    accuracy_percent: float
    drop_against_int32_trained_alike_pp: float
    ci_low_pp: float
    ci_high_pp: float


def rows(right: dict[Case, FloatArray]) -> dict[Case, Row]:
    """Returns the accuracy of every case, and its drop against int32 with the same training."""
    results = {}
    for case, correct in right.items():
        low, drop, high = interval(right[case.reference] - correct)
        results[case] = Row(100 * float(correct.mean()), drop, low, high)
    return results


def interval(differences: FloatArray) -> tuple[float, float, float]:
    """Returns lower end, mean and upper end of the mean difference, percentage points, 95%, normal over samples."""
    mean, error = 100 * float(differences.mean()), 100 * float(differences.std(ddof=1)) / np.sqrt(len(differences))
    z = float(norm.ppf(0.975))
    return mean - z * error, mean, mean + z * error


def markdown(name: str, results: dict[Case, Row], seeds: int, samples: int) -> str:
    """Returns the page of one network."""
    settings = SETTINGS[name]
    lines = [
        f"# {name}: accuracy at narrow multipliers, before and after training",
        "",
        f"`python -m studies.experiments.training {name} --seeds {seeds}`; {samples} test samples, seeds: {seeds};",
        "half_up, every rescaler at the same width, those of ADDs too.",
        f"Training, in epochs of Adam: {settings.epochs}, at {settings.learning_rate:g} of full scale,",
        f"in batches of {settings.batch_size}, labels only.",
        "",
        "Cells: accuracy in percent, and in brackets the drop in percentage points with its 95% interval, against",
        "int32 at the same weight width, trained alike. A design is non-inferior at any margin above the upper end.",
        "",
    ]
    columns = [(trained, method) for trained in (False, True) for method in Method]
    for weight_bits in WEIGHT_BITS:
        lines += [f"## {weight_bits}-bit weights", "", "| k | round | absorb | round + train | absorb + train |"]
        lines += ["|---:|---:|---:|---:|---:|"]
        for bits in MULTIPLIER_BITS:
            keys = [Case(weight_bits, bits, method, trained) for trained, method in columns]
            lines.append(f"| {bits} | " + " | ".join(_cell(key, results) for key in keys) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(case: Case, results: dict[Case, Row]) -> str:
    if case not in results:
        return "as round"
    row = results[case]
    if case == case.reference:
        return f"{row.accuracy_percent:.2f}"
    drop = f"{row.drop_against_int32_trained_alike_pp:+.2f}; {row.ci_low_pp:+.2f} to {row.ci_high_pp:+.2f}"
    return f"{row.accuracy_percent:.2f} ({drop})"


def main(
    network: Annotated[str, typer.Argument(help="digits, kws or resnet8")],
    seeds: Annotated[int, typer.Option(min=1, help="number of seeds, for training and folds")] = 3,
    data: Annotated[Path, typer.Option(help="folder with models/ and samples/")] = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="folder for the results")] = Path("docs/results"),
) -> None:
    """Measures one network and writes its page and CSV."""
    if network not in SETTINGS:
        raise NetworkError(f"unknown network {network!r}; use one of {', '.join(SETTINGS)}")
    torch.set_num_threads(1)
    right = measure(network, data, seeds)
    results = rows(right)
    out.mkdir(parents=True, exist_ok=True)
    records = [{**asdict(case), **asdict(row)} for case, row in results.items()]
    pd.DataFrame(records).round(3).to_csv(out / f"training-{network}.csv", index=False)
    samples = len(next(iter(right.values())))
    (out / f"training-{network}.md").write_text(markdown(network, results, seeds, samples), encoding="utf-8")
    typer.echo(out / f"training-{network}.md")


if __name__ == "__main__":
    typer.run(main)
