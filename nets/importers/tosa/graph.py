"""Reading a .tosa flatbuffer into plain, checked values; nothing in the file is trusted and none of it is run.

Format: ``tosa.fbs`` of TOSA 1.0; see nets.importers.tosa.schema.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from flatbuffers.table import Table

from nets.errors import NetworkError
from nets.importers.limits import MAX_RANK, NAME_MAX
from nets.importers.tosa import schema
from nets.importers.tosa.flatbuffer import DECODING_ERRORS, Tables
from nets.importers.tosa.schema import DType, Kind, Op
from nets.network import IntArray

Attribute = bool | int | tuple[int, ...] | npt.NDArray[np.uint8] | None

_NUMPY_TYPES: dict[DType, np.dtype[np.integer[Any]]] = {
    DType.INT8: np.dtype("i1"),
    DType.INT16: np.dtype("<i2"),
    DType.INT32: np.dtype("<i4"),
}
_OPERATORS = {op.value for op in Op}


@dataclass(frozen=True, eq=False, slots=True)
class RawTensor:
    """A tensor as the file describes it.

    Attributes:
        name: its name, which operators refer to.
        shape: sizes with the batch.
        type: number of its element type.
        data: the constant's bytes, a read-only view of the file; None for activations.
    """

    name: str
    shape: tuple[int, ...]
    type: int
    data: npt.NDArray[np.uint8] | None

    def __str__(self) -> str:
        return f"tensor {shown(self.name)}"

    @property
    def type_name(self) -> str:
        """``INT8`` and so on, or the type's number."""
        return DType(self.type).name if self.type in DType.__members__.values() else f"type {self.type}"

    def values(self, *types: DType) -> IntArray:
        """Returns the constant's values, int64, or raises a NetworkError if it is none of these types and its shape."""
        wanted = " or ".join(kind.name for kind in types)
        if self.type not in types:
            raise NetworkError(f"{self} is {self.type_name}; {wanted} is needed here")
        dtype = _NUMPY_TYPES[DType(self.type)]
        size = math.prod(self.shape) if all(each >= 0 for each in self.shape) else -1
        if self.data is None:
            raise NetworkError(f"{self} is not a constant; it has to be here")
        # Constants may be padded to a multiple of 8 bytes.
        if size < 0 or not 0 <= self.data.size - size * dtype.itemsize < 8:
            raise NetworkError(f"{self} has {self.data.size} bytes, which do not fit its shape {list(self.shape)}")
        return self.data[: size * dtype.itemsize].view(dtype).astype(np.int64).reshape(self.shape)


@dataclass(frozen=True, eq=False, slots=True)
class RawOperator:
    """An operator as the file describes it."""

    index: int
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]

    def __str__(self) -> str:
        return f"operator {self.index} {self.op.name}"

    def numbers(self, name: str, count: int) -> tuple[int, ...]:
        """Returns an attribute of so many integers."""
        value = self.attributes[name]
        if not isinstance(value, tuple) or len(value) != count:
            raise NetworkError(f"{self}: {name} is {value}; {count} integers are needed")
        return value

    def number(self, name: str) -> int:
        """Returns an attribute of one integer."""
        value = self.attributes[name]
        return value if isinstance(value, int) else 0

    def flag(self, name: str) -> bool:
        """Returns a boolean attribute."""
        return bool(self.number(name))

    def int8(self, name: str) -> int:
        """Returns an attribute that holds the bytes of one int8."""
        value = self.attributes[name]
        if not isinstance(value, np.ndarray):
            raise NetworkError(f"{self}: {name} is missing")
        return int(value[:1].view(np.int8)[0])


