"""Proves the shipped rescalers and measures how long that takes.

python -m studies.hardware.proofs docs/results/hardware/proofs.csv
"""

import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from hwmodels import RescalerWorkload, RescaleStage
from hwmodels.architectures import ARCHITECTURES, Architecture
from hwmodels.proof import Outcome, Prover, shipped
from hwmodels.workload import OutputConstants, Pipeline
from nets.files import replacing

TIME_LIMIT_S: Final = 300.0
COLUMNS: Final = (
    "unit", "contract", "k", "latency", "accumulator_bits", "right_shift", "outputs", "claims", "result", "longest_s",
    "products",
)  # fmt: skip
_OUTPUT: Final = OutputConstants(zero_point=-128, q_min=-128, q_max=127)
_CLAMPED: Final = OutputConstants(zero_point=5, q_min=-100, q_max=90)
_WINDOW: Final = 3  # bits of the variable part of the shifts


def main(path: Path) -> None:
    """Proves every unit and writes the table."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for architecture, workload in units():
            row = proven(architecture, workload)
            writer.writerow(row)
            print(row, flush=True)  # noqa: T201 -- progress


def units() -> Iterator[tuple[Architecture, RescalerWorkload]]:
    """Yields the units of the table: programmable ones and those built for constants."""
    for k, acc in ((1, 20), (4, 20), (8, 20), (31, 20), (31, 32)):
        yield from _one_stage("array", k, acc)
    sliced = Pipeline(product=3, shift=1, sum=1)
    yield from ((each, replace(unit, pipeline=sliced)) for each, unit in _one_stage("array", 31, 32))
    for name in ("floor", "half_away", "tflite_double", "serial", "fractured"):
        yield from _one_stage(name, 8, 20)
    for name in ("floor", "half_away", "tflite_double"):
        yield from _one_stage(name, 31, 32)
    for bits in range(4):
        folded = _workload(1, 20, 8, bits)
        yield ARCHITECTURES["shift"], replace(folded, folded=True, output=replace(_OUTPUT, zero_point=0))
    for multiplier in (171, 1431655765):
        k = multiplier.bit_length()
        stage = replace(_workload(k, 20, k + 6, 0).stages[0], multiplier=multiplier)
        yield ARCHITECTURES["constant"], replace(_workload(k, 20, k + 6, 0), stages=(stage,), output=_OUTPUT)
    for k in (1, 8, 31):
        yield ARCHITECTURES["add"], _addition(k)
    yield ARCHITECTURES["add_shift"], replace(_addition(1), folded=True)


def _one_stage(name: str, k: int, acc_bits: int) -> Iterator[tuple[Architecture, RescalerWorkload]]:
    architecture = ARCHITECTURES[name]
    workload = replace(_workload(k, acc_bits, k + 4, _WINDOW), contract=architecture.contract)
    yield architecture, workload
    yield architecture, replace(workload, output=_CLAMPED)


def _workload(k: int, acc_bits: int, low: int, window: int) -> RescalerWorkload:
    stage = RescaleStage(
        operand_bits=acc_bits, multiplier_bits=k, right_shift_min=low, right_shift_max=low + (1 << window) - 1
    )
    return RescalerWorkload(
        name="proven", stages=(stage,), output_bits=8, channels=1, rescales_per_inference=1, macs_per_inference=0,
        weight_bits=8, activation_bits=8,
    )  # fmt: skip


def _addition(k: int) -> RescalerWorkload:
    """An elementwise ADD as it is built for one layer."""
    multipliers = (None, None) if k == 1 else (int(0.7 * 2**k), int(0.9 * 2**k))
    stages = tuple(
        RescaleStage(
            operand_bits=bits, multiplier_bits=k, right_shift_min=shift, right_shift_max=shift, multiplier=multiplier
        )
        for bits, shift, multiplier in zip((9, 30), (k - 18, k + 19), multipliers, strict=True)
    )
    output = replace(_OUTPUT, input_zero_points=(-128, 5))
    return replace(_workload(k, 20, 8, 0), stages=stages, output=output)


def proven(architecture: Architecture, workload: RescalerWorkload) -> dict[str, object]:
    """Returns the row of one unit: the worst outcome of its claims and the longest time of one."""
    _, netlist, statements = shipped(architecture, workload)
    prover = Prover(netlist)
    proofs = [prover.prove(each.interface, each.claim, TIME_LIMIT_S) for each in statements]
    outcomes = {proof.outcome for proof in proofs}
    worst = next(each for each in (Outcome.REFUTED, Outcome.OPEN, Outcome.PROVEN) if each in outcomes)
    stage = workload.stages[-1]
    low, high = stage.right_shift_min, stage.right_shift_max
    return {
        "unit": architecture.name,
        "contract": architecture.contract,
        "k": stage.multiplier_bits,
        "latency": statements[0].interface.latency,
        "accumulator_bits": stage.operand_bits,
        "right_shift": str(low) if low == high else f"{low}..{high}",
        "outputs": "ports" if workload.output is None else "constants",
        "claims": f"{sum(proof.outcome is Outcome.PROVEN for proof in proofs)} of {len(proofs)}",
        "result": str(worst),
        "longest_s": f"{max(proof.seconds for proof in proofs):.2f}",
        "products": "; ".join(dict.fromkeys(proof.products for proof in proofs if proof.products)),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
