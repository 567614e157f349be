"""Measures networks at every multiplier width and shift window, calibrated or not: docs/results/windows-NETWORK.md.

    python -m studies.experiments.windows kws --data ../shared/data
    python -m studies.experiments.windows resnet8 --data ../shared/data
    python -m studies.experiments.windows mobilenet_v2 --data ../shared/data

Every rescaler of the network has the same width and window; nothing is trained. Calibration sees no labels, and no
sample that is tested: the first samples of a seeded permutation are set aside for it, and all others are tested. The
training of published networks has seen some of them (most of ResNet8's), so differences count, not accuracies.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from dse.design import paired_interval
from dse.evaluate import lower
from hwmodels import CalibratedRescalerModel, load_technology, network_cost
from nets.datasets import Dataset, Samples, load_npz_dataset
from nets.importers import load_tflite
from nets.narrow import Calibration, RescalerChoice, narrow, synthetic_inputs
from nets.network import FULL_MULTIPLIER_BITS, Method, QuantizedNetwork
from studies.experiments.narrowing import IntArray, counts_against, predictions, source_of

MULTIPLIER_BITS = (8, 4, 2, 1)
SHIFT_BITS = (None, 3, 2, 1, 0)
CALIBRATION = 64  # samples, of the main table
OTHER_CALIBRATIONS = (0, 16, 256)  # samples, of the second table; 0: synthetic inputs, as many as CALIBRATION
SEED = 0
COSTS = CalibratedRescalerModel(load_technology("osu018"))


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one width, window and method.

    Accuracy and agreement are in percent; the drop against int32 and its paired 95% score interval in percentage
    points; ``seconds`` is the time of narrowing and calibrating alone. ``shift_bits`` -1 stands for natural shifts.
    Area (µm², with parameter memory) and energy (nJ per inference) are those of all rescalers, each built for its
    layer, by the table ``osu018``, calibrated by synthesis.
    """

    multiplier_bits: int
    shift_bits: int
    method: str
    calibration_samples: int
    test_samples: int
    int32_percent: float
    accuracy_percent: float
    drop_pp: float
    ci_low_pp: float
    ci_high_pp: float
    agreement_percent: float
    rescaler_area_um2: float
    rescaler_energy_nj: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Test:
    """The tested samples with what int32 answers."""

    samples: Samples
    int32: IntArray

    def row(
        self, network: QuantizedNetwork, bits: int, window: int | None, method: str, calibration: int, seconds: float
    ) -> Row:
        """Returns the result of one network."""
        classes, labels = predictions(network, self.samples), self.samples.labels
        cost = network_cost(lower(network), COSTS, style="streaming", lanes=1)
        counts = counts_against(self.int32, classes, labels)
        low, high = paired_interval(counts)
        return Row(
            multiplier_bits=bits,
            shift_bits=-1 if window is None else window,
            method=method,
            calibration_samples=calibration,
            test_samples=len(labels),
            int32_percent=100 * float((self.int32 == labels).mean()),
            accuracy_percent=100 * float((classes == labels).mean()),
            drop_pp=counts.drop_pp,
            ci_low_pp=low,
            ci_high_pp=high,
            agreement_percent=100 * float((classes == self.int32).mean()),
            rescaler_area_um2=cost.rescaler_area_um2 or math.nan,
            rescaler_energy_nj=cost.rescaler_energy_nj or math.nan,
            seconds=seconds,
        )


def choices_of(network: QuantizedNetwork, bits: int, window: int | None, method: Method) -> dict[str, RescalerChoice]:
    """Returns the same choice for every rescaler."""
    return {op.name: RescalerChoice(bits, method, window) for op in network.narrowable_operators()}


def measured(network: QuantizedNetwork, dataset: Dataset) -> Iterator[Row]:
    """Yields the rows of one network."""
    pool, test = parts(network, dataset, CALIBRATION)
    yield test.row(network, FULL_MULTIPLIER_BITS, None, Method.ROUND.value, 0, 0.0)
    for bits in MULTIPLIER_BITS:
        yield _narrowed(network, test, bits, None, Method.ROUND)
        for window in SHIFT_BITS:
            yield _narrowed(network, test, bits, window, Method.ABSORB)
    calibration = Calibration(network, pool.inputs.astype(np.int8, copy=False))
    yield from _calibrated(network, test, calibration, CALIBRATION, MULTIPLIER_BITS)
    for count in OTHER_CALIBRATIONS:
        if count:
            pool, test = parts(network, dataset, count)
            calibration = Calibration(network, pool.inputs[:count].astype(np.int8, copy=False))
        else:
            calibration = Calibration(network, *synthetic_inputs(network, CALIBRATION, SEED))
        yield from _calibrated(network, test, calibration, count, MULTIPLIER_BITS[-1:])


