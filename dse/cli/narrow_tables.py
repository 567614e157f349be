"""What ``dse narrow`` prints: a table of layers, of outputs, of costs, and the file."""

from itertools import compress
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dse import formats
from dse.narrowing import (
    CostDocument,
    Estimate,
    FileDocument,
    LayerDocument,
    NarrowDocument,
    ScoreDocument,
    TosaFileDocument,
)
from nets.network import ONNX_PROFILES

_EXPLAINED = (  # the columns with intervals
    "drop: Tango, paired",
    "agreement (same largest output): Wilson",
    "error (mean squared, as a share of the variance of int32's outputs): bootstrap",
)
_NAME = 16  # characters shown of an operator's name


def print_document(document: NarrowDocument, console: Console) -> None:
    """Prints everything that a person wants to know, most important last."""
    console.print(layers_table(document))
    console.print(outputs_table(document))
    console.print(costs_table(document))
    console.print(Text(shares_line(document.cost)), soft_wrap=True)
    for line in file_lines(document.file):
        console.print(Text(line), soft_wrap=True)
    for note in document.notes:
        console.print(Text(f"Note: {note}.", style="yellow"), soft_wrap=True)


def layers_table(document: NarrowDocument) -> Table:
    """Returns a table with one row per rescaler."""
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=Text(
            f"{Path(document.model).name}: {formats.count(len(document.layers), 'rescaler')}, {_choice(document)}"
        ),
        caption=Text(
            "shift: right shifts of the channels; moved: channels beyond their natural shift; weights: integers that "
            "changed, by: most in steps of int32's; bias: largest change in output LSB; fold: rounding and zero point "
            "in the bias; area: µm², less: than int32's"
        ),
    )
    table.add_column("layer", no_wrap=True)
    for heading in ("k", "shift", "moved", "weights", "by", "bias", "fold", "area", "less"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in document.layers:
        table.add_row(*_layer_cells(layer))
    return table


def _choice(document: NarrowDocument) -> str:
    window = "natural shifts" if document.shift_bits is None else f"{document.shift_bits}-bit shifts"
    return f"k = {document.multiplier_bits}, {window}, {document.method}, {document.contract}"


def _layer_cells(layer: LayerDocument) -> list[str]:
    shifts = str(layer.first_shift)
    if layer.last_shift != layer.first_shift:
        shifts += f"{formats.EN_DASH}{layer.last_shift}"
    less = None if layer.int32_area_um2 is None or not layer.area_um2 else layer.int32_area_um2 / layer.area_um2
    return [
        formats.shorten(layer.name, _NAME),
        str(layer.multiplier_bits),
        shifts,
        f"{layer.moved_channels}/{layer.channels}" if layer.weights else "",
        formats.percent(layer.weights_changed / layer.weights, 0) if layer.weights else "",
        f"{layer.largest_weight_change:.1f}" if layer.weights else "",
        f"{layer.largest_bias_change:.2f}" if layer.weights else "",
        "yes" if layer.folded else "no",
        formats.number(layer.area_um2),
        formats.ratio(less),
    ]


def outputs_table(document: NarrowDocument) -> Table:
    """Returns a table of the outputs against int32's: before calibration and after it."""
    samples = document.samples
    source = "synthetic inputs" if samples.source == "synthetic" else "samples"
    seen = f" other than the {samples.calibration} for calibration" if samples.calibration else ""
    rows = [("design" if document.uncalibrated is None else "calibrated", *_score_cells(document.design))]
    if document.uncalibrated is not None:
        rows.insert(0, ("uncalibrated", *_score_cells(document.uncalibrated)))
    if document.int32_accuracy_percent is not None:
        rows.insert(0, ("int32", f"{document.int32_accuracy_percent:.2f}", "", "", ""))
    known = [any(column) for column in zip(*rows, strict=True)]  # no accuracy without labels, no agreement of values
    explained = "; ".join(compress(_EXPLAINED, known[2:]))
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 0),
        title=Text(f"Outputs against int32's, {samples.test:,} {source}{seen}"),
        caption=Text(f"[95% intervals]; {explained}"),
    )
    for heading in compress(("network", "acc. %", "drop pp", "agreement %", "error %"), known):
        table.add_column(heading, justify="left" if heading == "network" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*compress(row, known))
    return table