@dataclass(frozen=True, eq=False, slots=True)
class RawGraph:
    """The only block of a file; CONST and CONST_SHAPE are values of its tensors and shapes."""

    tensors: dict[str, RawTensor]
    shapes: dict[str, tuple[int, ...]]
    operators: tuple[RawOperator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def shown(name: str) -> str:
    """Returns a tensor's name in quotes, cut if it is too long for a message."""
    return repr(name if len(name) <= NAME_MAX else f"{name[:NAME_MAX]}...")


def read_graph(content: bytes) -> RawGraph:
    """Decodes the graph of a file's bytes.

    Raises:
        NetworkError: the file is not a TOSA 1.0 file of one block, or is corrupted.
    """
    if len(content) < 16 or content[4:8] != schema.IDENTIFIER:
        raise NetworkError("not a .tosa file (the identifier TOSA is missing at byte 4)")
    try:
        return _read(Tables(content))
    except NetworkError:
        raise
    except DECODING_ERRORS as error:
        raise NetworkError(f"truncated or corrupted .tosa file ({error})") from error


def _read(tables: Tables) -> RawGraph:
    root = tables.root()
    version = tables.table(root, 0)
    major, minor = (-1, -1) if version is None else (tables.number(version, 0, -1), tables.number(version, 1, -1))
    if major != schema.VERSION[0]:
        raise NetworkError(f"the file is of TOSA {major}.{minor}; only 1.x is known")
    regions = tables.tables(root, 1)
    blocks = tables.tables(regions[0], 1) if len(regions) == 1 else []
    if len(blocks) != 1:
        raise NetworkError("the file has control flow; only graphs of one region with one block are supported")
    (block,) = blocks
    tensors = [_tensor(tables, each) for each in tables.tables(block, 2)]
    operators = [_operator(tables, at, each) for at, each in enumerate(tables.tables(block, 1))]
    _check_known(operators)
    return RawGraph(
        tensors=_by_name(tensors),
        shapes=dict(_shape(tables, each) for each in tables.tables(block, 5)),
        operators=tuple(each for each in operators if isinstance(each, RawOperator)),
        inputs=tables.texts(block, 3),
        outputs=tables.texts(block, 4),
    )


def _by_name(tensors: list[RawTensor]) -> dict[str, RawTensor]:
    named = {tensor.name: tensor for tensor in tensors}
    if len(named) != len(tensors):
        raise NetworkError("two tensors have the same name")
    return named


def _tensor(tables: Tables, table: Table) -> RawTensor:
    tensor = RawTensor(
        name=tables.text(table, 0),
        shape=tables.numbers(table, 1),
        type=tables.number(table, 2),
        data=tables.data(table, 3),
    )
    if tables.flag(table, 4) or tables.flag(table, 5):
        raise NetworkError(f"{tensor} is a variable or has no rank; only tensors of fixed shapes are supported")
    if len(tensor.shape) > MAX_RANK:
        raise NetworkError(f"{tensor} has {len(tensor.shape)} dimensions; at most {MAX_RANK} are known")
    if tables.long(table, 7) > 1 or tables.long(table, 8) > 1:
        raise NetworkError(f"{tensor} keeps its data outside the flatbuffer, which is not supported")
    return tensor


def _shape(tables: Tables, table: Table) -> tuple[str, tuple[int, ...]]:
    name, rank, data = tables.text(table, 0), tables.number(table, 1), tables.data(table, 2)
    count = 0 if data is None else data.size // 8
    if not 0 <= rank <= min(count, 2 * MAX_RANK):
        raise NetworkError(f"shape {shown(name)} has {count} constant sizes for rank {rank}")
    return name, () if data is None else tuple(int(each) for each in data[: 8 * rank].view("<i8"))


def _operator(tables: Tables, index: int, table: Table) -> RawOperator | str:
    """Returns an operator, or what an unknown one is called."""
    number = tables.number(table, 0)
    if number not in _OPERATORS:
        known = 0 <= number < len(schema.OPERATOR_NAMES)
        return f"{index} {schema.OPERATOR_NAMES[number] if known else f'of number {number}'}"
    attribute, op = tables.table(table, 2), Op(number)
    if tables.byte(table, 1) != number or attribute is None:
        raise NetworkError(f"operator {index} {op.name} has attributes of another operator")
    fields = schema.ATTRIBUTES.get(op, ())
    return RawOperator(
        index=index,
        op=op,
        inputs=tables.texts(table, 3),
        outputs=tables.texts(table, 4),
        attributes={name: _attribute(tables, attribute, at, kind) for at, (name, kind) in enumerate(fields)},
    )


def _attribute(tables: Tables, table: Table, field: int, kind: Kind) -> Attribute:
    if kind is Kind.FLAG:
        return tables.flag(table, field)
    if kind is Kind.NUMBER:
        return tables.number(table, field)
    return tables.numbers(table, field) if kind is Kind.NUMBERS else tables.data(table, field)


def _check_known(operators: list[RawOperator | str]) -> None:
    unknown = [each for each in operators if isinstance(each, str)]
    if unknown:
        more = f" and {len(unknown) - 20} more" if len(unknown) > 20 else ""
        known = ", ".join(op.name for op in Op)
        raise NetworkError(
            f"unsupported operators (index and name): {', '.join(unknown[:20])}{more}; supported are {known}"
        )
