"""LiteRT as an oracle: the only module that imports ai_edge_litert, and only when LiteRT is used."""

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError
from nets.importers import IDENTIFIER, operator_index, read_graph
from nets.network import ActivationArray, QuantizedNetwork

_REASON = 160  # characters shown of LiteRT's reason, which may name every tensor of a model


class RefusedModelError(NetworkError):
    """LiteRT does not run a model that the integer executor runs."""


def _litert(module: str) -> ModuleType:
    try:
        return importlib.import_module(f"ai_edge_litert.{module}")
    except ImportError as error:
        raise NetworkError(
            "LiteRT is not installed, so there is nothing to compare with: pip install ai-edge-litert"
        ) from error


def exposed_model(content: bytes, network: QuantizedNetwork, tensors: Sequence[int]) -> bytes:
    """Reduces a model's bytes to the network's operators, with chosen activations as outputs.

    A runtime may reuse the memory of intermediate tensors, and a delegate never writes them; as outputs they
    are kept. Float borders and the softmax are cut off, so that the inputs are the network's int8 inputs. A quantized
    dimension that a tensor does not have, for which LiteRT refuses a file, becomes 0.

    Args:
        content: bytes of the file that the network was imported from.
        network: the network.
        tensors: indices of its tensors that become outputs, in this order.

    Raises:
        NetworkError: LiteRT is not installed.
    """
    schema = _litert("schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    graph.inputs = np.array([network.tensors[i].file_index for i in network.inputs], np.int32)
    made = {network.tensors[operator.output].file_index for operator in network.operators}
    _check_states(model, graph)
    graph.operators = _needed(graph, {operator_index(operator) for operator in network.operators}, made)
    graph.outputs = np.array([network.tensors[i].file_index for i in tensors], np.int32)
    for index in strange_axes(content):
        graph.tensors[index].quantization.quantizedDimension = 0
    model.signatureDefs = []
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _check_states(model: Any, graph: Any) -> None:  # noqa: ANN401
    """Refuses an SVDF whose state is not int16: LiteRT takes its memory for int16, and writes beyond its end."""
    schema = _litert("schema_py_generated")
    for at, operator in enumerate(graph.operators):
        code = model.operatorCodes[operator.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        if kind == schema.BuiltinOperator.SVDF and graph.tensors[operator.inputs[4]].type != schema.TensorType.INT16:
            raise RefusedModelError(
                f"LiteRT has no kernel for operator {at} SVDF, whose state is not int16 but of TFLite Micro's form"
            )


def strange_axes(content: bytes) -> list[int]:
    """Returns the tensors whose quantized dimension is none of theirs; biases of old converters have that of weights.

    LiteRT refuses such a file, though a tensor of one dimension is quantized along that one.
    """
    return [
        tensor.index
        for tensor in read_graph(content, "the model").tensors
        if tensor.scales.size > 1 and tensor.axis >= len(tensor.shape)
    ]


def _needed(graph: Any, imported: set[int], made: set[int | None]) -> list[Any]:  # noqa: ANN401 -- LiteRT is untyped
    """Returns the imported operators, and those around them that became constants or parts of other operators."""
    wanted = set(made)
    needed = []
    for at in reversed(range(len(graph.operators))):
        operator = graph.operators[at]
        if at in imported or wanted & set(operator.outputs):
            needed.append(operator)
            wanted |= set(operator.inputs) - set(graph.inputs)
    return needed[::-1]


def _refusal(runtime: str, error: Exception) -> RefusedModelError:
    reason = " ".join(str(error).split())[:_REASON]
    return RefusedModelError(f"LiteRT's {runtime} resolver refuses the model: {reason}")


def _other_sign(values: npt.NDArray[Any], made: type[np.int8 | np.uint8]) -> npt.NDArray[Any]:
    """Returns integers of 8 bits moved by 128: int8 as uint8, or uint8 as int8."""
    return values.view(made) ^ np.array(-128 if made is np.int8 else 128, made)


class LiteRtRunner:
    """Runs a model in LiteRT.

    Args:
        content: bytes of a model whose inputs and outputs are int8.
        runtime: ``BUILTIN_REF`` (reference kernels) or ``BUILTIN`` (the default, with XNNPACK).
        threads: the number of threads of the runtime.
        batch: samples per call; the model is resized to it if it differs from the file's. None keeps the file's.

    Raises:
        NetworkError: LiteRT is not installed.
        RefusedModelError: its resolver refuses the model; of some operators only when it runs.
    """

    def __init__(self, content: bytes, runtime: str, *, threads: int = 1, batch: int | None = None) -> None:
        module = _litert("interpreter")
        try:
            self._interpreter = self._ready(module, content, runtime, threads, batch)
        except (RuntimeError, ValueError) as error:
            raise _refusal(runtime, error) from error
        self._runtime = runtime
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        self.batch = int(self._interpreter.get_input_details()[0]["shape"][0])

    @staticmethod
    def _ready(module: ModuleType, content: bytes, runtime: str, threads: int, batch: int | None) -> Any:  # noqa: ANN401 -- it is untyped
        interpreter = module.Interpreter(
            model_content=content,
            num_threads=threads,
            experimental_op_resolver_type=getattr(module.OpResolverType, runtime),
        )
        if batch is not None:
            for detail in interpreter.get_input_details():
                interpreter.resize_tensor_input(detail["index"], [batch, *detail["shape"][1:]])
        interpreter.allocate_tensors()
        return interpreter

    def run(self, *inputs: ActivationArray) -> list[ActivationArray]:
        """Runs one batch: integers ``[batch, *shape]`` per input to the same per output; uint8 is taken as int8."""
        self._interpreter.reset_all_variables()  # every sample begins a sequence of its own
        for detail, value in zip(self._interpreter.get_input_details(), inputs, strict=True):
            unsigned = detail["dtype"] == np.uint8
            self._interpreter.set_tensor(detail["index"], _other_sign(value, np.uint8) if unsigned else value)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise _refusal(self._runtime, error) from error
        results = [self._interpreter.get_tensor(index) for index in self._outputs]
        return [_other_sign(each, np.int8) if each.dtype == np.uint8 else each for each in results]

    def run_all(self, *inputs: ActivationArray) -> list[ActivationArray]:
        """Runs any number of samples, in calls of the model's batch; the last is filled by repeating a sample."""
        samples = inputs[0].shape[0]
        parts: list[list[ActivationArray]] = []
        for start in range(0, samples, self.batch):
            rows = np.minimum(np.arange(start, start + self.batch), samples - 1)
            parts.append(self.run(*(np.ascontiguousarray(x[rows]) for x in inputs)))
        return [np.concatenate([part[i] for part in parts])[:samples] for i in range(len(self._outputs))]
