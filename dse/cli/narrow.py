"""``dse narrow``: one model narrowed without a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.cli.hardware import OUTPUT_ORDER_HELP
from dse.cli.networks import Cuts
from dse.cli.output import echo, terminal
from dse.errors import StudyError

if TYPE_CHECKING:  # imported by the command: `dse --help` must not wait for torch
    from dse.narrowing import NarrowDocument, NarrowRequest, Step
    from hwmodels import PresetName
    from nets.network import Method

UNSOUND = 1


def narrow(
    model: Annotated[Path, typer.Argument(help="quantized .tflite, .onnx or .tosa file", show_default=False)],
    out: Annotated[
        Path, typer.Option(help=".tflite or .tosa file to write, or .onnx of an .onnx model", show_default=False)
    ],
    data: Annotated[
        Path | None,
        typer.Option(help=".npz file with x, and y if there are labels", show_default="synthetic inputs"),
    ] = None,
    input_offset: Annotated[int, typer.Option(help="added to the inputs of --data: -128 for uint8 pixels")] = 0,
    multiplier_bits: Annotated[int, typer.Option(help="width of every multiplier: 1 (a pure shift) to 31 (int32)")] = 1,
    shift_bits: Annotated[
        str, typer.Option(help="width of every layer's shift: 0 (one constant shift) to 5, or natural")
    ] = "natural",
    method: Annotated[
        str, typer.Option(help="absorb (weights take what the multipliers lose) or round (weights stay)")
    ] = "absorb",
    calibrate: Annotated[
        int | None,
        typer.Option(
            help="number of calibration samples, whose labels are not used", show_default="64 under absorb, or 0"
        ),
    ] = None,
    cut: Cuts = None,
    contract: Annotated[str, typer.Option(help="rounding contract of the hardware")] = "half_up",
    technology: Annotated[str, typer.Option(help="name of a shipped table, or path of a .toml table")] = "aladdin40",
    output_order: Annotated[
        str | None, typer.Option(metavar="ORDER", help=OUTPUT_ORDER_HELP, show_default="that of the accelerator")
    ] = None,
    accelerator: Annotated[
        str | None,
        typer.Option(
            help="whose part the rescalers are: nvdla_small, ethos_u55_256, gemmini or finn",
            show_default="16 MACs to a rescaler in each layer",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of the choice of samples")] = 0,
    force: Annotated[bool, typer.Option("--force", help="replace the file of --out if it exists")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Narrow every rescaler of a model, without a search.

    It prints what changes and what that does to accuracy, area and energy, and writes the narrowed model.
    """
    from dse.narrowing import NarrowRequest

    request = NarrowRequest(
        model=model,
        out=out,
        cut=tuple(cut or ()),
        data=data,
        input_offset=input_offset,
        multiplier_bits=multiplier_bits,
        shift_bits=_window(shift_bits),
        method=_method(method),
        calibrate=calibrate,
        contract=contract,
        technology=technology,
        output_order=output_order,
        accelerator=_preset(accelerator),
        seed=seed,
        force=force,
    )
    document = _narrowed(request)
    if as_json:
        echo(document.model_dump_json(indent=2))
    else:
        from dse.cli.narrow_tables import print_document

        print_document(document, terminal())
    if not document.file.sound:
        raise typer.Exit(UNSOUND)


def _narrowed(request: NarrowRequest) -> NarrowDocument:
    """Narrows the model behind a progress bar, which is shown on a terminal only and never on stdout."""
    request.check()
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from dse.narrowing import narrow_model  # imports torch: a request that cannot be served is refused before

    console = terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading the model", total=None)

        def show(step: Step, done: int, total: int) -> None:
            bar.update(task, description=step.value, completed=done, total=total)

        return narrow_model(request, show)


def _window(text: str) -> int | None:
    if text == "natural":
        return None
    try:
        return int(text)
    except ValueError:
        raise StudyError(f"--shift-bits is {text!r}; use a number of bits from 0, or natural") from None


def _preset(text: str | None) -> PresetName | None:
    from hwmodels import PRESETS

    if text is None:
        return None
    for name in PRESETS:
        if name == text:
            return name
    raise StudyError(f"--accelerator is {text!r}; use one of {', '.join(PRESETS)}")


def _method(text: str) -> Method:
    from nets.network import Method

    if text not in [method.value for method in Method]:
        raise StudyError(f"--method is {text!r}; use absorb or round")
    return Method(text)
