"""The part of a file's graph that becomes the network: from its int8 inputs to its logits, or to where it is cut."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from nets.errors import NetworkError
from nets.importers.ends import Cut
from nets.importers.tflite.graph import RawGraph, RawOperator
from nets.importers.tflite.words import kinds_of, tensors_of

# Dropped at the end: networks are scored on their logits.
FUNCTIONS_AT_THE_END = ("SOFTMAX", "LOG_SOFTMAX", "LOGISTIC")
AT_THE_END = (*FUNCTIONS_AT_THE_END, "DEQUANTIZE")
BORDER_TYPES = ("FLOAT32", "UINT8")  # of inputs and outputs that QUANTIZE and DEQUANTIZE translate
# Integers end here: what lies behind is post-processing, or a part of the network that is computed in float.
_POST_PROCESSING = (
    *("DEQUANTIZE", "CAST", "ARG_MAX", "ARG_MIN", "TOPK_V2"),
    *("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5"),
)
_CUSTOM = "CUSTOM "
LEARNED = (  # kinds with weights of their own
    *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D", "SVDF"),
    *("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "RNN", "UNIDIRECTIONAL_SEQUENCE_RNN"),
)


@dataclass(frozen=True, slots=True)
class Extent:
    """What is imported of a graph.

    Attributes:
        inputs: the network's int8 inputs, indices of tensors.
        outputs: the network's outputs, indices of tensors.
        operators: all that the outputs depend on, in the file's order, without the QUANTIZE of a border.
        entries: operators that translate an input of another type.
        left_out: operators between these outputs and those of the file, in the file's order.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[RawOperator, ...]
    entries: tuple[RawOperator, ...]
    left_out: tuple[RawOperator, ...]

    @property
    def loses(self) -> bool:
        """Whether more than the translation of logits is left out: something that the file's outputs show."""
        return any(operator.kind not in (*AT_THE_END, "QUANTIZE", "RESHAPE") for operator in self.left_out)


def extent_of(graph: RawGraph, cut: Cut = ()) -> Extent:
    """Finds the network in a graph.

    Without ``cut``, post-processing at the end is left out: ARG_MAX, custom operators, and what follows a DEQUANTIZE,
    unless it has weights; then SOFTMAX, LOGISTIC and a change of type behind the logits.

    Args:
        graph: the graph, its shape arithmetic folded.
        cut: names or indices of the tensors at which the network ends.

    Raises:
        NetworkError: inputs or outputs are missing, a tensor of ``cut`` does not exist or is no result of an operator,
            or the network goes on behind operators that are no integers'.
    """
    producers = producers_of(graph)
    inputs, entries = _entries(graph)
    if cut:
        outputs = [_cut_tensor(graph, each, producers, entries) for each in cut]
    else:
        outputs = _logits(graph, producers, entries)
    needed = _ancestors(outputs, producers) - {operator.index for operator in entries}
    behind = _ancestors(graph.outputs, producers) - needed - {operator.index for operator in entries}
    return Extent(
        inputs=tuple(inputs),
        outputs=tuple(dict.fromkeys(outputs)),
        operators=tuple(operator for operator in graph.operators if operator.index in needed),
        entries=tuple(entries),
        left_out=tuple(operator for operator in graph.operators if operator.index in behind),
    )


def producers_of(graph: RawGraph) -> dict[int, RawOperator]:
    """Maps tensors to the operators that make them; a NetworkError says if a tensor has two values."""
    producers: dict[int, RawOperator] = {}
    for operator in graph.operators:
        for index in operator.outputs:
            tensor = graph.tensor(index, str(operator))
            if index in producers or index in graph.inputs or tensor.data is not None:
                raise NetworkError(f"{operator} writes {tensor}, which already has a value")
            producers[index] = operator
    return producers


def border(graph: RawGraph, behind: Iterable[RawOperator]) -> list[int]:
    """Returns the activations that operators read and that none of them makes, without the graph's inputs."""
    behind = list(behind)
    inside = {index for operator in behind for index in operator.outputs}
    made = {index for operator in graph.operators for index in operator.outputs}
    return list(dict.fromkeys(i for operator in behind for i in operator.inputs if i in made - inside))


def downstream(graph: RawGraph, first: Iterable[RawOperator]) -> list[RawOperator]:
    """Returns operators and all that depends on them, in the file's order."""
    chosen, reached = {operator.index for operator in first}, set[int]()
    behind = []
    for operator in graph.operators:
        if operator.index in chosen or reached & set(operator.inputs):
            behind.append(operator)
            reached |= set(operator.outputs)
    return behind


def _logits(graph: RawGraph, producers: dict[int, RawOperator], entries: list[RawOperator]) -> list[int]:
    if not graph.outputs:
        raise NetworkError("the graph has no outputs")
    tail = downstream(graph, (operator for operator in graph.operators if _ends_integers(graph, operator)))
    _check_tail(graph, tail)
    dropped = {operator.index for operator in tail}
    translated = {index for operator in entries for index in operator.outputs}
    ends: list[int] = []
    for index in graph.outputs:
        graph.tensor(index, "the graph")  # which checks that it exists
        behind = _ancestors([index], producers) & dropped
        ends += border(graph, (op for op in tail if op.index in behind)) if behind else [index]
    readers = _readers(graph)
    outputs = [_before_the_end(graph, at, producers, readers, dropped) for at in ends if at not in translated]
    if not outputs:
        raise NetworkError(
            f"{tail[0]} ends the integers before any operator of int8; only full-int8 models are supported"
        )
    return outputs


