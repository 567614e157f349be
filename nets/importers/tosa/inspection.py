"""What a .tosa file holds, whether it can be imported or not."""

from pathlib import Path

from nets.errors import NetworkError
from nets.importers.ends import Cut
from nets.importers.inspection import FileFacts, Inspection, TensorFacts, inspected
from nets.importers.tflite.graph import read_file
from nets.importers.tosa.graph import RawGraph, read_graph
from nets.importers.tosa.importer import cut_at, tosa_network


def inspect_tosa(path: str | Path, *, cut: Cut = ()) -> Inspection:
    """Describes a file, also one whose network cannot be imported.

    Args:
        path: the file.
        cut: names of the file's int8 tensors at which the network ends.

    Raises:
        NetworkError: the file is not a .tosa file, is damaged, or has unknown operators, or ``cut`` names no tensor.
    """
    path = Path(path)
    content = read_file(path)
    try:
        graph = read_graph(content)
        needed = cut_at(graph, cut)
    except NetworkError as error:
        raise NetworkError(f"{path.name}: {error}") from error
    facts = FileFacts(
        model=path.name,
        size_bytes=len(content),
        inputs=_facts(graph, graph.inputs),
        outputs=_facts(graph, graph.outputs),
        kinds=[raw.op.name for raw in graph.operators],
        needed=[raw.op.name for raw in needed.operators],
        blocking=(),
    )
    return inspected(facts, lambda: tosa_network(content, path.name, cut=cut))


def _facts(graph: RawGraph, names: tuple[str, ...]) -> tuple[TensorFacts, ...]:
    tensors = (graph.tensors[name] for name in names if name in graph.tensors)
    return tuple(TensorFacts(None, each.name, each.shape, each.type_name, None, None) for each in tensors)
