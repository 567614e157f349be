"""Writes the narrowed model as model files, one per runtime, and compares each with the design."""

from pathlib import Path

from dse.design import share_interval
from dse.export.document import TfliteDocument
from nets.errors import NetworkError
from nets.network import ONNX_PROFILES, PROFILES, ActivationArray, QuantizedNetwork
from nets.oracle import export_onnx, export_tflite


def write_models(
    network: QuantizedNetwork,
    original: Path | None,
    samples: ActivationArray,
    folder: Path,
    explained_samples: int | None = None,
) -> tuple[TfliteDocument, ...]:
    """Writes ``model.<resolver>.tflite`` for every resolver and documents each, or why it could not be written.

    A network from an .onnx file gets ``model.onnxruntime.onnx``, too.

    Args:
        network: the design, as it ships.
        original: the file that it was imported from; None if there is none.
        samples: integer inputs ``[samples, *shape]`` on which file and design are compared.
        folder: the folder to write into.
        explained_samples: the first samples on which every difference is explained; all by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    resolvers = [*PROFILES, *(ONNX_PROFILES if _is_onnx(original) else ())]
    return tuple(_write(network, original, samples, folder, resolver, explained_samples) for resolver in resolvers)


def _is_onnx(original: Path | None) -> bool:
    return original is not None and original.suffix.lower() == ".onnx"


def _write(
    network: QuantizedNetwork,
    original: Path | None,
    samples: ActivationArray,
    folder: Path,
    resolver: str,
    explained_samples: int | None,
) -> TfliteDocument:
    path = folder / f"model.{resolver}{'.onnx' if resolver in ONNX_PROFILES else '.tflite'}"
    try:
        if original is not None and resolver in ONNX_PROFILES:
            report = export_onnx(network, original, path, samples, explained_samples=explained_samples)
        else:
            report = export_tflite(network, original, path, resolver, samples, explained_samples=explained_samples)
    except NetworkError as error:
        path.unlink(missing_ok=True)
        return TfliteDocument(resolver=resolver, refused=str(error))
    document = TfliteDocument.model_validate(report, from_attributes=True)
    written = document.model_copy(update={"file": path.name, "litert_equals_prediction": report.litert})
    if report.agreement is None:
        return written
    low, high = share_interval(round(report.agreement * report.samples), report.samples)
    return written.model_copy(update={"agreement_low": low / 100, "agreement_high": high / 100})