def parts(network: QuantizedNetwork, dataset: Dataset, count: int) -> tuple[Samples, Test]:
    """Returns at least ``count`` samples for calibration, and all others: of all parts, since nothing is trained."""
    order = np.random.default_rng(SEED).permutation(len(dataset.samples))
    cut = max(count, CALIBRATION)
    tested = dataset.samples.take(np.sort(order[cut:]))
    if dataset.held_out is not None:
        all_others = (dataset.held_out, tested)
        tested = Samples(
            *(np.concatenate([getattr(part, name) for part in all_others]) for name in ("inputs", "labels"))
        )
    return dataset.samples.take(order[:cut]), Test(tested, predictions(network, tested))


def _narrowed(network: QuantizedNetwork, test: Test, bits: int, window: int | None, method: Method) -> Row:
    started = time.perf_counter()
    made = narrow(network, choices_of(network, bits, window, method))
    return test.row(made, bits, window, method.value, 0, time.perf_counter() - started)


def _calibrated(
    network: QuantizedNetwork, test: Test, calibration: Calibration, count: int, widths: tuple[int, ...]
) -> Iterator[Row]:
    for bits in widths:
        for window in SHIFT_BITS:
            started = time.perf_counter()
            made = calibration.narrow(network, choices_of(network, bits, window, Method.ABSORB))
            yield test.row(made, bits, window, "calibrated", count, time.perf_counter() - started)


def markdown(name: str, rows: list[Row]) -> str:
    """Returns the page of one network."""
    first = rows[0]
    titles = ["natural", *(str(2**window) for window in SHIFT_BITS if window is not None)]
    lines = [
        f"# {name}: accuracy at every width and shift window, untrained",
        "",
        f"`python -m studies.experiments.windows {name}`: every rescaler at the same width `k` and window (the number",
        "of right shifts that the channels of a layer share; 1 is one constant shift), ADDs too, 8-bit weights,",
        f"half_up. int32: {first.int32_percent:.2f}% of {first.test_samples} test samples. Cells: drop against int32",
        "in percentage points, with its paired 95% score interval; then top-1 agreement with int32.",
        f"`calibrated`: with {CALIBRATION} unlabelled samples that are not tested.",
        "",
        f"| k | method | {' | '.join(titles)} |",
        f"|---:|---|{'---:|' * len(titles)}",
    ]
    for bits in MULTIPLIER_BITS:
        for method in ("round", "absorb", "calibrated"):
            count = CALIBRATION if method == "calibrated" else 0
            lines.append(f"| {bits} | {method} | {_cells(rows, bits, method, count)} |")
    lines += [
        "",
        f"## Samples for calibration (k = {MULTIPLIER_BITS[-1]})",
        "",
        f"0 samples: {CALIBRATION} synthetic inputs, noise with the spectrum of natural images, no data at all. With",
        "256 samples, fewer are left to test: intervals are wider, and int32 differs.",
        "",
        f"| samples | tested | {' | '.join(titles)} |",
        f"|---:|---:|{'---:|' * len(titles)}",
    ]
    for count in sorted({CALIBRATION, *OTHER_CALIBRATIONS}):
        tested = next(
            row.test_samples for row in rows if (row.method, row.calibration_samples) == ("calibrated", count)
        )
        lines.append(f"| {count} | {tested} | {_cells(rows, MULTIPLIER_BITS[-1], 'calibrated', count)} |")
    return "\n".join([*lines, ""])


def _cells(rows: list[Row], bits: int, method: str, count: int) -> str:
    by_window = {
        row.shift_bits: row
        for row in rows
        if (row.multiplier_bits, row.method, row.calibration_samples) == (bits, method, count)
    }
    return " | ".join(_cell(by_window.get(-1 if window is None else window)) for window in SHIFT_BITS)


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    return f"{row.drop_pp:+.2f} ({row.ci_low_pp:+.2f} to {row.ci_high_pp:+.2f}); {row.agreement_percent:.1f}%"


def main(
    network: Annotated[str, typer.Argument(help="kws, resnet8 or mobilenet_v2")],
    data: Annotated[Path, typer.Option(help="folder with models/ and samples/")] = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="folder for the results")] = Path("docs/results"),
) -> None:
    """Measures one network and writes its page and CSV."""
    model, file, offset = source_of(network)
    dataset = load_npz_dataset(data / "samples" / file, input_offset=offset)
    rows = []
    for row in measured(load_tflite(data / "models" / model), dataset):
        typer.echo(
            f"k {row.multiplier_bits} window {row.shift_bits} {row.method} {row.calibration_samples}: "
            f"{row.drop_pp:+.2f} pp, agreement {row.agreement_percent:.1f}%",
            err=True,
        )
        rows.append(row)
    out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(asdict(row) for row in rows).round(3).to_csv(out / f"windows-{network}.csv", index=False)
    page = out / f"windows-{network}.md"
    page.write_text(markdown(network, rows), encoding="utf-8")
    typer.echo(page)


if __name__ == "__main__":
    typer.run(main)
