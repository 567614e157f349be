"""Synthesizes the exported rescalers of a design and of int32, and prints how many times smaller the design's are.

    python -m studies.experiments.exported trial RUN --trial N --liberty FILE.lib
    python -m studies.experiments.exported uniform MODEL.tflite --multiplier-bits 1 --liberty FILE.lib

Every unit is synthesized as ``dse export`` instantiates it: the same module, the same parameters, its constants built
in; int32 (Q31) too. One lane per rescaler. Parameters (multipliers and shifts, not the biases that any accumulator
needs) count as flip-flops of the library: a memory compiler would make them denser, in both designs.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from dse.export import Unit, load_design, units_of
from dse.store import RunFolder
from hwmodels.errors import HardwareError
from hwmodels.synthesis import Library, build_circuit, load_liberty, synthesize
from nets.datasets import load_npz_dataset
from nets.importers import load_tflite
from nets.narrow import Calibration, RescalerChoice, narrow, synthetic_inputs
from nets.network import FULL_MULTIPLIER_BITS, Int8Array, Method, QuantizedNetwork
from studies.experiments.program import run

Key = tuple[str, tuple[tuple[str, int], ...]]  # module and parameters


@dataclass(frozen=True, slots=True)
class ExportedUnit:
    """One exported rescaler, synthesized; areas in um2.

    Attributes:
        module: module of the shipped RTL.
        datapath_um2: its area, output register included.
        parameter_bits: bits of multipliers and shifts that it stores.
        parameters_um2: these bits as flip-flops of the library.
    """

    rescaler: str
    module: str
    multiplier_bits: int
    shift_bits: int
    accumulator_bits: int
    datapath_um2: float
    parameter_bits: int
    parameters_um2: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The exported rescalers of a design beside those of int32 (Q31), in the same order."""

    design: tuple[ExportedUnit, ...]
    int32: tuple[ExportedUnit, ...]

    @property
    def datapath_ratio(self) -> float:
        """Area of int32's datapaths over that of the design's."""
        return _datapaths(self.int32) / _datapaths(self.design)

    @property
    def ratio_with_parameters(self) -> float:
        """The same with the parameters of both."""
        return _with_parameters(self.int32) / _with_parameters(self.design)


def _datapaths(units: Iterable[ExportedUnit]) -> float:
    return sum(unit.datapath_um2 for unit in units)


def _with_parameters(units: Iterable[ExportedUnit]) -> float:
    return sum(unit.datapath_um2 + unit.parameters_um2 for unit in units)


def compare(design: QuantizedNetwork, int32: QuantizedNetwork, library: Library) -> Comparison:
    """Synthesizes the exported rescalers of both networks; equal ones once.

    Raises:
        StudyError: a rescaler cannot be exported.
        HardwareError: yosys is absent or fails.
    """
    areas: dict[Key, float] = {}
    return Comparison(*(tuple(measure(units_of(each, {}), library, areas)) for each in (design, int32)))


def measure(units: Sequence[Unit], library: Library, areas: dict[Key, float]) -> Iterable[ExportedUnit]:
    """Yields every unit synthesized; ``areas`` keeps what was synthesized before."""
    bit_um2 = flip_flop_um2(library)
    for unit in units:
        key = (unit.module, tuple(unit.parameters.items()))
        if key not in areas:
            areas[key] = build_circuit(synthesize(unit.files, unit.module, unit.parameters, library), library).area_um2
        last = unit.workload.stages[-1]
        bits = unit.channels * unit.parameter_word_bits
        yield ExportedUnit(
            rescaler=unit.name,
            module=unit.module,
            multiplier_bits=last.multiplier_bits,
            shift_bits=last.shift_bits,
            accumulator_bits=unit.accumulator_bits,
            datapath_um2=areas[key],
            parameter_bits=bits,
            parameters_um2=bits * bit_um2,
        )


def flip_flop_um2(library: Library) -> float:
    """Returns the area of the library's smallest flip-flop.

    Raises:
        HardwareError: the library has none.
    """
    areas = [cell.area_um2 for cell in library.cells.values() if cell.next_state]
    if not areas:
        raise HardwareError(f"{library.path}: has no flip-flop")
    return min(areas)


