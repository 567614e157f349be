"""Reading a .tflite flatbuffer into plain, checked values; nothing in the file is trusted and none of it is run.

Format: the TFLite schema, version 3, as generated in the ``tflite`` package.
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tflite
from flatbuffers.number_types import Int32Flags

from nets.errors import NetworkError
from nets.importers.limits import MAX_RANK, NAME_MAX
from nets.network import FloatArray, IntArray, Pads

IDENTIFIER = b"TFL3"
BYTES_MAX = 2**31  # offsets in a flatbuffer are signed and of 32 bits
_LATER_CODE_SLOT = 10  # of the field builtin_code in a table's vector of offsets: the fourth field, 4 + 2 * 3
# What Python's struct, memoryview and numpy raise on offsets and lengths that point outside the buffer.
DECODING_ERRORS = (struct.error, ValueError, IndexError, TypeError, OverflowError, MemoryError)

_Value = TypeVar("_Value")


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


OPERATOR_NAMES = _names(tflite.BuiltinOperator)
TYPE_NAMES = _names(tflite.TensorType)


@dataclass(frozen=True, eq=False, slots=True)
class RawTensor:
    """A tensor as the file describes it.

    Attributes:
        index: position in the subgraph.
        name: the name in the file.
        shape: sizes with the batch.
        type_name: ``INT8``, ``FLOAT32`` and so on.
        scales: float32 scales held in float64; empty if the tensor is not quantized.
        zero_points: int64, as many as scales, or none.
        axis: the quantized dimension of per-channel scales.
        is_variable: whether it is a state, kept from one run to the next.
        data: the constant's bytes, a read-only view of the file; None for activations.
        variable: whether the tensor is a state that lasts from one inference to the next.
        sparse: whether ``data`` holds the non-zero elements alone.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    type_name: str
    scales: FloatArray
    zero_points: IntArray
    axis: int
    data: npt.NDArray[np.uint8] | None
    variable: bool = False
    sparse: bool = False

    def __str__(self) -> str:
        return f"tensor {self.index} {self.name!r}"


@dataclass(frozen=True, slots=True)
class Blocks:
    """What surrounds a convolution of blocks, each of which holds every so many rows and columns of an image.

    Attributes:
        dilation: (vertical, horizontal) size of a block.
        padding: what is added to the image, less what is cropped from the result.
    """

    dilation: tuple[int, int]
    padding: Pads


@dataclass(frozen=True, eq=False, slots=True)
class RawOperator:
    """An operator as the file describes it; an absent optional input is -1 in ``inputs``.

    Attributes:
        intermediates: tensors that only describe the quantization of values inside of the operator.
        blocks: what surrounds a convolution of blocks; None for every other operator.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: int
    table: Any
    intermediates: tuple[int, ...] = ()
    blocks: Blocks | None = None

    def __str__(self) -> str:
        return f"operator {self.index} {self.kind}"

    def options(self, kind: type) -> "Options":
        """Returns the operator's builtin options, which have to be of this kind."""
        expected = getattr(tflite.BuiltinOptions, kind.__name__)
        if self.options_type != expected or self.table is None:
            raise NetworkError(f"{self} has no {kind.__name__}; the file gives options of type {self.options_type}")
        table = kind()
        try:
            table.Init(self.table.Bytes, self.table.Pos)
        except DECODING_ERRORS as error:
            raise NetworkError(f"{self}: its options are damaged ({error})") from error
        return Options(self, table)


class Options:
    """An operator's options: ``options.StrideH()`` and so on, as the schema names them.

    A field is decoded when it is read, so damage is reported only then.
    """

    def __init__(self, operator: RawOperator, table: object) -> None:
        self._operator = operator
        self._table = table

    def __getattr__(self, name: str) -> Callable[[], int]:
        accessor = getattr(self._table, name)
        return lambda: self._read(lambda: int(accessor()))

    def real(self, name: str) -> float:
        """Returns a floating-point field."""
        return self._read(lambda: float(getattr(self._table, name)()))

    def integers(self, name: str) -> tuple[int, ...]:
        """Returns a vector of integers, at most as many as a tensor has dimensions."""
        count = self._read(lambda: int(getattr(self._table, f"{name}Length")()))
        if count > MAX_RANK:
            raise NetworkError(f"{self._operator}: {name} has {count} entries; at most {MAX_RANK} are known")
        return self._read(lambda: tuple(int(getattr(self._table, name)(i)) for i in range(count)))

    def _read(self, read: Callable[[], _Value]) -> _Value:
        try:
            return read()
        except DECODING_ERRORS as error:
            raise NetworkError(f"{self._operator}: its options are damaged ({error})") from error