def _score_cells(score: ScoreDocument) -> tuple[str, str, str, str]:
    accuracy, error = score.accuracy_percent, score.output_error
    return (
        "" if accuracy is None else f"{accuracy:.2f}",
        _estimate(score.drop_pp),
        _estimate(score.agreement_percent, 1),
        _estimate(Estimate(*(100.0 * value for value in error)), 1 if error.value > 0.1 else 2),
    )


def _estimate(estimate: Estimate | None, digits: int = 2) -> str:
    if estimate is None:
        return ""
    return f"{formats.signed(estimate.value, digits)} {formats.interval(estimate.low, estimate.high, digits)}"


def costs_table(document: NarrowDocument) -> Table:
    """Returns a table of area and energy of all rescalers."""
    cost = document.cost
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=Text(f"All rescalers, each built for its layer: {cost.model} model, {cost.technology}"),
    )
    for heading in ("", "int32", "int16", "design", "less than int32", "than int16"):
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    areas = cost.int32_area_um2, cost.int16_area_um2, cost.area_um2
    energies = cost.int32_energy_nj, cost.int16_energy_nj, cost.energy_nj
    table.add_row("area", *map(formats.area, areas), *_less(*areas))
    table.add_row("energy", *map(formats.energy, energies), *_less(*energies))
    order = "one for both orders of outputs" if cost.output_order is None else f"outputs in {cost.output_order} order"
    table.caption = Text(f"energy: {order}, without reads of parameters")
    return table


def _less(int32: float | None, int16: float | None, design: float | None) -> list[str]:
    return [formats.ratio(each / design if each is not None and design else None) for each in (int32, int16)]


def shares_line(cost: CostDocument) -> str:
    """Returns which part of the accelerator the rescalers are, with buffers of weights and activations and without."""
    parts = [
        f"{_percent(share.int32)} to {_percent(share.design)} of MACs and rescalers in {name}, "
        f"{_percent(share.int32_with_buffers)} to {_percent(share.design_with_buffers)} with buffers"
        for name, share in (("area", cost.area_share), ("energy", cost.energy_share))
    ]
    return f"Rescalers go from {'; '.join(parts)} ({cost.accelerator})."


def _percent(part: float | None) -> str:
    return "unknown" if part is None else formats.share(part)


def file_lines(file: FileDocument | TosaFileDocument) -> list[str]:
    """Returns what there is to say about the written file."""
    if isinstance(file, TosaFileDocument):
        run = f", on {file.reference_samples} run by the TOSA reference model" if file.reference_samples else ""
        return [
            f"Model: {file.path}; its multipliers, shifts and rounding are the design's.",
            f"On {file.samples} inputs every output integer is the design's, read again{run}.",
        ]
    runtime = "ONNX Runtime" if file.resolver in ONNX_PROFILES else f"LiteRT ({file.resolver})"
    litert = {
        True: f"{runtime} gives every integer that is predicted for it",
        False: f"{runtime} gives OTHER integers than predicted: dse verify {file.path} shows where",
        None: f"predicted only, not run: {file.litert_refused}",
    }[file.litert_as_predicted]
    causes = f"{file.ties:,} ties, {file.double_roundings:,} double roundings, {file.scale_errors:,} scale errors"
    return [
        f"Model: {file.path}; read again, its weights, biases and scales are the design's.",
        f"Its runtime, on {file.samples} inputs: {litert}; {_alike(file)}; per operator on equal inputs {causes}, "
        f"{file.unexplained:,} unexplained.",
    ]


def _alike(file: FileDocument) -> str:
    """Returns how near the runtime's outputs are to the design's, by what they mean."""
    if file.agreement is None:
        return f"{file.outputs_differing:.2%} of the output integers differ from the design's"
    return f"the largest output agrees with the design's on {file.agreement:.1%}"
