"""``dse cost``, ``dse calibrate`` and ``dse trace``: the hardware models."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.cli.networks import Cuts
from dse.cli.output import echo, terminal
from dse.cli.run import INTERRUPTED
from dse.cli.verilog_options import Defines, Includes, bad_input, macros, parameters_of

if TYPE_CHECKING:  # imported by the commands that need them: `dse --help` must not wait for them
    from hwmodels.synthesis import Measurement

OUTPUT_ORDER_HELP = (
    "order in which a lane rescales outputs: channel_innermost (all channels of a position, then the next position) or "
    "channel_outermost"
)
DEFAULT_ORDER = "channel_innermost"
OutputOrderOption = Annotated[str, typer.Option(metavar="ORDER", help=OUTPUT_ORDER_HELP)]


def cost(
    files: Annotated[list[Path], typer.Argument(help="Verilog files", show_default=False)],
    top: Annotated[str, typer.Option(help="top module", show_default=False)],
    technology: Annotated[str, typer.Option(help="name of a shipped table, or path of a .toml table")] = "osu018",
    parameter: Annotated[
        list[str] | None,
        typer.Option("-P", "--parameter", metavar="NAME=VALUE", help="a parameter of the top module; repeatable"),
    ] = None,
    define: Defines = None,
    include: Includes = None,
    time_limit: Annotated[int, typer.Option(min=1, help="seconds of computing time")] = 120,
    memory_limit: Annotated[int, typer.Option(min=64, help="MiB of memory")] = 4096,
    output_order: Annotated[
        str | None,
        typer.Option(
            metavar="ORDER",
            help=f"{OUTPUT_ORDER_HELP}; only of tables without gates, whose energies are of random inputs",
            show_default=DEFAULT_ORDER,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show the cost of Verilog: operators, widths, area, energy."""
    from dse.cli.budget import within_budget
    from hwmodels import cost_verilog, load_technology

    parameters, defines = parameters_of(parameter), macros(define)
    table = load_technology(technology).in_order(output_order or DEFAULT_ORDER)
    if output_order is not None and table.gates is not None:
        raise bad_input(
            f"--output-order is {output_order}, but {table.name} prices Verilog by gates with random inputs, in no "
            "order of outputs; leave it out"
        )
    result = within_budget(
        lambda: cost_verilog(files, top, parameters, table, defines=defines, include_folders=include or []),
        seconds=time_limit,
        mebibytes=memory_limit,
    )
    if as_json:
        echo(json.dumps(asdict(result)))
    else:
        from dse.cli.hardware_tables import print_cost

        print_cost(result, terminal())


def trace(
    model: Annotated[Path, typer.Argument(help="quantized .tflite, .onnx or .tosa model", show_default=False)],
    data: Annotated[Path, typer.Option(help=".npz file with x and y, or x_test and y_test", show_default=False)],
    out: Annotated[Path, typer.Option(help="trace file to write")] = Path("trace.npz"),
    samples: Annotated[int, typer.Option(min=1, help="number of inputs to run, spread over the file")] = 4,
    input_offset: Annotated[int, typer.Option(help="added to the inputs: -128 for uint8 pixels")] = 0,
    cut: Cuts = None,
) -> None:
    """Record the accumulators of a network.

    They are the activity that `dse calibrate --traces` measures energies with.
    """
    from dse.evaluate import accumulator_recording, spread
    from hwmodels.traces import save_recording
    from nets.datasets import load_npz_dataset
    from nets.files import replacing
    from nets.importers import load_network

    network = load_network(model, cut=tuple(cut or ()))
    bits = network.tensors[network.inputs[0]].bits
    inputs = spread(load_npz_dataset(data, input_offset=input_offset, bits=bits).samples, samples)
    recorded = accumulator_recording(network, inputs, model.stem)
    with replacing(out) as temporary:
        save_recording(recorded, temporary)
    count = sum(tile.acc.size for tile in recorded.tiles)
    echo(f"{count} accumulators of {recorded.acc_bits} bits: {out}")


def calibrate(
    liberty: Annotated[Path, typer.Option(help="cell library in Liberty format (.lib, .lib.gz)", show_default=False)],
    name: Annotated[str, typer.Option(help="name of the table", show_default=False)],
    node_nm: Annotated[float, typer.Option(help="feature size in nm, which Liberty does not state")],
    out: Annotated[Path | None, typer.Option(help="file of the table", show_default="NAME.toml")] = None,
    traces: Annotated[Path | None, typer.Option(help="trace file (.npz), or a run folder with a trace.npz")] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="CSV file of synthesis results, from which a sweep resumes")
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(help="CSV file of a corpus of designs: price anyone's RTL by its gates too (3 minutes more)"),
    ] = None,
    multiplier_bits: Annotated[
        str | None,
        typer.Option(help="widths k to synthesize, such as 1,2,4,8,16,31", show_default="a sweep of about 12 minutes"),
    ] = None,
) -> None:
    """Fit a technology table to a cell library by synthesis.

    It prints the errors on points held out of the fit.
    """
    from dse.cli.hardware_tables import print_errors
    from hwmodels.synthesis import calibrate as calibrate_technology
    from hwmodels.synthesis import calibrate_gates, load_liberty
    from nets.files import write_text

    console = terminal()
    trace = traces / "trace.npz" if traces is not None and traces.is_dir() else traces

    def show(measurement: Measurement) -> None:
        what = f"{measurement.architecture} {measurement.acc_bits} x {measurement.multiplier_bits}"
        energies = f"{measurement.energy_channel_innermost_pj:.2f}", f"{measurement.energy_channel_outermost_pj:.2f}"
        figures = f"{measurement.area_um2:,.0f} um2, {' and '.join(energies)} pJ (channels innermost and outermost)"
        console.print(f"{what}: {figures}", highlight=False)

    path = out if out is not None else Path(f"{name}.toml")
    try:
        result = calibrate_technology(
            liberty,
            name,
            node_nm=node_nm,
            trace=trace,
            dataset=dataset,
            multiplier_bits=_widths(multiplier_bits),
            progress=show,
        )
    except KeyboardInterrupt:
        kept = "without --dataset no result is kept" if dataset is None else f"all results are kept in {dataset}"
        console.print(f"Interrupted before {path} was written; {kept}.", soft_wrap=True, highlight=False)
        raise typer.Exit(INTERRUPTED) from None
    text = result.text if corpus is None else calibrate_gates(load_liberty(liberty), result.text, corpus)
    write_text(path, text)
    print_errors(result, console)
    console.print(f"Technology: {path}", soft_wrap=True)


def _widths(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        widths = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise bad_input(f"multiplier_bits is {text!r}; expected numbers like 1,2,4") from None
    if not widths or not 1 <= widths[0] <= widths[-1] <= 32:
        raise bad_input(f"multiplier_bits is {text!r}; values from 1 to 32 are possible")
    return widths