@dataclass(frozen=True, eq=False, slots=True)
class RawGraph:
    """The main subgraph of a file.

    Attributes:
        unsigned: whether the file computes in uint8; see :mod:`nets.importers.tflite.unsigned`.
    """

    tensors: tuple[RawTensor, ...]
    operators: tuple[RawOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    unsigned: bool = False

    def tensor(self, index: int, user: str) -> RawTensor:
        """Returns the tensor at an index that ``user`` (an operator, the graph), named in errors, refers to."""
        if not 0 <= index < len(self.tensors):
            raise NetworkError(f"{user} refers to tensor {index}; the file has {len(self.tensors)} tensors")
        return self.tensors[index]


class _Reader:
    """Reads vectors of a flatbuffer, within a budget.

    Tables may overlap in a malicious file, so that a small file describes a large graph. A regular file stores
    each vector about once, so the total size of all copies is limited to a small multiple of the file's size.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._budget = 4 * len(content) + 4096

    def _spend(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise ValueError("tables overlap")

    def length(self, count: int) -> int:
        self._spend(8 * count)
        return count

    def vector(self, count: int, read: Callable[[], Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
        """Copies a small vector; ``read`` gives numpy's view of it."""
        if count == 0:
            return np.empty(0, dtype)
        self._spend(count * np.dtype(dtype).itemsize)
        with np.errstate(invalid="ignore"):  # signalling NaNs are rejected by the checks of the values
            return np.array(read(), dtype=dtype)

    def integers(self, count: int, read: Callable[[], Any]) -> tuple[int, ...]:
        return tuple(self.vector(count, read, np.int64).tolist())

    def text(self, value: bytes | None) -> str:
        """Returns a name, cut if it is too long for a message."""
        self._spend(len(value or b""))
        name = (value or b"").decode("utf-8", errors="replace")
        return name if len(name) <= NAME_MAX else f"{name[:NAME_MAX]}..."


def read_graph(content: bytes, name: str) -> RawGraph:
    """Decodes the main subgraph of a file's bytes; messages name the file.

    Raises:
        NetworkError: the file is not a TFLite file, or is corrupted.
    """
    if len(content) < 16 or content[4:8] != IDENTIFIER:
        raise NetworkError(f"{name}: not a .tflite file (the identifier TFL3 is missing at byte 4)")
    try:
        return _read_model(_Reader(content))
    except NetworkError as error:
        raise NetworkError(f"{name}: {error}") from error
    except DECODING_ERRORS as error:
        raise NetworkError(f"{name}: truncated or corrupted .tflite file ({error})") from error


def read_file(path: Path) -> bytes:
    """Reads a model file's bytes, or raises a NetworkError."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size  # 0 of a device or a pipe
            content = file.read(BYTES_MAX + 1) if size <= BYTES_MAX else b""
    except OSError as error:
        raise NetworkError(f"{path}: cannot read the model: {error.strerror}") from error
    if max(size, len(content)) > BYTES_MAX:
        raise NetworkError(f"{path}: the model has more than {BYTES_MAX} bytes, which no flatbuffer has")
    return content


def _read_model(reader: _Reader) -> RawGraph:
    model = tflite.Model.GetRootAs(reader.content, 0)
    if model.Version() != 3:
        raise NetworkError(f"schema version {model.Version()}; only version 3 is known")
    if model.SubgraphsLength() == 0:
        raise NetworkError("the file holds no graph")
    graph = model.Subgraphs(0)
    kinds = [_operator_kind(reader, model.OperatorCodes(i)) for i in range(reader.length(model.OperatorCodesLength()))]
    tensors = [_read_tensor(reader, model, graph, i) for i in range(reader.length(graph.TensorsLength()))]
    operators = [_read_operator(reader, graph, i, kinds) for i in range(reader.length(graph.OperatorsLength()))]
    return RawGraph(
        tensors=tuple(tensors),
        operators=tuple(operators),
        inputs=reader.integers(graph.InputsLength(), graph.InputsAsNumpy),
        outputs=reader.integers(graph.OutputsLength(), graph.OutputsAsNumpy),
    )


def _operator_kind(reader: _Reader, code: Any) -> str:  # noqa: ANN401 -- the generated reader has no types
    # Files from before 2020 have the one-byte field alone, later ones may have the other alone: the larger one counts
    # (schema.fbs). The generated accessor of the later field returns the one-byte field below 127.
    number = max(_later_code(code), code.DeprecatedBuiltinCode())
    if number == tflite.BuiltinOperator.CUSTOM:
        return f"CUSTOM {reader.text(code.CustomCode())!r}"
    return OPERATOR_NAMES.get(number, f"unknown operator code {number}")


def _later_code(code: Any) -> int:  # noqa: ANN401
    table = code._tab  # noqa: SLF001 -- the generated reader offers no other way to the field as it is stored
    offset = table.Offset(_LATER_CODE_SLOT)
    return int(table.Get(Int32Flags, table.Pos + offset)) if offset else 0


def _read_operator(reader: _Reader, graph: Any, index: int, kinds: list[str]) -> RawOperator:  # noqa: ANN401
    operator = graph.Operators(index)
    code = operator.OpcodeIndex()
    if code >= len(kinds):
        raise NetworkError(f"operator {index} has code index {code}; the file has {len(kinds)} codes")
    return RawOperator(
        index=index,
        kind=kinds[code],
        inputs=reader.integers(operator.InputsLength(), operator.InputsAsNumpy),
        outputs=reader.integers(operator.OutputsLength(), operator.OutputsAsNumpy),
        options_type=operator.BuiltinOptionsType(),
        table=operator.BuiltinOptions(),
        intermediates=reader.integers(operator.IntermediatesLength(), operator.IntermediatesAsNumpy),
    )


def _read_tensor(reader: _Reader, model: Any, graph: Any, index: int) -> RawTensor:  # noqa: ANN401
    tensor = graph.Tensors(index)
    name = reader.text(tensor.Name())
    if tensor.ShapeLength() > MAX_RANK:
        raise NetworkError(
            f"tensor {index} {name!r} has {tensor.ShapeLength()} dimensions; at most {MAX_RANK} are known"
        )
    scales, zero_points, axis = _read_quantization(reader, tensor.Quantization())
    return RawTensor(
        index=index,
        name=name,
        shape=reader.integers(tensor.ShapeLength(), tensor.ShapeAsNumpy),
        type_name=TYPE_NAMES.get(tensor.Type(), f"type {tensor.Type()}"),
        scales=scales,
        zero_points=zero_points,
        axis=axis,
        data=_read_data(model, tensor.Buffer(), index),
        variable=bool(tensor.IsVariable()),
        sparse=tensor.Sparsity() is not None,
    )


def _read_quantization(
    reader: _Reader,
    quantization: Any,  # noqa: ANN401
) -> tuple[FloatArray, IntArray, int]:
    if quantization is None:
        return np.empty(0, np.float64), np.empty(0, np.int64), 0
    scales = reader.vector(quantization.ScaleLength(), quantization.ScaleAsNumpy, np.float64)
    zero_points = reader.vector(quantization.ZeroPointLength(), quantization.ZeroPointAsNumpy, np.int64)
    return scales, zero_points, int(quantization.QuantizedDimension())


def _read_data(model: Any, buffer_index: int, tensor_index: int) -> npt.NDArray[np.uint8] | None:  # noqa: ANN401
    if buffer_index >= model.BuffersLength():
        raise NetworkError(f"tensor {tensor_index} has buffer {buffer_index}; the file has {model.BuffersLength()}")
    buffer = model.Buffers(buffer_index)
    if buffer.Offset() > 1 or buffer.Size() > 1:
        raise NetworkError(f"tensor {tensor_index} keeps its data outside the flatbuffer, which is not supported")
    if buffer.DataLength() == 0:
        return None
    view: npt.NDArray[np.uint8] = buffer.DataAsNumpy()
    return view
