"""ONNX Runtime as an oracle: the only module that imports onnxruntime, and only when it is used."""

import importlib
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError
from nets.importers import ImportedOnnx, read_model
from nets.network import ActivationArray, QuantizedNetwork, TensorSpec

_REASON = 160  # characters shown of ONNX Runtime's reason
# Without it, x86 builds leave int8 activations between DequantizeLinear and QuantizeLinear to float kernels.
_INT8_IS_ALLOWED = ("session.qdqisint8allowed", "1")
_PROVIDERS = ["CPUExecutionProvider"]
_UNSIGNED_OFFSET = 128

_Result = TypeVar("_Result")

AnyArray = npt.NDArray[Any]


def _onnxruntime() -> ModuleType:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise NetworkError(
            "ONNX Runtime is not installed, so there is nothing to compare with: pip install onnxruntime"
        ) from error


class OnnxRunner:
    """Runs a model in ONNX Runtime on the CPU, all graph optimizations on, as fused int8 kernels.

    Args:
        content: bytes of the file.
        imported: the network imported from it.
        exposed: whether the outputs are the network's tensors that the file has as integers; otherwise they are the
            file's own, real or integer.
        threads: the number of threads of the runtime.

    Attributes:
        tensors: the network's tensors whose integers :meth:`run` returns, in its order; empty unless exposed.

    Raises:
        NetworkError: ONNX Runtime is not installed or refuses the model.
    """

    def __init__(self, content: bytes, imported: ImportedOnnx, *, exposed: bool = True, threads: int = 1) -> None:
        runtime = _onnxruntime()
        network = imported.network
        self._specs = [network.tensors[index] for index in network.inputs]
        self.tensors = _in_file(network) if exposed else []
        if exposed:
            names = [imported.names[_file_index(network, index)] for index in self.tensors]
            content = _with_outputs(content, names)
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry(*_INT8_IS_ALLOWED)
        self._session = _accepted(lambda: runtime.InferenceSession(content, options, providers=_PROVIDERS))
        self._inputs = self._session.get_inputs()
        first = self._inputs[0].shape[0]
        self.batch = first if isinstance(first, int) and first > 0 else None

    def run(self, *inputs: ActivationArray) -> list[AnyArray]:
        """Runs samples, int8 ``[samples, *shape]`` as the network stores them.

        Returns:
            If exposed, int8 arrays as the network stores :attr:`tensors`; otherwise the file's outputs as they are.
        """
        feeds = [_as_fed(x, spec, entry.type) for x, spec, entry in zip(inputs, self._specs, self._inputs, strict=True)]
        samples = len(inputs[0])
        size = self.batch or samples
        parts: list[list[AnyArray]] = []
        for start in range(0, samples, size):
            rows = np.minimum(np.arange(start, start + size), samples - 1)
            named = {entry.name: x[rows] for entry, x in zip(self._inputs, feeds, strict=True)}
            parts.append(_accepted(partial(self._session.run, None, named)))
        whole = [np.concatenate([part[at] for part in parts])[:samples] for at in range(len(parts[0]))]
        return [_as_stored(x) for x in whole] if self.tensors else whole


def _accepted(call: Callable[[], _Result]) -> _Result:
    try:
        return call()
    except Exception as error:  # its classes of exceptions share no base but Exception
        reason = " ".join(str(error).split())[:_REASON]
        raise NetworkError(f"ONNX Runtime refuses the model: {reason}") from error


def _file_index(network: QuantizedNetwork, index: int) -> int:
    at = network.tensors[index].file_index
    assert at is not None  # noqa: S101 -- _in_file chose those that have one
    return at


def _in_file(network: QuantizedNetwork) -> list[int]:
    """Returns the tensors that operators make and that the file has as integers, in order of execution."""
    made = [operator.output for operator in network.operators]
    return [index for index in made if network.tensors[index].file_index is not None]


def _with_outputs(content: bytes, names: list[str]) -> bytes:
    """Returns the model with tensors of these names as its only outputs.

    Outputs are integers behind a QuantizeLinear or QLinear operator, whose kernels stay fused.
    """
    model = read_model(content, "the model")
    del model.graph.output[:]
    for name in names:
        model.graph.output.add(name=name)
    return bytes(model.SerializeToString())


def _as_fed(x: ActivationArray, spec: TensorSpec, type_name: str) -> AnyArray:
    """Returns inputs as the file takes them: channels second; real numbers that it quantizes to these integers."""
    ordered = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim == 4 else x
    if "float" in type_name:
        centred: AnyArray = (ordered.astype(np.int64) - spec.zero_point).astype(np.float32)
        return centred * np.float32(spec.scale)
    return _unsigned(ordered) if "uint8" in type_name else ordered


def _unsigned(x: ActivationArray) -> npt.NDArray[np.uint8]:
    return (x.astype(np.int64) + _UNSIGNED_OFFSET).astype(np.uint8)


def _as_stored(x: AnyArray) -> ActivationArray:
    signed = (x.astype(np.int64) - _UNSIGNED_OFFSET).astype(np.int8) if x.dtype == np.uint8 else x
    return np.ascontiguousarray(np.moveaxis(signed, 1, -1)) if signed.ndim == 4 else signed
