"""The narrowed model as .tflite files, one per LiteRT resolver, each compared with the design's own integers."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dse.export._document import ResidualDocument, TfliteDocument
from nets.errors import NetworkError
from nets.network.profiles import PROFILES
from nets.network.quantized_network import QuantizedNetwork
from nets.oracle.export import ExportReport, export_tflite


def write_models(
    network: QuantizedNetwork, original: Path | None, samples: npt.NDArray[np.int8], folder: Path
) -> tuple[TfliteDocument, ...]:
    """Write ``model.<resolver>.tflite`` for every resolver; a refusal is told, not hidden.

    Args:
        network: the design, as it ships.
        original: the file it was imported from; None where it was trained here, and nothing is written.
        samples: int8 inputs on which the file and the design are compared.
        folder: where to write.
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
                operator=found.operator,
                elements=found.elements,
                differences=found.differences,
                ties=found.ties,
                double_roundings=found.double_roundings,
                scale_errors=found.scale_errors,
                unexplained=found.unexplained,
                largest=found.largest,
            )
            for found in report.operators
        ),
    )
