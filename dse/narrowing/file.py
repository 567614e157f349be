"""Writes a design as a .tflite, .onnx or .tosa file, and keeps it only if it holds the design."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from dse.narrowing.document import FileDocument, TosaFileDocument
from nets.files import replacing
from nets.importers import Cut, load_tflite, model_format, onnx_from_bytes
from nets.network import ActivationArray, QuantizedNetwork, Weighted
from nets.oracle import ExportReport, export_onnx, export_tflite, export_tosa, is_patched

RESOLVER = "litert_xnnpack"  # LiteRT's default


class LostDesignError(RuntimeError):
    """A written file does not hold the design: a bug of this program, not of its input."""


def write_file(
    network: QuantizedNetwork, original: Path, out: Path, samples: tuple[ActivationArray, ...], cut: Cut = ()
) -> FileDocument | TosaFileDocument:
    """Writes a design into a copy of the file that its network was imported from, or a new file, in one step.

    Args:
        network: the design.
        original: the file that it was made from.
        out: the file to write; its suffix names the format.
        samples: one int8 or int16 array ``[samples, *shape]`` per network input, on which file and design are compared.
        cut: tensors of the file at which the network ends.

    Raises:
        NetworkError: the file has no place for the design; nothing is written.
        LostDesignError: the file read again has other integers than the design; nothing is written.
    """
    if out.suffix == ".tosa":
        written = export_tosa(network, out, *samples)
        return TosaFileDocument.model_validate({"path": str(out), **asdict(written)})
    with replacing(out) as temporary:
        if model_format(out).suffix == ".onnx":
            report = export_onnx(network, original, temporary, *samples)
            _check_holds(network, onnx_from_bytes(temporary.read_bytes(), out.name, cut=cut).network)
            return _document(report, out)
        report = export_tflite(network, original, temporary, RESOLVER, *samples)
        if is_patched(original):  # a new file is checked while it is written
            _check_holds(network, load_tflite(temporary, cut=cut))
    return _document(report, out)


def _check_holds(network: QuantizedNetwork, read: QuantizedNetwork) -> None:
    for ours, theirs in zip(network.operators, read.operators, strict=True):
        if not isinstance(ours, Weighted) or not isinstance(theirs, Weighted):
            continue
        if not (np.array_equal(ours.weights, theirs.weights) and np.array_equal(ours.bias, theirs.bias)):
            raise LostDesignError(f"{ours.name}: the written file has other weights or biases than the design")
    for spec, back in zip(network.tensors, read.tensors, strict=True):
        if (np.float32(spec.scale), spec.zero_point) != (np.float32(back.scale), back.zero_point):
            raise LostDesignError(f"{spec.name}: the written file has another quantization than the design")


def _document(report: ExportReport, out: Path) -> FileDocument:
    causes = ("ties", "double_roundings", "scale_errors", "unexplained")
    return FileDocument(
        path=str(out),
        sha256=report.sha256,
        resolver=report.resolver,
        samples=report.samples,
        outputs_differing=report.outputs_differing,
        agreement=report.agreement,
        litert_as_predicted=report.litert,
        litert_refused=report.litert_refused,
        **{cause: sum(getattr(operator, cause) for operator in report.operators) for cause in causes},
    )
