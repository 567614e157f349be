"""Reading an .onnx file into plain, checked values; nothing in the file is trusted, and it names no other file.

Format: ``onnx.proto`` of the ``onnx`` package, an optional dependency that is imported when a file is read.
"""

import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError
from nets.importers.limits import MAX_RANK, NAME_MAX

ENTRIES_MAX = 2**17  # limit for nodes, for constants and for the attributes of all nodes
DOMAINS = ("", "ai.onnx", "com.microsoft")
_EXTERNAL = 1  # TensorProto.DataLocation

AnyArray = npt.NDArray[Any]
Attribute = float | int | str | tuple[float | int | str, ...] | AnyArray

# TensorProto.DataType: numpy's type, and the field of tensors without raw bytes.
_TYPES: dict[int, tuple[str, type[np.generic], str]] = {
    1: ("FLOAT", np.float32, "float_data"),
    2: ("UINT8", np.uint8, "int32_data"),
    3: ("INT8", np.int8, "int32_data"),
    6: ("INT32", np.int32, "int32_data"),
    7: ("INT64", np.int64, "int64_data"),
    9: ("BOOL", np.bool_, "int32_data"),
}


@dataclass(frozen=True, eq=False, slots=True)
class RawNode:
    """A node as the file describes it; an absent optional input has the name ``""``."""

    index: int
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]

    def __str__(self) -> str:
        return f"node {self.index} {self.kind}"

    def has(self, position: int) -> bool:
        """Returns whether an optional input is present."""
        return position < len(self.inputs) and self.inputs[position] != ""

    def integer(self, name: str, default: int) -> int:
        """Returns an attribute that has to be an integer."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise NetworkError(f"{self}: attribute {name} is {value!r}; an integer is needed")
        return value

    def real(self, name: str, default: float) -> float:
        """Returns an attribute that has to be a finite real number."""
        value = self.attributes.get(name, default)
        if not isinstance(value, float | int) or not math.isfinite(value):
            raise NetworkError(f"{self}: attribute {name} is {value!r}; a finite number is needed")
        return float(value)

    def text(self, name: str, default: str) -> str:
        """Returns an attribute that has to be text."""
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            raise NetworkError(f"{self}: attribute {name} is {value!r}; text is needed")
        return value

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Returns an attribute that has to be a list of integers, at most two for each dimension."""
        value = self.attributes.get(name, default)
        if not isinstance(value, tuple) or len(value) > 2 * MAX_RANK or not all(isinstance(v, int) for v in value):
            raise NetworkError(f"{self}: attribute {name} is no list of at most {2 * MAX_RANK} integers")
        return tuple(int(v) for v in value)


@dataclass(frozen=True, eq=False, slots=True)
class RawInput:
    """An input of the graph: its sizes, the batch first; 0 for a size that the file leaves open."""

    name: str
    type_name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class RawGraph:
    """The main graph of a file, of which constants are read when they are used.

    Attributes:
        constants: the file's tensors by name.
        opset: version of the operators of ONNX itself.
    """

    nodes: tuple[RawNode, ...]
    constants: dict[str, AnyArray]
    inputs: tuple[RawInput, ...]
    outputs: tuple[str, ...]
    opset: int


def shown(name: str) -> str:
    """Returns a name as messages show it: quoted, and cut if it is too long."""
    return repr(name if len(name) <= NAME_MAX else f"{name[:NAME_MAX]}...")


def read_model(content: bytes, name: str) -> Any:  # noqa: ANN401 -- onnx's own message
    """Parses a file's bytes; what other files hold is not read.

    Raises:
        NetworkError: the bytes are no model, or onnx is not installed.
    """
    try:
        onnx, message = (importlib.import_module(each) for each in ("onnx", "google.protobuf.message"))
    except ImportError as error:
        raise NetworkError(f"{name}: reading .onnx files needs the onnx package: pip install onnx") from error
    try:
        model = onnx.ModelProto.FromString(content)
    except (message.DecodeError, ValueError, UnicodeDecodeError, RecursionError, MemoryError) as error:
        raise NetworkError(f"{name}: not an .onnx file, or truncated or corrupted") from error
    if not model.HasField("graph") or not model.graph.node:
        raise NetworkError(f"{name}: not an .onnx file: it holds no graph")
    return model


