"""What a .tflite file holds, whether it can be imported or not."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from nets.errors import NetworkError
from nets.importers.ends import Cut
from nets.importers.inspection import Blocker, Inspection, KindFacts, TensorFacts
from nets.importers.tflite.blocks import FROM_BATCH, TO_BATCH, dilated
from nets.importers.tflite.extent import LEARNED, Extent, downstream, extent_of, what_a_cut_loses
from nets.importers.tflite.folding import folded, joined
from nets.importers.tflite.graph import RawGraph, RawOperator, RawTensor, read_file, read_graph
from nets.importers.tflite.importer import CONVERTERS, builder_of, converted
from nets.importers.tflite.unsigned import signed
from nets.network import NarrowableOperator, Operator, profile_named

_CONTRACT = "half_up"  # any: sizes do not depend on it


def inspect_tflite(path: str | Path, *, cut: Cut = ()) -> Inspection:
    """Describes a file, also one that cannot be imported.

    Args:
        path: the file.
        cut: names or indices of the file's tensors at which the network ends.

    Raises:
        NetworkError: the file is not a .tflite file, or is damaged, or ``cut`` names no tensor of it.
    """
    path = Path(path)
    return inspect_bytes(read_file(path), path.name, cut=cut)


def inspect_bytes(content: bytes, name: str, *, cut: Cut = ()) -> Inspection:
    """Describes a file's bytes; see :func:`inspect_tflite`."""
    read = read_graph(content, name)
    graph, extent, refusal = _extent(read, name, cut)
    try:
        built = _built(graph, extent)
    except NetworkError as error:  # of an input, which every operator depends on
        built, refusal = [], refusal or str(error)
    blocked = [operator for operator, made in built if isinstance(made, str)]
    made = [made for _, made in built if not isinstance(made, str)]
    narrowable = [operator for operator in made if isinstance(operator, NarrowableOperator)]
    constants = _learned(graph, extent.operators)
    return Inspection(
        model=name,
        size_bytes=len(content),
        inputs=_facts(read, read.inputs),
        outputs=_facts(read, read.outputs),
        network_inputs=_facts(graph, extent.inputs),
        network_outputs=_facts(graph, extent.outputs),
        kinds=_kinds(read, (op for op, _ in built), blocked),
        blockers=_blockers(built),
        refusal=refusal,
        advice=what_a_cut_loses(graph, downstream(graph, blocked)) if blocked else None,
        rescalers=len(narrowable),
        rescaler_channels=sum(operator.rescaler.multiplier.size for operator in narrowable),
        parameters=sum(math.prod(tensor.shape) for tensor in constants),
        macs=sum(_macs(graph, operator) for operator in extent.operators),
        weight_bytes=sum(0 if tensor.data is None else tensor.data.size for tensor in constants),
    )


def _extent(graph: RawGraph, name: str, cut: Cut) -> tuple[RawGraph, Extent, str | None]:
    """Returns the graph and what would be imported of it; all operators if that cannot be said, and why not."""
    try:
        graph = dilated(joined(folded(signed(graph))))
        return graph, extent_of(graph, cut), None
    except NetworkError as error:
        if cut:
            raise NetworkError(f"{name}: {error}") from error
        return graph, Extent((), (), graph.operators, (), ()), str(error)


def _built(graph: RawGraph, extent: Extent) -> list[tuple[RawOperator, Operator | str]]:
    """Returns each operator with what it is converted to, or with the reason why it cannot be."""
    if not extent.inputs:
        return []
    built: list[tuple[RawOperator, Operator | str]] = []
    builder = builder_of(graph, profile_named(_CONTRACT), extent)
    for operator in extent.operators:
        if operator.kind not in CONVERTERS:
            built.append((operator, f"{operator} is not supported"))
            continue
        before = len(builder.operators)
        try:
            made = converted(builder, operator)
            built += [(operator, each) for each in (*builder.operators[before:], *made)]
        except NetworkError as error:
            built.append((operator, str(error)))
    return built


def _blockers(built: list[tuple[RawOperator, Operator | str]]) -> tuple[Blocker, ...]:
    reasons = [(operator, made) for operator, made in built if isinstance(made, str)]
    counts = Counter(operator.kind for operator, _ in reasons)
    firsts: dict[str, tuple[RawOperator, str]] = {}
    for operator, reason in reasons:
        firsts.setdefault(operator.kind, (operator, reason))
    return tuple(Blocker(kind, counts[kind], operator.index, reason) for kind, (operator, reason) in firsts.items())