def _before_the_end(
    graph: RawGraph,
    at: int,
    producers: dict[int, RawOperator],
    readers: dict[int, set[int]],
    dropped: set[int],
) -> int:
    """Walks back from an output to its logits, over operators whose results nothing else reads."""
    end, behind = at, set(dropped)  # up to the tensor `at`, operators that end the network and RESHAPE behind them
    while (operator := producers.get(at)) is not None and readers.get(at, set()) <= behind:
        ends = _ends_the_network(graph, operator, at)
        if not ends and not (operator.kind == "RESHAPE" and operator.inputs and operator.index not in behind):
            break
        behind.add(operator.index)
        at = operator.inputs[0]
        if ends:
            end = at
            dropped |= behind
    return end


def _ends_the_network(graph: RawGraph, operator: RawOperator, output: int) -> bool:
    if not operator.inputs:
        return False
    to_border = operator.kind == "QUANTIZE" and graph.tensor(output, str(operator)).type_name in ("UINT8", "INT32")
    return operator.kind in AT_THE_END or to_border


def _ends_integers(graph: RawGraph, operator: RawOperator) -> bool:
    reads_activation = any(graph.tensor(i, str(operator)).data is None for i in operator.inputs if i != -1)
    return reads_activation and (operator.kind in _POST_PROCESSING or operator.kind.startswith(_CUSTOM))


def _check_tail(graph: RawGraph, tail: list[RawOperator]) -> None:
    """Raises a NetworkError if a part of the network with weights would be left out."""
    learned = [operator for operator in tail if operator.kind in LEARNED]
    if learned:
        raise NetworkError(
            f"{tail[0]} ends the integers, but {kinds_of(learned)} lie behind it; {what_a_cut_loses(graph, tail)}"
        )


def what_a_cut_loses(graph: RawGraph, behind: list[RawOperator]) -> str:
    """Says at which tensors a graph can be cut before operators, and what that leaves out."""
    made = {index for operator in graph.operators for index in operator.outputs}
    lost = {index for operator in behind for index in operator.outputs}
    at = list(dict.fromkeys((*border(graph, behind), *(i for i in graph.outputs if i in made - lost))))
    if not at:
        return "no other operator lies before them, so that nothing would be left of a cut network"
    cut = " ".join(f"--cut {index}" for index in at[:4]) + (" ..." if len(at) > 4 else "")
    kept = len(graph.operators) - len(behind)
    return (
        f"cut before them, at {tensors_of(graph, at)} ({cut}), the network keeps {kept} of {len(graph.operators)} "
        f"operators and loses {kinds_of(behind)}"
    )


def _readers(graph: RawGraph) -> dict[int, set[int]]:
    readers: dict[int, set[int]] = {}
    for operator in graph.operators:
        for index in operator.inputs:
            readers.setdefault(index, set()).add(operator.index)
    return readers


def _ancestors(outputs: Iterable[int], producers: dict[int, RawOperator]) -> set[int]:
    """Returns the indices of all operators that tensors depend on."""
    waiting, needed = [producers[index] for index in outputs if index in producers], set[int]()
    while waiting:
        operator = waiting.pop()
        if operator.index not in needed:
            needed.add(operator.index)
            waiting += [producers[index] for index in operator.inputs if index in producers]
    return needed


def _entries(graph: RawGraph) -> tuple[list[int], list[RawOperator]]:
    """Returns the int8 inputs of the network, and the QUANTIZE operators that translate to them."""
    borders = {i for i in graph.inputs if graph.tensor(i, "the graph").type_name in BORDER_TYPES}
    quantizers = [op for op in graph.operators if op.kind == "QUANTIZE" and set(op.inputs) & borders]
    inputs: list[int] = []
    for index in graph.inputs:
        translated = [output for op in quantizers if index in op.inputs for output in op.outputs]
        inputs += translated if index in borders and translated else [index]
    if not inputs:
        raise NetworkError("the graph has no inputs")
    if len(set(inputs)) != len(inputs):
        raise NetworkError(f"the graph's inputs {inputs} are not distinct")
    return inputs, quantizers


def _cut_tensor(graph: RawGraph, cut: str | int, producers: dict[int, RawOperator], entries: list[RawOperator]) -> int:
    """Returns the index of a tensor that a user names, which an operator of the network has to make."""
    named = [tensor.index for tensor in graph.tensors if tensor.name == cut]
    named = [index for index in named if index in producers] or named
    if len(named) > 1:
        raise NetworkError(f"cut: several tensors are called {cut!r}: {', '.join(map(str, named))}; give an index")
    index = named[0] if named else _index(graph, cut)
    if index not in producers or producers[index] in entries:
        raise NetworkError(f"cut: {graph.tensors[index]} is an input or a constant; cut at the result of an operator")
    return index


def _index(graph: RawGraph, cut: str | int) -> int:
    text = str(cut)
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < len(graph.tensors):
        return int(text)
    near = difflib.get_close_matches(text, [tensor.name for tensor in graph.tensors], 3)
    hint = f"; similar names: {', '.join(map(repr, near))}" if near else ""
    raise NetworkError(f"cut: {text!r} is no tensor; give a name, or an index from 0 to {len(graph.tensors) - 1}{hint}")
