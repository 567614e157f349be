"""A float network as a graph of operations: traced, batch norm folded, observed on calibration samples."""

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from nets.errors import NetworkError
from nets.importers.pytorch.calls import module_of_call


@dataclass(frozen=True, eq=False)
class Trace:
    """The operations of a float network, and what they computed on the calibration samples.

    Attributes:
        module: a copy of the float network in evaluation mode; batch norm is not folded in it.
        graph: its operations, batch norm folded if it follows a layer of its own.
        ranges: (smallest, largest) value of every node's tensor.
        shapes: shape of every node's tensor without the batch, channels first.
        constants: what other nodes give: parameters, and sizes and numbers, for two samples.
        folded: float64 layers with their batch norm, by the name of the graph's float32 layer.
    """

    module: nn.Module
    graph: fx.GraphModule
    ranges: dict[fx.Node, tuple[float, float]] = field(default_factory=dict)
    shapes: dict[fx.Node, tuple[int, ...]] = field(default_factory=dict)
    constants: dict[fx.Node, object] = field(default_factory=dict)
    folded: dict[str, nn.Conv2d | nn.Linear] = field(default_factory=dict)

    def module_of(self, node: fx.Node) -> nn.Module | None:
        """Returns the module that a node calls, or one that computes what its function does; None if there is none."""
        if node.op == "call_module":
            return self.graph.get_submodule(str(node.target))
        return module_of_call(node, self.constants) if node.op in ("call_function", "call_method") else None


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
    trace = Trace(own, graph)
    _fold(trace)
    with torch.inference_mode():
        try:
            _Recorder(trace).run(calibration.clone())  # an operation in place would change the caller's
            _Constants(trace).run(calibration[:1].repeat(2, *(1,) * (calibration.ndim - 1)))
        except NetworkError:
            raise
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            raise NetworkError(f"{name!r} does not take the calibration samples: {_line(error)}") from error
    return trace


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _fold(trace: Trace) -> None:
    """Folds batch norm into the convolution or linear layer before it, which may be called elsewhere without it.

    One that does not follow such a layer of its own stays.
    """
    graph = trace.graph
    for node in list(graph.graph.nodes):
        norm = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            continue
        if norm.running_mean is None or norm.running_var is None:
            raise NetworkError(
                f"batch norm {node.target!r} keeps no running statistics; its result depends on the batch"
            )
        before = node.all_input_nodes[0]
        name = str(before.target)
        layer = trace.folded.get(name) or (graph.get_submodule(name) if before.op == "call_module" else None)
        if (fused := _fused(layer, norm)) is None or len(before.users) != 1:
            continue
        own = f"folded_{before.name}"
        trace.folded[own] = fused
        graph.add_submodule(own, copy.deepcopy(fused).float())
        before.target = own
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
    graph.recompile()


def _fused(layer: nn.Module | None, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Conv2d | nn.Linear | None:
    """Returns a layer with its batch norm in float64, or None if they do not belong together."""
    norm = copy.deepcopy(norm).double()
    if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
        return fuse_conv_bn_eval(_plain(layer).double(), norm)
    if isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
        return fuse_linear_bn_eval(copy.deepcopy(layer).double(), norm)
    return None


def _plain(conv: nn.Conv2d) -> nn.Conv2d:
    """Returns a convolution with these weights, which are not computed from others, as those of weight norm are."""
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        (conv.kernel_size[0], conv.kernel_size[1]),
        (conv.stride[0], conv.stride[1]),
        conv.padding if isinstance(conv.padding, str) else (conv.padding[0], conv.padding[1]),
        (conv.dilation[0], conv.dilation[1]),
        conv.groups,
        conv.bias is not None,
        conv.padding_mode,
    ).eval()
    plain.weight = nn.Parameter(conv.weight.detach())
    plain.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach())
    return plain


class _Recorder(fx.Interpreter):
    """Runs a traced network and keeps shape and extremes of every node's tensor that has one row for each sample."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace.graph)
        self._trace = trace
        self._samples = 0

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if n.op == "placeholder" and isinstance(result, Tensor):
            self._samples = len(result)
        if n.op == "get_attr" or not isinstance(result, Tensor) or not result.numel() or not result.ndim:
            return result
        low, high = float(result.min()), float(result.max())
        if not -torch.inf < low <= high < torch.inf:
            raise NetworkError(f"operation {n.name!r} computes {low} to {high} on the calibration samples")
        if len(result) == self._samples:
            self._trace.ranges[n], self._trace.shapes[n] = (low, high), tuple(result.shape[1:])
        return result


class _Constants(fx.Interpreter):
    """Runs a traced network on two samples and keeps its parameters, and what is no tensor."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace.graph)
        self._trace = trace

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if n.op == "get_attr" or (n.op != "output" and not _holds_tensors(result)):
            self._trace.constants[n] = result
        return result


def _holds_tensors(value: object) -> bool:
    if isinstance(value, tuple | list):
        return any(_holds_tensors(each) for each in value)
    return isinstance(value, Tensor)
