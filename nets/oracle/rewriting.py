"""A .tflite file with more biases, or other kinds of operators; what the file holds already keeps its bytes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import flatbuffers
import numpy as np
import tflite
from flatbuffers.table import Table

from nets.errors import NetworkError
from nets.importers import DECODING_ERRORS, IDENTIFIER, RawGraph
from nets.network import FloatArray

_ALIGNMENT = 16  # bytes; of buffers, by the schema
# Fields of tables by the schema: o another object, others scalars of 1, 4 or 8 bytes.
_SCALARS = {"b": "Uint8", "i": "Uint32", "q": "Uint64"}
_MODEL, _SUBGRAPH, _OPERATOR = "iooooooo", "oooooi", "ioobooboo" + "qqboi"
_CODES, _SUBGRAPHS, _BUFFERS = 1, 2, 4  # fields of the model
_TENSORS, _OPERATORS = 0, 3  # fields of a subgraph
_CODE, _INPUTS = 0, 1  # fields of an operator
_INT8_VERSION = 2  # of operators such as RELU
_LAST_OLD_CODE = 127  # later kinds have their number in a field of its own; this one says so


@dataclass(frozen=True, eq=False, slots=True)
class NewBias:
    """A bias of zeros.

    Attributes:
        operator: index of its operator in the file.
        position: among the operator's inputs.
        size: its elements.
        wide: whether it is of int64, otherwise of int32.
        scales: real values of one step, ``[size]`` or ``[1]``.
        name: of its tensor.
    """

    operator: int
    position: int
    size: int
    wide: bool
    scales: FloatArray
    name: str


def rewritten(content: bytes, graph: RawGraph, biases: Sequence[NewBias], kinds: Mapping[int, str]) -> bytes:
    """Returns the file with these biases, each a new tensor behind the present ones, and these kinds of operators.

    A flatbuffer's references go forward, so what is new, and what refers to it, is written before all of the file.

    Args:
        content: the file.
        graph: its tensors and operators.
        biases: the biases.
        kinds: the new kind, one without options, of operators by their index in the file.

    Raises:
        NetworkError: a part of the file that the import does not need is corrupted.
    """
    if not biases and not kinds:
        return content
    try:
        return _Rewriter(content, graph).rewritten(biases, kinds)
    except DECODING_ERRORS as error:
        raise NetworkError(f"the design cannot be written, since the file is corrupted ({error})") from error


@dataclass(slots=True)
class _Rewriter:
    """Writes in front of a file; places are offsets from the end, as flatbuffers' builders count them."""

    content: bytes
    graph: RawGraph
    builder: flatbuffers.Builder = field(init=False)

    def __post_init__(self) -> None:
        self.content += bytes(-len(self.content) % _ALIGNMENT)
        size = len(self.content)
        self.builder = flatbuffers.Builder(size + 1024)
        self.builder.head = self.builder.head - size
        self.builder.Bytes[self.builder.head : self.builder.head + size] = self.content
        self.builder.minalign = _ALIGNMENT
        self.builder.ForceDefaults(True)  # a copy states what its original states

    def rewritten(self, biases: Sequence[NewBias], kinds: Mapping[int, str]) -> bytes:
        model = tflite.Model.GetRootAs(self.content, 0)
        subgraph, own_buffers = model.Subgraphs(0), model.BuffersLength()
        count = len(self.graph.tensors)
        inputs = {each.operator: list(self.graph.operators[each.operator].inputs) for each in biases}
        for at, each in enumerate(biases):
            own = inputs[each.operator]
            own.extend([-1] * (each.position + 1 - len(own)))
            own[each.position] = count + at
        tensors = [self._tensor(each, own_buffers + at) for at, each in enumerate(biases)]
        buffers = [self._buffer(each) for each in biases]
        operators = {
            at: self._table(_of(subgraph.Operators(at)), _OPERATOR, {_INPUTS: self._integers(own)})
            for at, own in inputs.items()
        }
        new_kinds, codes = sorted(set(kinds.values())), model.OperatorCodesLength()
        for at, kind in kinds.items():
            code = {_CODE: codes + new_kinds.index(kind)}
            operators[at] = self._table(_of(subgraph.Operators(at)), _OPERATOR, scalars=code)
        changed = {
            _TENSORS: self._objects(_places(subgraph.Tensors, count), tensors),
            _OPERATORS: self._objects(_places(subgraph.Operators, subgraph.OperatorsLength()), changed=operators),
        }
        first = {0: self._table(_of(subgraph), _SUBGRAPH, changed)}
        fields = {
            _SUBGRAPHS: self._objects(_places(model.Subgraphs, model.SubgraphsLength()), changed=first),
            _BUFFERS: self._objects(_places(model.Buffers, own_buffers), buffers),
            _CODES: self._objects(_places(model.OperatorCodes, codes), [self._code(kind) for kind in new_kinds]),
        }
        self.builder.Finish(self._table(_of(model), _MODEL, fields), file_identifier=IDENTIFIER)
        return bytes(self.builder.Output())

    def _place(self, position: int) -> int:
        """Returns the place of what lies at a position of the file."""
        return len(self.content) - position

    def _table(
        self,
        table: Table,
        fields: str,
        changed: Mapping[int, int] = MappingProxyType({}),
        scalars: Mapping[int, int] = MappingProxyType({}),
    ) -> int:
        """Copies a table, whose other objects stay where they are, but for the changed ones and changed scalars."""
        self.builder.StartObject(len(fields))
        for slot, kind in enumerate(fields):
            at = table.Offset(4 + 2 * slot)
            if kind == "o":
                old = self._place(table.Indirect(table.Pos + at)) if at else 0
                if place := changed.get(slot, old):
                    self.builder.PrependUOffsetTRelativeSlot(slot, place, 0)
            elif at or slot in scalars:
                scalar = getattr(flatbuffers.number_types, f"{_SCALARS[kind]}Flags")
                value = scalars[slot] if slot in scalars else table.Get(scalar, table.Pos + at)
                getattr(self.builder, f"Prepend{_SCALARS[kind]}Slot")(slot, value, 0)
        return int(self.builder.EndObject())

    def _objects(
        self, positions: Sequence[int], added: Sequence[int] = (), changed: Mapping[int, int] | None = None
    ) -> int:
        """Writes a vector of the objects at these positions of the file, some of them replaced, and of new ones."""
        own = [(changed or {}).get(at, self._place(position)) for at, position in enumerate(positions)]
        self.builder.StartVector(4, len(own) + len(added), 4)
        for place in reversed([*own, *added]):
            self.builder.PrependUOffsetTRelative(place)
        return int(self.builder.EndVector())

    def _integers(self, values: Sequence[int]) -> int:
        return int(self.builder.CreateNumpyVector(np.array(values, np.int32)))

    def _tensor(self, bias: NewBias, buffer: int) -> int:
        name, shape = self.builder.CreateString(bias.name), self._integers([bias.size])
        scales = self.builder.CreateNumpyVector(bias.scales.astype(np.float32))
        zeros = self.builder.CreateNumpyVector(np.zeros(bias.scales.size, np.int64))
        tflite.QuantizationParametersStart(self.builder)
        tflite.QuantizationParametersAddScale(self.builder, scales)
        tflite.QuantizationParametersAddZeroPoint(self.builder, zeros)
        quantization = tflite.QuantizationParametersEnd(self.builder)
        tflite.TensorStart(self.builder)
        tflite.TensorAddShape(self.builder, shape)
        tflite.TensorAddType(self.builder, tflite.TensorType.INT64 if bias.wide else tflite.TensorType.INT32)
        tflite.TensorAddBuffer(self.builder, buffer)
        tflite.TensorAddName(self.builder, name)
        tflite.TensorAddQuantization(self.builder, quantization)
        return int(tflite.TensorEnd(self.builder))

    def _code(self, kind: str) -> int:
        code = getattr(tflite.BuiltinOperator, kind)
        tflite.OperatorCodeStart(self.builder)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(self.builder, min(code, _LAST_OLD_CODE))
        tflite.OperatorCodeAddBuiltinCode(self.builder, code)
        tflite.OperatorCodeAddVersion(self.builder, _INT8_VERSION)
        return int(tflite.OperatorCodeEnd(self.builder))

    def _buffer(self, bias: NewBias) -> int:
        content = bytes(bias.size * (8 if bias.wide else 4))
        self.builder.StartVector(1, len(content), _ALIGNMENT)
        self.builder.head = self.builder.head - len(content)
        self.builder.Bytes[self.builder.head : self.builder.head + len(content)] = content
        vector = self.builder.EndVector()
        tflite.BufferStart(self.builder)
        tflite.BufferAddData(self.builder, vector)
        return int(tflite.BufferEnd(self.builder))


def _of(item: object) -> Table:
    """Returns the table, with its place, of one of the schema's objects."""
    return item._tab  # type: ignore[attr-defined]  # noqa: SLF001 -- places of fields


def _places(item: Callable[[int], object], count: int) -> list[int]:
    """Returns the positions in the file of the objects of a vector."""
    return [_of(item(at)).Pos for at in range(count)]
