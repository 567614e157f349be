"""Writes the design as a TOSA file, which states its integers exactly."""

from pathlib import Path

from dse.export.document import TosaDocument
from nets.errors import NetworkError
from nets.network import ActivationArray, QuantizedNetwork
from nets.oracle import export_tosa

_FILE = "model.tosa"


def write_tosa(network: QuantizedNetwork, samples: ActivationArray, folder: Path) -> TosaDocument:
    """Writes ``model.tosa`` and documents it, or why it could not be written.

    Args:
        network: the design, as it ships.
        samples: int8 inputs ``[samples, *shape]`` on which file and design are compared.
        folder: the folder to write into.
    """
    try:
        report = export_tosa(network, folder / _FILE, samples)
    except NetworkError as error:
        return TosaDocument(refused=str(error))
    return TosaDocument.model_validate(report, from_attributes=True).model_copy(update={"file": _FILE})
