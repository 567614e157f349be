"""``dse accelergy``: costs of rescalers for accelerator models of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dse.cli.hardware import OutputOrderOption
from dse.cli.output import echo


def accelergy(
    out: Annotated[Path, typer.Option(help="new or empty folder", show_default=False)],
    technology: Annotated[str, typer.Option(help="name of a shipped table, or path of a .toml table")] = "osu018",
    multiplier_bits: Annotated[str, typer.Option(help="widths k of the multiplier, bits")] = "1,2,3,4,6,8,12,15,31",
    accumulator_bits: Annotated[str, typer.Option(help="widths of the accumulator, bits")] = "16,20,24,32",
    shift_bits: Annotated[str, typer.Option(help="widths of the shift, bits; 0: one constant shift")] = "0,2,3",
    output_order: OutputOrderOption = "channel_innermost",
    contract: Annotated[str, typer.Option(help="rounding contract of the hardware")] = "half_up",
) -> None:
    """Write costs of rescalers as component tables of Accelergy.

    Timeloop and other accelerator models read them by Accelergy's library or table-based plug-in.
    """
    from hwmodels import AnalyticRescalerModel, CalibratedRescalerModel, HardwareError, load_technology
    from hwmodels.accelergy import entries_of, files_of
    from nets.files import write_text

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise HardwareError(f"--out {out} exists and is not an empty folder; give another one")
    table = load_technology(technology).in_order(output_order)
    model = CalibratedRescalerModel(table) if table.corrections else AnalyticRescalerModel(table)
    entries = entries_of(
        model,
        _widths("accumulator-bits", accumulator_bits, 8, 48),
        _widths("multiplier-bits", multiplier_bits, 1, 31),
        _widths("shift-bits", shift_bits, 0, 5),
        contract,
    )
    files = files_of(entries, model)
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    source = f"{model.name} model, table {table.name} ({table.order_note})"
    echo(f"{len(entries)} rescalers by the {source}: {', '.join(files)} in {out}")


def _widths(option: str, text: str, low: int, high: int) -> list[int]:
    from hwmodels import HardwareError

    try:
        widths = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise HardwareError(f"--{option} is {text!r}; expected whole numbers like 8,16") from None
    if not low <= widths[0] <= widths[-1] <= high:
        raise HardwareError(f"--{option} is {text!r}; values from {low} to {high} are possible")
    return widths
