"""Measures pure shifts in narrow windows, before and after a short fine-tune: docs/results/windows_trained.md.

    python -m studies.experiments.training_windows digits
    python -m studies.experiments.training_windows kws --data ../shared/data
    python -m studies.experiments.training_windows resnet8 --data ../shared/data

Each writes its CSV, and the page anew from all of them. Every rescaler, those of ADDs too, is a pure shift (k = 1,
``absorb``), and the channels of a layer share a window of shifts. Samples are split as in
:mod:`studies.experiments.training`; calibration uses training samples, without their labels.
"""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import groupby, product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from rich.progress import track

from dse.study import BoolArray, correct_answers
from nets.errors import NetworkError
from nets.narrow import Calibration, RescalerChoice, narrow, with_weight_bits
from nets.network import Method, QuantizedNetwork, fingerprint
from nets.train import FinetuneSettings, fine_tune
from studies.experiments.training import FloatArray, Fold, folds, interval

SHIFT_BITS = (None, 3, 2, 1, 0)
WEIGHT_BITS = (8, 4)
CALIBRATION_SAMPLES = 256
SETTINGS = {
    "digits": FinetuneSettings(epochs=2, batch_size=32, learning_rate=2e-3, seed=0),
    "kws": FinetuneSettings(epochs=2, batch_size=64, learning_rate=3e-4, seed=0),
    "resnet8": FinetuneSettings(epochs=2, batch_size=64, learning_rate=3e-4, seed=0),
}


class Stage(StrEnum):
    """What was done to the network; training starts from the calibrated one."""

    ABSORB = "absorb"
    CALIBRATED = "calibrated"
    TRAINED = "trained"


@dataclass(frozen=True, order=True)
class Case:
    """One cell of the tables; ``shift_bits`` is None for natural shifts, and at int32 (``multiplier_bits`` 31)."""

    weight_bits: int
    multiplier_bits: int
    shift_bits: int | None
    stage: Stage

    @property
    def alike(self) -> "Case":
        """The case of int32 with the same weight width, calibrated or trained alike."""
        return replace(self, multiplier_bits=31, shift_bits=None)


DEPLOYED = Case(8, 31, None, Stage.ABSORB)


def cases() -> list[Case]:
    """Returns every case once; int32 has no window."""
    rescalers = [(31, None), *((1, shift_bits) for shift_bits in SHIFT_BITS)]
    return [Case(bits, *rescaler, stage) for bits, rescaler, stage in product(WEIGHT_BITS, rescalers, Stage)]


class Networks:
    """Makes the networks of one fold; its calibration is made once.

    Args:
        fold: the int32 network with its samples.
        settings: settings of the training.
    """

    def __init__(self, fold: Fold, settings: FinetuneSettings) -> None:
        self._fold, self._settings = fold, settings
        inputs = fold.training.inputs[:CALIBRATION_SAMPLES].astype(np.int8, copy=False)
        self._calibration = Calibration(fold.network, inputs, originals=fold.originals)
        self._correct: dict[tuple[str, bool], BoolArray] = {}

    def correct(self, case: Case) -> BoolArray:
        """Returns which test samples a case classifies correctly, ``[samples]``; equal networks are trained once."""
        network, trained = self._untrained(case), case.stage is Stage.TRAINED
        key = fingerprint(network), trained
        if key not in self._correct:
            if trained:
                network = fine_tune(network, self._fold.training, self._settings, self._fold.originals).network
            self._correct[key] = correct_answers(network, self._fold.test)
        return self._correct[key]

    def _untrained(self, case: Case) -> QuantizedNetwork:
        base = with_weight_bits(self._fold.network, case.weight_bits, self._fold.originals)
        choice = RescalerChoice(1, Method.ABSORB, case.shift_bits)
        choices = {op.name: choice for op in base.narrowable_operators()} if case.multiplier_bits == 1 else {}
        if case.stage is Stage.ABSORB:
            return narrow(base, choices, self._fold.originals)
        return self._calibration.narrow(base, choices)


def measure(name: str, data: Path, seeds: int) -> dict[Case, FloatArray]:
    """Returns, by case, the share of the seeds that classify each sample correctly, ``[samples]``."""
    settings = [replace(SETTINGS[name], seed=seed) for seed in range(seeds)]
    every = [(fold, Networks(fold, each)) for each in settings for fold in folds(name, data, each.seed)]
    size = 1 + max(int(fold.test_ids.max()) for fold, _ in every)
    right = {case: np.zeros(size) for case in cases()}
    for (fold, networks), case in track(list(product(every, cases())), description=name):
        right[case][fold.test_ids] += networks.correct(case) / seeds
    return right


@dataclass(frozen=True, slots=True)
class Row:
    """The result of a case: accuracy in percent, drops in percentage points with their paired 95% intervals."""

    accuracy_percent: float
    drop_pp: float
    ci_low_pp: float
    ci_high_pp: float
    drop_against_int32_alike_pp: float
    alike_ci_low_pp: float
    alike_ci_high_pp: float


