"""Writes the narrowed model as .tflite files, one per LiteRT resolver, and compares each with the design."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dse.export.document import ResidualDocument, TfliteDocument
from nets.errors import NetworkError
from nets.network import PROFILES, QuantizedNetwork
from nets.oracle import ExportReport, export_tflite


def write_models(
    network: QuantizedNetwork, original: Path | None, samples: npt.NDArray[np.int8], folder: Path
) -> tuple[TfliteDocument, ...]:
    """Writes ``model.<resolver>.tflite`` for every resolver and documents each, or why it could not be written.

    Args:
        network: the design, as it ships.
        original: the file that it was imported from; if None, nothing is written.
        samples: int8 inputs ``[samples, *shape]`` on which file and design are compared.
        folder: the folder to write into.
    """
    if original is None:
        return ()
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_write(network, original, samples, folder, resolver) for resolver in PROFILES)


def _write(
    network: QuantizedNetwork, original: Path, samples: npt.NDArray[np.int8], folder: Path, resolver: str
) -> TfliteDocument:
    path = folder / f"model.{resolver}.tflite"
    try:
        return _document(export_tflite(network, original, path, resolver, samples), path.name)
    except NetworkError as error:
        path.unlink(missing_ok=True)
        return TfliteDocument(resolver=resolver, refused=str(error))


def _document(report: ExportReport, name: str) -> TfliteDocument:
    return TfliteDocument(
        resolver=report.resolver,
        file=name,
        sha256=report.sha256,
        samples=report.samples,
        outputs_differing=report.outputs_differing,
        agreement=report.agreement,
        explained=report.explained,
        litert_equals_prediction=report.litert,
        operators=tuple(
            ResidualDocument(
                operator=residual.operator,
                elements=residual.elements,
                differences=residual.differences,
                ties=residual.ties,
                double_roundings=residual.double_roundings,
                scale_errors=residual.scale_errors,
                unexplained=residual.unexplained,
                largest=residual.largest,
            )
            for residual in report.operators
        ),
    )