def read_graph(content: bytes, name: str) -> RawGraph:
    """Decodes the main graph of a file's bytes; messages name the file.

    Raises:
        NetworkError: the file is no .onnx file, is corrupted, or keeps data in other files.
    """
    model = read_model(content, name)
    try:
        return _read_graph(model)
    except NetworkError as error:
        raise NetworkError(f"{name}: {error}") from error
    except (ValueError, TypeError, OverflowError, UnicodeDecodeError) as error:
        raise NetworkError(f"{name}: corrupted .onnx file ({' '.join(str(error).split())[:NAME_MAX]})") from error


def _read_graph(model: Any) -> RawGraph:  # noqa: ANN401
    graph = model.graph
    attributes = sum(len(node.attribute) for node in graph.node)
    for what, count in (("nodes", len(graph.node)), ("constants", len(graph.initializer)), ("attributes", attributes)):
        if count > ENTRIES_MAX:
            raise NetworkError(f"the graph has {count} {what}; at most {ENTRIES_MAX} are supported")
    if graph.sparse_initializer:
        raise NetworkError("the graph has sparse constants, which are not supported")
    constants: dict[str, AnyArray] = {}
    for tensor in graph.initializer:
        if tensor.name in constants:
            raise NetworkError(f"constant {shown(tensor.name)} is given twice")
        constants[tensor.name] = _array(tensor)
    return RawGraph(
        nodes=tuple(_node(index, node) for index, node in enumerate(graph.node)),
        constants=constants,
        inputs=tuple(_input(value) for value in graph.input if value.name not in constants),
        outputs=tuple(value.name for value in graph.output),
        opset=max((entry.version for entry in model.opset_import if entry.domain in DOMAINS[:2]), default=1),
    )


def _node(index: int, node: Any) -> RawNode:  # noqa: ANN401
    kind = node.op_type if node.domain in DOMAINS else f"{node.domain}.{node.op_type}"
    raw = RawNode(index, shown(kind)[1:-1], tuple(node.input), tuple(node.output), {})
    raw.attributes.update({each.name: _attribute(raw, each) for each in node.attribute})
    return raw


def _attribute(node: RawNode, attribute: Any) -> Attribute:  # noqa: ANN401
    """Returns an attribute's value; graphs and types, which no supported operator has, as their field's name."""
    match attribute.type:
        case 1:
            return float(attribute.f)
        case 2:
            return int(attribute.i)
        case 3:
            return str(attribute.s.decode("utf-8", errors="replace"))
        case 4:
            return _array(attribute.t)
        case 6 | 7 if max(len(attribute.floats), len(attribute.ints)) <= ENTRIES_MAX:
            return (*map(float, attribute.floats), *map(int, attribute.ints))
        case 5 | 8 | 9 | 10 | 11 | 12 | 13 | 14:
            return f"attribute of type {attribute.type}"
    raise NetworkError(f"{node}: attribute {shown(attribute.name)} has type {attribute.type}, or too many entries")


def _input(value: Any) -> RawInput:  # noqa: ANN401
    tensor = value.type.tensor_type
    if not tensor.HasField("shape") or len(tensor.shape.dim) > MAX_RANK:
        raise NetworkError(f"input {shown(value.name)} has no shape of at most {MAX_RANK} dimensions")
    type_name = _TYPES[tensor.elem_type][0] if tensor.elem_type in _TYPES else f"type {tensor.elem_type}"
    return RawInput(value.name, type_name, tuple(int(dimension.dim_value) for dimension in tensor.shape.dim))


def _array(tensor: Any) -> AnyArray:  # noqa: ANN401
    """Returns a constant's values; of an unknown type, an empty array of Python objects, which no operator takes."""
    name = shown(tensor.name)
    if tensor.data_location == _EXTERNAL or tensor.external_data:
        raise NetworkError(
            f"constant {name} is kept in another file, which is not read; save the model as a single file"
        )
    if tensor.data_type not in _TYPES:
        return np.empty(0, object)
    _, dtype, field = _TYPES[tensor.data_type]
    shape = tuple(int(size) for size in tensor.dims)
    size = math.prod(shape) if len(shape) <= MAX_RANK and all(d >= 0 for d in shape) else -1
    if tensor.raw_data:
        itemsize = np.dtype(dtype).itemsize
        fits = len(tensor.raw_data) == size * itemsize
        values = np.frombuffer(tensor.raw_data, np.dtype(dtype).newbyteorder("<")) if fits else None
    else:
        fits = len(getattr(tensor, field)) == size
        values = np.array(getattr(tensor, field), np.float32 if dtype is np.float32 else np.int64) if fits else None
    if values is None:
        raise NetworkError(f"constant {name} has data that do not fit its shape {list(shape)[:MAX_RANK]}")
    return values.astype(dtype).reshape(shape)