def _kinds(graph: RawGraph, tried: Iterable[RawOperator], blocked: Iterable[RawOperator]) -> tuple[KindFacts, ...]:
    counts = Counter(operator.kind for operator in graph.operators)
    each = {operator.index: operator for operator in tried}.values()  # one with several outputs is tried for each
    needed = Counter(kind for operator in each for kind in _stated(operator))
    blocking = Counter(operator.kind for operator in blocked)
    return tuple(
        KindFacts(kind, count, needed[kind] - blocking[kind], blocking[kind], count - needed[kind])
        for kind, count in counts.most_common()
    )


def _stated(operator: RawOperator) -> tuple[str, ...]:
    """Returns the kinds of the file's operators that an operator stands for."""
    return (operator.kind,) if operator.blocks is None else (TO_BATCH, operator.kind, FROM_BATCH)


def _facts(graph: RawGraph, indices: Iterable[int]) -> tuple[TensorFacts, ...]:
    tensors = (graph.tensors[index] for index in indices if 0 <= index < len(graph.tensors))
    return tuple(
        TensorFacts(
            index=tensor.index,
            name=tensor.name,
            shape=tensor.shape,
            type_name=tensor.type_name,
            scale=float(tensor.scales[0]) if tensor.scales.size == 1 else None,
            zero_point=int(tensor.zero_points[0]) if tensor.zero_points.size == 1 else None,
        )
        for tensor in tensors
    )


def _learned(graph: RawGraph, operators: Iterable[RawOperator]) -> list[RawTensor]:
    """Returns the constants of operators with weights, each once."""
    read = {index for operator in operators if operator.kind in LEARNED for index in operator.inputs}
    return [tensor for tensor in graph.tensors if tensor.index in read and tensor.data is not None]


def _macs(graph: RawGraph, operator: RawOperator) -> int:
    """Returns an operator's multiply-accumulates for one sample, by the file's shapes; 0 if it has none."""
    count = _MACS.get(operator.kind)
    places = [*operator.inputs[:3], *operator.outputs[:1]]
    if operator.kind in _WITH_STATE:
        return _of_steps(graph, operator)
    if count is None or not operator.outputs or len(operator.inputs) < 2:
        return 0
    shapes = [graph.tensors[i].shape if 0 <= i < len(graph.tensors) else () for i in places]
    try:
        return max(count(shapes), 0)
    except IndexError:
        return 0


_Shapes = list[tuple[int, ...]]


def _of_convolution(shapes: _Shapes) -> int:
    return math.prod(shapes[-1][1:]) * math.prod(shapes[1][1:])


def _of_depthwise(shapes: _Shapes) -> int:
    return math.prod(shapes[-1][1:]) * math.prod(shapes[1][1:3])


def _of_fully_connected(shapes: _Shapes) -> int:
    return math.prod(shapes[-1][1:]) * shapes[1][1]


def _of_transposed(shapes: _Shapes) -> int:
    return math.prod(shapes[2][1:3]) * math.prod(shapes[1])


def _of_matrices(shapes: _Shapes) -> int:
    return math.prod(shapes[-1][1:]) * shapes[0][-1]


_MACS: dict[str, Callable[[_Shapes], int]] = {
    "CONV_2D": _of_convolution,
    "DEPTHWISE_CONV_2D": _of_depthwise,
    "FULLY_CONNECTED": _of_fully_connected,
    "TRANSPOSE_CONV": _of_transposed,
    "BATCH_MATMUL": _of_matrices,
}
_WITH_STATE = ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM")


def _of_steps(graph: RawGraph, operator: RawOperator) -> int:
    """Every matrix of an operator with a state is multiplied once in each step; of SVDF one step runs."""
    read = [graph.tensors[i] for i in operator.inputs if 0 <= i < len(graph.tensors)]
    once = sum(math.prod(each.shape) for each in read if each.data is not None and len(each.shape) == 2)
    shape = read[0].shape if read else ()
    return once * (shape[1] if len(shape) == 3 else 1)
