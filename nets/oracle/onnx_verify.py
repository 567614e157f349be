"""Comparison of the integer executor with ONNX Runtime, tensor by tensor."""

from pathlib import Path

import numpy as np

from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import Cut, ImportedOnnx, onnx_from_bytes, read_file
from nets.network import ONNX_PROFILES, ActivationArray, TensorSpec, profile_named
from nets.oracle.onnxruntime import AnyArray, OnnxRunner
from nets.oracle.verify import Tally, VerifyReport


def verify_onnx(path: Path, profile: str, *samples: ActivationArray, cut: Cut = ()) -> VerifyReport:
    """Compares every tensor that a file has as integers with ONNX Runtime's, and the outputs of the unchanged file.

    Tensors are compared with all of them as outputs of the file. Since that might change which kernels are fused, the
    file as it is runs, too; its outputs are listed again, if they are not behind a Softmax.

    Args:
        path: a quantized .onnx file.
        profile: ``onnxruntime``.
        samples: one int8 array ``[samples, *shape]`` per network input, channels last.
        cut: names of the file's values at which the network ends.

    Raises:
        NetworkError: the model, the samples or the profile cannot be used, or ONNX Runtime is missing.
    """
    if profile not in ONNX_PROFILES:
        raise NetworkError(f"{profile!r} is no profile of ONNX Runtime; choose {', '.join(ONNX_PROFILES)}")
    return verify_onnx_bytes(read_file(path), path.name, profile, *samples, cut=cut)


def verify_onnx_bytes(
    content: bytes, name: str, profile: str, *samples: ActivationArray, cut: Cut = ()
) -> VerifyReport:
    """Compares a model given as bytes; see :func:`verify_onnx`."""
    imported = onnx_from_bytes(content, name, contract=profile, cut=cut)
    network = imported.network
    exposed, unchanged = OnnxRunner(content, imported), OnnxRunner(content, imported, exposed=False)
    made = {operator.output: at for at, operator in enumerate(network.operators)}
    tallies = {index: Tally(network, made[index]) for index in exposed.tensors}
    ends = {at: Tally(network, made[index], " (unchanged)") for at, index in _compared(imported, made)}
    executor, count = IntegerExecutor(network), samples[0].shape[0] if samples else 0
    for start, ours in executor.every_tensor(*samples) if count else ():
        part = [ours[index] for index in network.inputs]
        for index, theirs in zip(exposed.tensors, exposed.run(*part), strict=True):
            tallies[index].add(ours[index], theirs, start)
        whole = unchanged.run(*part)
        for at, index in _compared(imported, made):
            ends[at].add(ours[index], _integers(whole[at], network.tensors[index]), start)
    checks = tuple(tally.check() for tally in (*tallies.values(), *ends.values()))
    return VerifyReport(name, profile, str(profile_named(profile).runtime), count, checks)


def _compared(imported: ImportedOnnx, made: dict[int, int]) -> list[tuple[int, int]]:
    """Returns position and tensor of the file's outputs that are tensors of the network."""
    return [(at, index) for at, index in enumerate(imported.outputs) if index is not None and index in made]


def _integers(values: AnyArray, spec: TensorSpec) -> ActivationArray:
    """Returns an output of the file as the network stores it; a real one is ``scale * (q - zero_point)``."""
    if values.dtype == np.uint8:
        values = (values.astype(np.int64) - 128).astype(np.int8)
    elif values.dtype != np.int8:
        values = (np.rint(values / np.float32(spec.scale)) + spec.zero_point).astype(np.int8)
    return np.moveaxis(values, 1, -1) if values.ndim == 4 else values
