"""Measures accuracy and agreement of narrowed, untrained networks: docs/results/narrowing-NETWORK.md.

    python -m studies.experiments.narrowing kws --data ../shared/data
    python -m studies.experiments.narrowing resnet8 --data ../shared/data

Every rescaler of the network has the same width. All labelled samples are tested (for ResNet8, CIFAR-10's test
images), because nothing is trained.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
import typer

from dse.design import PairedCounts, paired_interval
from nets.datasets import Samples, load_npz_dataset
from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import load_tflite
from nets.narrow import RescalerChoice, narrow
from nets.network import Method, QuantizedNetwork

MULTIPLIER_BITS = (*range(1, 17), 31)
SOURCES = {
    "kws": ("kws_ref_model.tflite", "kws01.npz", 0),
    "resnet8": ("pretrainedResnet_quant.tflite", "cifar10_subset.npz", -128),
    "mobilenet_v2": ("mobilenet_v2_1.0_224_int8.tflite", "imagenet400.npz", 0),
}

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one width and method.

    Accuracy and agreement are in percent; the drop against int32 and its paired 95% score interval in percentage
    points.
    """

    multiplier_bits: int
    method: str
    accuracy_percent: float
    drop_pp: float
    ci_low_pp: float
    ci_high_pp: float
    agreement_percent: float


def source_of(network: str) -> tuple[str, str, int]:
    """Returns the model file, the sample file and the input offset of a network, or raises a NetworkError."""
    if network not in SOURCES:
        raise NetworkError(f"unknown network {network!r}; use one of {', '.join(SOURCES)}")
    return SOURCES[network]


def measure(network: QuantizedNetwork, samples: Samples) -> list[Row]:
    """Measures every width with every method; at full width there is nothing to absorb."""
    int32 = predictions(network, samples)
    rows = []
    for bits in MULTIPLIER_BITS:
        for method in Method if bits < max(MULTIPLIER_BITS) else (Method.ROUND,):
            choices = {op.name: RescalerChoice(bits, method) for op in network.narrowable_operators()}
            rows.append(_row(bits, method, predictions(narrow(network, choices), samples), int32, samples.labels))
    return rows


def predictions(network: QuantizedNetwork, samples: Samples) -> IntArray:
    """Returns the class of the largest integer logit of each sample (the first one on a tie)."""
    logits = IntegerExecutor(network).outputs(samples.inputs.astype(np.int8, copy=False))[0]
    classes: IntArray = logits.reshape(len(samples), -1).argmax(axis=1)
    return classes


def _row(bits: int, method: Method, classes: IntArray, int32: IntArray, labels: IntArray) -> Row:
    counts = counts_against(int32, classes, labels)
    low, high = paired_interval(counts)
    accuracy, agreement = 100 * float((classes == labels).mean()), 100 * float((classes == int32).mean())
    return Row(bits, method.value, accuracy, counts.drop_pp, low, high, agreement)


def counts_against(int32: IntArray, classes: IntArray, labels: IntArray) -> PairedCounts:
    """Returns on how many samples a design's classes and int32's differ in being right."""
    right, reference = classes == labels, int32 == labels
    lost, gained = int(np.count_nonzero(reference & ~right)), int(np.count_nonzero(right & ~reference))
    return PairedCounts(len(labels), lost, gained)


def markdown(name: str, rows: list[Row], samples: int) -> str:
    """Returns the page of one network."""
    cells = {(row.multiplier_bits, row.method): row for row in rows}
    lines = [
        f"# {name}: accuracy and agreement of narrowed networks, untrained",
        "",
        f"`python -m studies.experiments.narrowing {name}`; {samples} test samples, half_up, 8-bit weights, every",
        "rescaler at the same width, those of ADDs too. Drops are percentage points against int32, with their paired",
        "95% interval; agreement is the share of samples that get int32's class.",
        "",
        "| k | round: accuracy | drop | agreement | absorb: accuracy | drop | agreement |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for bits in reversed(MULTIPLIER_BITS):
        results = [cells.get((bits, method.value)) for method in Method]
        lines.append(f"| {bits} | " + " | ".join(_cell(row) for row in results) + " |")
    return "\n".join([*lines, ""])


def _cell(row: Row | None) -> str:
    if row is None:
        return "as round | |"
    interval = f"{row.drop_pp:+.2f} ({row.ci_low_pp:+.2f} to {row.ci_high_pp:+.2f})"
    return f"{row.accuracy_percent:.2f} | {interval} | {row.agreement_percent:.1f}%"


def main(
    network: Annotated[str, typer.Argument(help="kws, resnet8 or mobilenet_v2")],
    data: Annotated[Path, typer.Option(help="folder with models/ and samples/")] = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="folder for the results")] = Path("docs/results"),
) -> None:
    """Measures one network and writes its page and CSV."""
    model, file, offset = source_of(network)
    dataset = load_npz_dataset(data / "samples" / file, input_offset=offset)
    samples = dataset.held_out or dataset.samples
    rows = measure(load_tflite(data / "models" / model), samples)
    out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(asdict(row) for row in rows).round(3).to_csv(out / f"narrowing-{network}.csv", index=False)
    page = out / f"narrowing-{network}.md"
    page.write_text(markdown(network, rows, len(samples)), encoding="utf-8")
    typer.echo(page)


if __name__ == "__main__":
    typer.run(main)
