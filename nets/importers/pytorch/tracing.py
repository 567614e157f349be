"""A float network as a graph of operations: traced, batch norm folded, observed on calibration samples."""

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nets.errors import NetworkError


@dataclass(frozen=True, eq=False)
class Trace:
    """The operations of a float network, and what they computed on the calibration samples.

    Attributes:
        module: a copy of the float network in evaluation mode; batch norm is not folded in it.
        graph: its operations, batch norm folded.
        ranges: (smallest, largest) value of every node's tensor.
        shapes: shape of every node's tensor without the batch, channels first.
    """

    module: nn.Module
    graph: fx.GraphModule
    ranges: dict[fx.Node, tuple[float, float]] = field(default_factory=dict)
    shapes: dict[fx.Node, tuple[int, ...]] = field(default_factory=dict)

    def module_of(self, node: fx.Node) -> nn.Module | None:
        """Returns the module that a node calls, or None if it calls a function or a method."""
        return self.graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def traced(module: nn.Module, calibration: Tensor, name: str) -> Trace:
    """Traces a copy of a float network, folds its batch norm and runs it on the calibration samples.

    Args:
        module: the network; neither it nor its mode is changed.
        calibration: float32 inputs ``[samples, *shape]``.
        name: the network's name in errors.

    Raises:
        NetworkError: the network cannot be traced, has other than one input, or computes values that are not finite.
    """
    own = copy.deepcopy(module).eval()
    try:
        graph = fx.symbolic_trace(own)
    except (TraceError, TypeError, NameError) as error:
        raise NetworkError(f"{name!r} cannot be traced: {' '.join(str(error).split())}") from error
    inputs = [node.name for node in graph.graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        raise NetworkError(f"{name!r} has {len(inputs)} inputs ({', '.join(inputs)}); networks with one are supported")
    if len(calibration) == 0:
        raise NetworkError(f"{name!r}: there are no calibration samples")
    trace = Trace(own, _folded(graph))
    with torch.inference_mode():
        _Recorder(trace).run(calibration.clone())  # an operation in place would change the caller's
    return trace


def _folded(graph: fx.GraphModule) -> fx.GraphModule:
    """Folds every BatchNorm2d into the convolution before it, which may be called elsewhere without it."""
    for node in list(graph.graph.nodes):
        norm = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        before = node.all_input_nodes[0]
        conv = graph.get_submodule(str(before.target)) if before.op == "call_module" else None
        if not isinstance(conv, nn.Conv2d) or len(before.users) != 1:
            raise NetworkError(f"batch norm {node.target!r} does not follow a convolution of its own")
        if norm.running_mean is None or norm.running_var is None:
            raise NetworkError(
                f"batch norm {node.target!r} keeps no running statistics; its result depends on the batch"
            )
        own = f"folded_{before.name}"
        graph.add_submodule(own, fuse_conv_bn_eval(conv, norm))
        before.target = own
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
    graph.recompile()
    return graph


class _Recorder(fx.Interpreter):
    """Runs a traced network and keeps shape and extremes of every node's tensor."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace.graph)
        self._trace = trace

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if isinstance(result, Tensor) and result.numel():
            low, high = float(result.min()), float(result.max())
            if not -torch.inf < low <= high < torch.inf:
                raise NetworkError(f"operation {n.name!r} computes {low} to {high} on the calibration samples")
            self._trace.ranges[n], self._trace.shapes[n] = (low, high), tuple(result.shape[1:])
        return result