def rows(right: dict[Case, FloatArray]) -> dict[Case, Row]:
    """Returns every case's accuracy, its drop against the deployed int32, and against int32 treated alike."""
    return {case: _row(correct, right[DEPLOYED], right[case.alike]) for case, correct in right.items()}


def _row(correct: FloatArray, deployed: FloatArray, alike: FloatArray) -> Row:
    (low, drop, high), (alike_low, alike_drop, alike_high) = interval(deployed - correct), interval(alike - correct)
    return Row(100 * float(correct.mean()), drop, low, high, alike_drop, alike_low, alike_high)


def table(results: dict[Case, Row], seeds: int, samples: int) -> pd.DataFrame:
    """Returns the rows of a CSV; ``shifts`` is the size of the window, or ``natural``."""
    records = []
    for case, row in results.items():
        shifts = "natural" if case.shift_bits is None else str(2**case.shift_bits)
        columns = {"weight_bits": case.weight_bits, "multiplier_bits": case.multiplier_bits, "shifts": shifts}
        columns |= {"stage": case.stage.value, **asdict(row), "seeds": seeds, "test_samples": samples}
        records.append(columns)
    return pd.DataFrame(records).round(3)


def markdown(tables: dict[str, pd.DataFrame]) -> str:
    """Returns the page of all networks, from the tables in their CSVs."""
    lines = [
        "# Pure shifts in narrow windows, before and after training",
        "",
        "`python -m studies.experiments.training_windows NETWORK`; half_up, method absorb, k = 1 at every rescaler,",
        "those of ADDs too. The channels of a layer share a window of so many right shifts; 1 is one constant shift.",
        f"Calibration: {CALIBRATION_SAMPLES} training samples, without labels. Training: two epochs of Adam, labels.",
        "",
        "Cells: accuracy in percent; in brackets its drop in percentage points with the paired 95% interval: before",
        "training against the deployed int32 network (8-bit weights), after training against int32 at the same weight",
        "width, calibrated and trained alike. The CSVs have both drops of every row.",
        "",
    ]
    for name, results in tables.items():
        samples, seeds = int(results["test_samples"].iloc[0]), int(results["seeds"].iloc[0])
        lines += [f"## {name}", "", f"{samples} test samples; seeds: {seeds}; `windows_trained-{name}.csv`.", ""]
        lines += ["| weights | shifts | absorb | calibrated | calibrated, then trained |", "|---:|---:|---:|---:|---:|"]
        for _, line in groupby(results.itertuples(), lambda row: (row.weight_bits, row.multiplier_bits, row.shifts)):
            lines.append(_line(list(line)))
        lines.append("")
    return "\n".join(lines)


def _line(results: list[Any]) -> str:
    """Returns a table's line from the rows of one weight width and window, stage by stage."""
    shifts = "int32" if results[0].multiplier_bits > 1 else results[0].shifts
    return f"| {results[0].weight_bits} | {shifts} | " + " | ".join(_cell(row) for row in results) + " |"


def _cell(row: Any) -> str:  # noqa: ANN401 -- pandas has no type for its named tuples
    if row.stage == Stage.TRAINED:
        drop, low, high = row.drop_against_int32_alike_pp, row.alike_ci_low_pp, row.alike_ci_high_pp
    else:
        drop, low, high = row.drop_pp, row.ci_low_pp, row.ci_high_pp
    return f"{row.accuracy_percent:.2f} ({drop:+.2f}; {low:+.2f} to {high:+.2f})"


def main(
    network: Annotated[str, typer.Argument(help="digits, kws or resnet8")],
    seeds: Annotated[int, typer.Option(min=1, help="number of seeds, for training and folds")] = 1,
    data: Annotated[Path, typer.Option(help="folder with models/ and samples/")] = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="folder for the results")] = Path("docs/results"),
) -> None:
    """Measures one network, writes its CSV, and the page from all CSVs in the folder."""
    if network not in SETTINGS:
        raise NetworkError(f"unknown network {network!r}; use one of {', '.join(SETTINGS)}")
    torch.set_num_threads(1)
    right = measure(network, data, seeds)
    samples = len(next(iter(right.values())))
    out.mkdir(parents=True, exist_ok=True)
    table(rows(right), seeds, samples).to_csv(_csv(out, network), index=False)
    written = {name: _csv(out, name) for name in SETTINGS if _csv(out, name).exists()}
    tables = {name: pd.read_csv(path, dtype={"shifts": str}) for name, path in written.items()}
    page = out / "windows_trained.md"
    page.write_text(markdown(tables), encoding="utf-8")
    typer.echo(page)


def _csv(out: Path, name: str) -> Path:
    return out / f"windows_trained-{name}.csv"


if __name__ == "__main__":
    typer.run(main)
