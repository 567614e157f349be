"""Writes the narrowed model as .tflite files, one per LiteRT resolver, and compares each with the design."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dse.design import share_interval
from dse.export.document import TfliteDocument
from nets.errors import NetworkError
from nets.network import PROFILES, QuantizedNetwork
from nets.oracle import export_tflite


def write_models(
    network: QuantizedNetwork,
    original: Path | None,
    samples: npt.NDArray[np.int8],
    folder: Path,
    explained_samples: int | None = None,
) -> tuple[TfliteDocument, ...]:
    """Writes ``model.<resolver>.tflite`` for every resolver and documents each, or why it could not be written.

    Args:
        network: the design, as it ships.
        original: the file that it was imported from; None if there is none.
        samples: int8 inputs ``[samples, *shape]`` on which file and design are compared.
        folder: the folder to write into.
        explained_samples: the first samples on which every difference is explained; all by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_write(network, original, samples, folder, resolver, explained_samples) for resolver in PROFILES)


def _write(
    network: QuantizedNetwork,
    original: Path | None,
    samples: npt.NDArray[np.int8],
    folder: Path,
    resolver: str,
    explained_samples: int | None,
) -> TfliteDocument:
    path = folder / f"model.{resolver}.tflite"
    try:
        report = export_tflite(network, original, path, resolver, samples, explained_samples=explained_samples)
    except NetworkError as error:
        path.unlink(missing_ok=True)
        return TfliteDocument(resolver=resolver, refused=str(error))
    document = TfliteDocument.model_validate(report, from_attributes=True)
    low, high = share_interval(round(report.agreement * report.samples), report.samples)
    return document.model_copy(
        update={
            "file": path.name,
            "litert_equals_prediction": report.litert,
            "agreement_low": low / 100,
            "agreement_high": high / 100,
        }
    )
