"""``dse verify`` and ``dse contracts``: a model file compared with its runtime, and under every contract."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.cli.output import echo, terminal
from nets.errors import NetworkError

if TYPE_CHECKING:  # imported by the commands that need them: `dse --help` must not wait for torch
    from nets.datasets import Samples
    from nets.network import ActivationArray, QuantizedNetwork

MISMATCH = 1

Model = Annotated[Path, typer.Argument(help="quantized .tflite, .onnx or .tosa file", show_default=False)]
Data = Annotated[Path | None, typer.Option(help=".npz file of inputs", show_default="random inputs")]
Offset = Annotated[int, typer.Option(help="added to the inputs of --data: -128 for uint8 pixels")]
Cuts = Annotated[
    list[str] | None,
    typer.Option(
        "--cut",
        help="name (of .tflite also index) of a tensor at which the network ends; may be repeated",
        show_default="its logits",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def verify(
    model: Model,
    profile: Annotated[
        str | None,
        typer.Option(
            help="litert_ref or litert_xnnpack of .tflite, onnxruntime of .onnx, tosa of .tosa", show_default="all"
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="number of random inputs, or of the first inputs of --data")] = 32,
    data: Data = None,
    input_offset: Offset = 0,
    seed: Annotated[int, typer.Option(min=0, help="seed of the random inputs")] = 0,
    cut: Cuts = None,
    as_json: AsJson = False,
) -> None:
    """Compare the integer executor with another runtime.

    Tensor by tensor, with LiteRT, ONNX Runtime or the TOSA reference model. The exit status
    is 1 if any integer differs. A resolver that refuses the model is named.
    """
    from nets.importers import load_network, model_format

    ends = tuple(cut or ())
    network = load_network(model, cut=ends)
    from nets.oracle import (  # imports torch: a file that cannot be used is refused before
        RefusedModelError,
        random_samples,
        verify_model,
    )

    if data is None:
        inputs = random_samples(network, samples, seed)
    else:
        inputs = [_inputs(_samples(data, input_offset, network), samples)]
    reports, refusals = [], dict[str, RefusedModelError]()
    for name in [profile] if profile else model_format(model).profiles:
        try:
            reports.append(verify_model(model, name, *inputs, cut=ends))
        except RefusedModelError as error:
            refusals[name] = error
    if not reports:
        raise next(iter(refusals.values()))
    if as_json:
        compared = [{**asdict(report), "exact": report.exact} for report in reports]
        echo(json.dumps([*compared, *({"profile": name, "refused": str(why)} for name, why in refusals.items())]))
    else:
        from dse.cli.network_tables import print_verification

        print_verification(reports, [str(why) for why in refusals.values()], terminal())
    if not all(report.exact for report in reports):
        raise typer.Exit(MISMATCH)


def contracts(
    model: Model,
    data: Annotated[Path, typer.Option(help=".npz file with x and y, or x_test and y_test", show_default=False)],
    input_offset: Offset = 0,
    cut: Cuts = None,
    baseline: Annotated[str, typer.Option(help="contract that the others are compared with")] = "half_up",
    samples: Annotated[
        int | None, typer.Option(min=1, help="number of the first samples of --data to run", show_default="all")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a network under every rounding contract.

    It prints where results first differ, by how much, and the effect on accuracy.
    """
    from nets.importers import load_network

    ends = tuple(cut or ())
    labelled = _samples(data, input_offset, load_network(model, cut=ends))
    from nets.oracle import contract_matrix  # imports torch: a file that cannot be used is refused before

    matrix = contract_matrix(model, _inputs(labelled, samples), labelled.labels[:samples], baseline=baseline, cut=ends)
    if as_json:
        echo(json.dumps(asdict(matrix)))
    else:
        from dse.cli.network_tables import print_contracts

        print_contracts(matrix, terminal())


def _inputs(samples: Samples, count: int | None) -> ActivationArray:
    from nets.datasets import integers

    return integers(samples.inputs[:count])


def _samples(path: Path, input_offset: int, network: QuantizedNetwork) -> Samples:
    """Returns a file's test part, or all of it, checked against the network's input shape."""
    if len(network.inputs) != 1:
        raise NetworkError(f"{network.name!r} has {len(network.inputs)} inputs; --data serves models with one")
    from nets.datasets import load_npz_dataset

    spec = network.tensors[network.inputs[0]]
    dataset = load_npz_dataset(path, input_offset=input_offset, bits=spec.bits)
    samples = dataset.held_out or dataset.samples
    if samples.inputs.shape[1:] != spec.shape:
        shape = list(samples.inputs.shape[1:])
        raise NetworkError(f"{path}: samples have shape {shape}; the model takes {list(spec.shape)}")
    return samples
