"""Export of a narrowed network to the .onnx file that it was imported from, with every residual explained."""

import importlib.util
from functools import partial
from pathlib import Path

from nets.errors import NetworkError
from nets.importers import Cut, onnx_from_bytes, read_file
from nets.network import ActivationArray, QuantizedNetwork
from nets.oracle.export import RANDOM_SAMPLES, ExportReport, write_compared
from nets.oracle.onnx_patch import ends_in, patched_onnx
from nets.oracle.onnx_verify import verify_onnx_bytes
from nets.oracle.verify import random_samples

_PROFILE = "onnxruntime"


def export_onnx(
    network: QuantizedNetwork,
    original_path: str | Path,
    out_path: str | Path,
    *samples: ActivationArray,
    seed: int = 0,
    explained_samples: int | None = None,
) -> ExportReport:
    """Writes a network into a copy of the .onnx file that it was imported from.

    Args:
        network: A design made from the network of ``original_path``.
        original_path: the file that it was imported from.
        out_path: the file to write.
        samples: one int8 array ``[samples, *shape]`` per network input, for the comparison; random ones by default.
        seed: seed of the random samples.
        explained_samples: the first samples on which every difference is explained and ONNX Runtime runs the file; all
            by default.

    Raises:
        NetworkError: the network does not belong to the file, or the file has no place for it.
    """
    original_path, out_path = Path(original_path), Path(out_path)
    original = read_file(original_path)
    ends = ends_in(network, original, original_path.name)
    content = patched_onnx(network, original, original_path.name, ends)
    runtime = onnx_from_bytes(content, out_path.name, contract=_PROFILE, cut=ends).network
    if [op.name for op in runtime.operators] != [op.name for op in network.operators]:
        raise NetworkError(f"{original_path.name}: two statements of one scale cannot be kept alike in this file")
    inputs = list(samples) or random_samples(network, RANDOM_SAMPLES, seed)
    few = [each[:explained_samples] for each in inputs]
    return write_compared(network, runtime, inputs, few, out_path, content, _PROFILE, partial(_runtime_agrees, ends))


def _runtime_agrees(
    ends: Cut, content: bytes, name: str, inputs: list[ActivationArray]
) -> tuple[bool | None, str | None]:
    """Returns whether ONNX Runtime gives the predicted integers, or why it cannot be asked."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None, "ONNX Runtime is not installed"
    try:
        return verify_onnx_bytes(content, name, _PROFILE, *inputs, cut=ends).exact, None
    except NetworkError as error:
        return None, str(error)
