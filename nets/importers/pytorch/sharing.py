"""Ranges that tensors share: what is concatenated has one quantization."""

from torch import fx, nn

from nets.importers.pytorch import nodes
from nets.importers.pytorch.movement import is_movement
from nets.importers.pytorch.tracing import Trace

Range = tuple[float, float]

_OF_FIXED_RANGE = (nn.Sigmoid, nn.Tanh)
_KEEPING = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.MaxPool2d, nn.ZeroPad2d)  # the quantization of what they read


def shared_ranges(trace: Trace) -> dict[fx.Node, Range]:
    """Returns the (smallest, largest) value of every node's tensor, the same for all that concatenations join."""
    group = {node: node for node in trace.ranges}
    for node in trace.ranges:
        if nodes.is_concatenation(node):
            joined = [group[owner] for owner in _owners(node, trace)]
            group = {each: joined[0] if of in joined else of for each, of in group.items()}
    ranges = dict(trace.ranges)
    for node, of in group.items():
        low, high = ranges[of]
        ranges[of] = (min(low, trace.ranges[node][0]), max(high, trace.ranges[node][1]))
    return {node: ranges[of] for node, of in group.items()}


def _owners(node: fx.Node, trace: Trace) -> list[fx.Node]:
    """Returns a concatenation, and the nodes that choose the quantization of what it joins."""
    sources = [_owner(source, trace) for source in node.all_input_nodes]
    free = (each for each in sources if each in trace.ranges)
    return [node, *(each for each in free if not isinstance(trace.module_of(each), _OF_FIXED_RANGE))]


def _owner(node: fx.Node, trace: Trace) -> fx.Node:
    module = trace.module_of(node)
    keeps = isinstance(module, _KEEPING) or is_movement(node, module) or nodes.is_identity(node, trace)
    return _owner(nodes.source(node), trace) if keeps and node.all_input_nodes else node
