"""What an .onnx file holds, whether it can be imported or not."""

from pathlib import Path

from nets.errors import NetworkError
from nets.importers.ends import Cut
from nets.importers.inspection import FileFacts, Inspection, TensorFacts, inspected
from nets.importers.onnx.graph import read_graph
from nets.importers.onnx.importer import is_known, needed_nodes, onnx_from_bytes
from nets.importers.tflite.graph import read_file


def inspect_onnx(path: str | Path, *, cut: Cut = ()) -> Inspection:
    """Describes a file, also one that cannot be imported.

    Args:
        path: the file.
        cut: names of the file's values at which the network ends.

    Raises:
        NetworkError: the file is not an .onnx file, or is damaged, or ``cut`` names no value of it.
    """
    path = Path(path)
    content = read_file(path)
    graph = read_graph(content, path.name)
    try:
        needed, _ = needed_nodes(graph, cut)
    except NetworkError as error:
        if cut:
            raise NetworkError(f"{path.name}: {error}") from error
        needed = list(graph.nodes)
    facts = FileFacts(
        model=path.name,
        size_bytes=len(content),
        inputs=tuple(TensorFacts(None, each.name, each.shape, each.type_name, None, None) for each in graph.inputs),
        outputs=tuple(TensorFacts(None, name, (), "", None, None) for name in graph.outputs),
        kinds=[node.kind for node in graph.nodes],
        needed=[node.kind for node in needed],
        blocking=[node.kind for node in needed if not is_known(node)],
    )
    return inspected(facts, lambda: onnx_from_bytes(content, path.name, cut=cut).network)