def shown(comparison: Comparison) -> str:
    """Returns the table and the ratios as text."""
    lines = [f"{'rescaler':<24} {'module':<18} {'int32 um2':>12} {'um2':>10} {'ratio':>7} {'parameter bits':>14}"]
    for int32, design in zip(comparison.int32, comparison.design, strict=True):
        ratio = int32.datapath_um2 / design.datapath_um2
        lines.append(
            f"{design.rescaler:<24} {design.module:<18} {int32.datapath_um2:>12,.0f} {design.datapath_um2:>10,.0f} "
            f"{ratio:>7.1f} {design.parameter_bits:>14}"
        )
    wide, narrow_ = _datapaths(comparison.int32), _datapaths(comparison.design)
    lines.append(f"{'all':<24} {'':<18} {wide:>12,.0f} {narrow_:>10,.0f} {comparison.datapath_ratio:>7.1f}")
    both = _with_parameters(comparison.int32), _with_parameters(comparison.design)
    lines.append(
        f"{'with parameters':<24} {'':<18} {both[0]:>12,.0f} {both[1]:>10,.0f} {comparison.ratio_with_parameters:>7.1f}"
    )
    return "\n".join(lines) + "\n"


def write(comparison: Comparison, path: Path) -> None:
    """Writes a row per unit of both designs as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["design", *(each.name for each in fields(ExportedUnit))], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"design": "int32"} | asdict(unit) for unit in comparison.int32)
        writer.writerows({"design": "narrowed"} | asdict(unit) for unit in comparison.design)


app = typer.Typer(add_completion=False, no_args_is_help=True)
Liberty = Annotated[Path, typer.Option(help="cell library, FILE.lib", show_default=False)]
Out = Annotated[Path | None, typer.Option(help="CSV file with a row per unit", show_default=False)]


@app.command("trial")
def trial_of_a_run(
    run: Annotated[Path, typer.Argument(help="run folder", show_default=False)],
    trial: Annotated[int, typer.Option(help="number of the design's trial", show_default=False)],
    liberty: Liberty,
    member: Annotated[str, typer.Option(help="name of the network, if the study has several")] = "",
    out: Out = None,
) -> None:
    """Compare a trial's exported rescalers with those of int32."""
    design = load_design(RunFolder(run), trial, samples=1, member=member)
    _report(design.network, design.baseline, liberty, out)


@app.command()
def uniform(
    model: Annotated[Path, typer.Argument(help="full-int8 model, FILE.tflite", show_default=False)],
    liberty: Liberty,
    multiplier_bits: Annotated[int, typer.Option(help="multiplier width of every rescaler, in bits")] = 1,
    shift_bits: Annotated[int | None, typer.Option(help="shift window, in bits", show_default="natural")] = None,
    calibrate: Annotated[int, typer.Option(help="samples for calibration; 0: none", min=0)] = 0,
    data: Annotated[Path | None, typer.Option(help="samples, FILE.npz", show_default="synthetic")] = None,
    out: Out = None,
) -> None:
    """Compare a model whose rescalers all have one width and window with int32; weights absorb."""
    int32 = load_tflite(model, contract="half_up")
    choice = RescalerChoice(multiplier_bits, Method.ABSORB, shift_bits)
    if multiplier_bits == FULL_MULTIPLIER_BITS:
        choice = RescalerChoice(multiplier_bits)
    choices = {operator.name: choice for operator in int32.narrowable_operators()}
    if not calibrate:
        _report(narrow(int32, choices), int32, liberty, out)
        return
    inputs = synthetic_inputs(int32, calibrate) if data is None else (_samples(data)[:calibrate],)
    _report(Calibration(int32, *inputs).narrow(int32, choices), int32, liberty, out)


def _samples(data: Path) -> Int8Array:
    """Returns the samples of a file, in its order, as int8 model inputs."""
    return load_npz_dataset(data).samples.inputs.astype(np.int8, copy=False)


def _report(design: QuantizedNetwork, int32: QuantizedNetwork, liberty: Path, out: Path | None) -> None:
    comparison = compare(design, int32, load_liberty(liberty))
    typer.echo(shown(comparison), nl=False)
    if out is not None:
        write(comparison, out)


if __name__ == "__main__":
    run(app)
