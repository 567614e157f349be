"""``dse inspect``: what a model file holds, and what of it can be imported."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.cli.networks import AsJson, Cuts
from dse.cli.output import echo, terminal

if TYPE_CHECKING:  # imported by the command: `dse --help` must not wait for it
    from nets.importers import Inspection


def inspect(
    model: Annotated[Path, typer.Argument(help="quantized .tflite, .onnx or .tosa file", show_default=False)],
    cut: Cuts = None,
    as_json: AsJson = False,
) -> None:
    """Show what a model file holds, and what blocks its import.

    It works for files that cannot be imported, too, and needs no runtime.
    """
    from nets.importers import inspect_model

    inspection = inspect_model(model, cut=tuple(cut or ()))
    if as_json:
        echo(json.dumps({**asdict(inspection), "importable": inspection.importable}))
    else:
        _print(inspection)


def _print(inspection: Inspection) -> None:
    from dse.cli.inspect_tables import print_inspection

    print_inspection(inspection, terminal())
