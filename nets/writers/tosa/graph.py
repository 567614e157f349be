"""A TOSA graph under construction, and its bytes: a flatbuffer of TOSA 1.0 with one block."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

from nets.importers import tosa_schema

Constant = npt.NDArray[np.integer[Any]]
Attribute = bool | int | tuple[int, ...] | bytes

_TYPES = {
    np.dtype(np.int8): tosa_schema.DType.INT8,
    np.dtype(np.int16): tosa_schema.DType.INT16,
    np.dtype(np.int32): tosa_schema.DType.INT32,
}
_ALIGNMENT = 8  # bytes, of constants (force_align in the schema)
_TABLE_SLOTS = 8  # more than any written table has


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the graph: its unique name, shape with the batch, and type."""

    name: str
    shape: tuple[int, ...]
    type: tosa_schema.DType = tosa_schema.DType.INT8


@dataclass(frozen=True, slots=True)
class _Operator:
    op: tosa_schema.Op
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Attribute]


@dataclass(slots=True)
class GraphWriter:
    """Collects operators in order of execution; equal constants are stored once."""

    _operators: list[_Operator] = field(default_factory=list)
    _tensors: dict[str, tuple[Value, bytes | None]] = field(default_factory=dict)
    _shapes: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _constants: dict[tuple[object, ...], Value] = field(default_factory=dict)

    def input(self, name: str, shape: tuple[int, ...]) -> Value:
        """Adds an int8 input."""
        return self._tensor(Value(name, shape), None)

    def constant(self, values: Constant) -> Value:
        """Adds a constant of int8, int16 or int32."""
        key = (values.dtype, values.shape, values.tobytes())
        if key not in self._constants:
            value = Value(f"const_{len(self._constants)}", values.shape, _TYPES[values.dtype])
            data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
            self._constants[key] = self._tensor(value, data)
            self._operators.append(_Operator(tosa_schema.Op.CONST, (), value.name, {}))
        return self._constants[key]

    def scalar(self, number: int, dtype: type[np.integer[Any]]) -> Value:
        """Adds a constant of one element, as zero points are."""
        return self.constant(np.array([number], dtype))

    def shape(self, sizes: Sequence[int]) -> str:
        """Adds a constant shape, and returns its name."""
        data = np.array(sizes, "<i8").tobytes()
        name = f"shape_{'_'.join(map(str, sizes)).replace('-', 'm')}"
        if name not in self._shapes:
            self._shapes[name] = (len(sizes), data)
            self._operators.append(_Operator(tosa_schema.Op.CONST_SHAPE, (), name, {}))
        return name

    def add(self, op: tosa_schema.Op, inputs: Sequence[Value | str], output: Value, **attributes: Attribute) -> Value:
        """Adds an operator that makes ``output``; attributes by the names of the schema, absent ones are zero."""
        names = tuple(each if isinstance(each, str) else each.name for each in inputs)
        self._operators.append(_Operator(op, names, output.name, attributes))
        return self._tensor(output, None)

    def has(self, value: Value) -> bool:
        """Returns whether a tensor of this name is there already."""
        return value.name in self._tensors

    def content(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> bytes:
        """Returns the file's bytes."""
        return _Packer().pack(
            self._operators,
            list(self._tensors.values()),
            [(name, rank, data) for name, (rank, data) in self._shapes.items()],
            [value.name for value in inputs],
            [value.name for value in outputs],
        )

    def _tensor(self, value: Value, data: bytes | None) -> Value:
        if value.name in self._tensors:
            raise ValueError(f"two tensors are called {value.name!r}")
        self._tensors[value.name] = (value, data)
        return value


class _Packer:
    """Packs tables from the leaves to the root, as flatbuffers are built."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1 << 16)

    def pack(
        self,
        operators: list[_Operator],
        tensors: list[tuple[Value, bytes | None]],
        shapes: list[tuple[str, int, bytes]],
        inputs: list[str],
        outputs: list[str],
    ) -> bytes:
        """Returns the bytes of a graph of one region and one block, both called ``main``."""
        fields = [
            self._text("main"),
            self._references([self._operator(operator) for operator in operators]),
            self._references([self._tensor(value, data) for value, data in tensors]),
            self._texts(inputs),
            self._texts(outputs),
            self._references([self._shape(*shape) for shape in shapes]),
        ]
        block = self._table({slot: self._offset(at) for slot, at in enumerate(fields)})
        region = self._table({0: self._offset(self._text("main")), 1: self._offset(self._references([block]))})
        regions = self._references([region])
        graph = self._table({0: self._offset(self._version()), 1: self._offset(regions)})
        self._builder.Finish(graph, tosa_schema.IDENTIFIER)
        return bytes(self._builder.Output())

    def _version(self) -> int:
        numbers = (*tosa_schema.VERSION, 0)
        slots = {slot: self._int32(number, -1) for slot, number in enumerate(numbers)}
        return self._table(slots | {len(numbers): lambda slot: self._builder.PrependBoolSlot(slot, False, True)})

    def _operator(self, operator: _Operator) -> int:
        inputs, outputs = self._texts(operator.inputs), self._texts((operator.output,))
        attribute = self._attribute(operator)
        return self._table(
            {
                0: self._uint32(operator.op),
                1: lambda slot: self._builder.PrependUint8Slot(slot, operator.op, 0),
                2: self._offset(attribute),
                3: self._offset(inputs),
                4: self._offset(outputs),
            }
        )

    def _attribute(self, operator: _Operator) -> int:
        fields = tosa_schema.ATTRIBUTES.get(operator.op, ())
        known = dict(fields)
        if unknown := operator.attributes.keys() - known.keys():
            raise ValueError(f"{operator.op.name} has no attributes {unknown}")
        return self._table(
            {
                slot: self._field(kind, operator.attributes[name])
                for slot, (name, kind) in enumerate(fields)
                if name in operator.attributes
            }
        )

    def _field(self, kind: tosa_schema.Kind, value: Attribute) -> Callable[[int], None]:
        if isinstance(value, bytes):
            return self._offset(self._bytes(value))
        if isinstance(value, tuple):
            return self._offset(self._builder.CreateNumpyVector(np.array(value, np.int32)))
        if kind is tosa_schema.Kind.FLAG:
            return lambda slot: self._builder.PrependBoolSlot(slot, bool(value), False)
        return self._int32(value, 0)

    def _tensor(self, value: Value, data: bytes | None) -> int:
        name = self._text(value.name)
        shape = self._builder.CreateNumpyVector(np.array(value.shape, np.int32))
        stored = None if data is None else self._bytes(data)
        slots = {0: self._offset(name), 1: self._offset(shape), 2: self._uint32(value.type)}
        return self._table(slots if stored is None else slots | {3: self._offset(stored)})

    def _shape(self, name: str, rank: int, data: bytes) -> int:
        text, stored = self._text(name), self._bytes(data)
        return self._table({0: self._offset(text), 1: self._uint32(rank), 2: self._offset(stored)})

    def _table(self, slots: dict[int, Callable[[int], None]]) -> int:
        self._builder.StartObject(_TABLE_SLOTS)
        for slot, write in slots.items():
            write(slot)
        return int(self._builder.EndObject())

    def _offset(self, at: int) -> Callable[[int], None]:
        return lambda slot: self._builder.PrependUOffsetTRelativeSlot(slot, at, 0)

    def _int32(self, number: int, default: int) -> Callable[[int], None]:
        return lambda slot: self._builder.PrependInt32Slot(slot, number, default)

    def _uint32(self, number: int) -> Callable[[int], None]:
        return lambda slot: self._builder.PrependUint32Slot(slot, number, 0)

    def _text(self, text: str) -> int:
        return int(self._builder.CreateSharedString(text))

    def _texts(self, texts: Sequence[str]) -> int:
        return self._references([self._text(text) for text in texts])

    def _references(self, offsets: Sequence[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def _bytes(self, data: bytes) -> int:
        self._builder.StartVector(1, len(data), _ALIGNMENT)
        self._builder.head -= len(data)
        self._builder.Bytes[self._builder.head : self._builder.head + len(data)] = data
        return int(self._builder.EndVector())
