"""Float networks computed with torch's own operations on rounded numbers: what their integer networks must give."""

import copy
import operator as python_operator

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from nets.network import Function, QuantizedNetwork, Requantize, TensorSpec, lookup_table

TABLES = {
    nn.ELU: Function.ELU,
    nn.Hardswish: Function.HARD_SWISH,
    nn.LeakyReLU: Function.LEAKY_RELU,
    nn.Sigmoid: Function.LOGISTIC,
    nn.Tanh: Function.TANH,
    functional.hardswish: Function.HARD_SWISH,
    functional.leaky_relu: Function.LEAKY_RELU,
    torch.sigmoid: Function.LOGISTIC,
    torch.tanh: Function.TANH,
}
ADDITIONS = (python_operator.add, python_operator.iadd, python_operator.sub, torch.add, "add")
PRODUCTS = (python_operator.mul, python_operator.truediv, torch.mul, "mul")
AVERAGES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, functional.avg_pool2d, functional.adaptive_avg_pool2d)
HARD_SIGMOIDS = (nn.Hardsigmoid, functional.hardsigmoid)
NORMS = (nn.BatchNorm2d,)
LAYERS = (nn.Conv2d, nn.Linear)


class FakeQuantized(fx.Interpreter):
    """The float network in float64 with weights, biases and activations rounded where the integer network rounds.

    Images keep torch's order, operations are torch's own; scales are those of the integer network's tensors, which are
    named like the nodes. Tables are the runtime's, which the tests of functions compare with the functions.
    """

    def __init__(self, module: nn.Module, network: QuantizedNetwork, weight_bits: int) -> None:
        super().__init__(fx.symbolic_trace(copy.deepcopy(module).double().eval()))
        self._specs = {spec.name: spec for spec in network.tensors}
        self._limit = 2 ** (weight_bits - 1) - 1
        self._alone = {network.tensors[op.output].name for op in network.operators if isinstance(op, Requantize)}
        self._known: dict[fx.Node, TensorSpec] = {}

    def run_node(self, n: fx.Node) -> object:
        result = self._computed(n)
        spec = self._specs.get(n.name)
        read = [node for node in n.all_input_nodes if node in self._known]
        if spec is None:  # folded into a neighbour, or moved: it passes on what it reads
            self._known |= {n: self._known[read[0]]} if read else {}
            return result
        self._known[n] = spec
        if n.op == "output" or not isinstance(result, Tensor):
            return result
        if n.name in self._alone:  # the runtime rounds the ratio of the scales to float32
            source = self._known[read[0]].scale
            result = result * (float(np.float32(source) / np.float32(spec.scale)) / (source / spec.scale))
        return rounded(result, spec, away=self._kind(n) in AVERAGES)

    def _kind(self, node: fx.Node) -> object:
        """The class of a module that a node calls, or the function."""
        if node.op != "call_module":
            return node.target
        module = self.fetch_attr(str(node.target))  # of a subclass, if it is parametrized
        return next((kind for kind in LAYERS if isinstance(module, kind)), type(module))

    def _computed(self, n: fx.Node) -> object:
        kind, read = self._kind(n), [self.env[node] for node in n.all_input_nodes]
        if kind in LAYERS:
            return self._layer(n, read[0])
        if kind in NORMS:
            return read[0] if self._has_layer(n) else self._per_channel(n, read[0], *self._gain(n))
        if kind in HARD_SIGMOIDS:
            value = read[0] if self._has_layer(n) else self._per_channel(n, read[0], 1 / 6, 0.5)
            return value.clamp(0, 1)
        if kind in (nn.SiLU, functional.silu):
            gate = TensorSpec("", (), 1 / 256, -128)
            source = self._known[n.all_input_nodes[0]]
            return self._product(n, read[0], self._table(n, Function.LOGISTIC, read[0], gate), source.scale, 1 / 256)
        if kind in TABLES:
            return self._table(n, TABLES[kind], read[0], self._specs[n.name])
        if kind in ADDITIONS or kind in PRODUCTS:
            return self._elementwise(n, product=kind in PRODUCTS)
        if kind is torch.cat:
            spec = self._specs[n.name]
            parts = [rounded(self.env[part], spec, away=False) for part in n.args[0]]
            return torch.cat(parts, *n.args[1:], **n.kwargs)
        return super().run_node(n)

    def _table(self, n: fx.Node, function: Function, values: Tensor, spec: TensorSpec) -> Tensor:
        source = self._known[n.all_input_nodes[0]]
        module = self.fetch_attr(str(n.target)) if n.op == "call_module" else None
        slope = module.negative_slope if isinstance(module, nn.LeakyReLU) else 0.1
        alpha = float(np.float32(slope)) if function is Function.LEAKY_RELU else 0.0
        table = torch.from_numpy(lookup_table(function, alpha, source, spec, xnnpack=False).copy()).double()
        integers = torch.round(values / source.scale).long() + source.zero_point
        return (table[integers + 128] - spec.zero_point) * spec.scale

    def _elementwise(self, n: fx.Node, *, product: bool) -> Tensor | object:
        operands, scales = [], []
        for at, arg in enumerate(n.args):
            if isinstance(arg, fx.Node) and arg in self._known:
                operands.append(self.env[arg])
                scales.append(self._known[arg].scale)
                continue
            value = self.env[arg] if isinstance(arg, fx.Node) else arg
            if isinstance(value, int) and not any(each in self._known for each in n.all_input_nodes):
                return super().run_node(n)  # of sizes
            reciprocal = n.target is python_operator.truediv and at == 1
            operands.append(constant(1 / value if reciprocal else value))
            scales.append(scale_of(1 / value if reciprocal else value))
        if product:
            return self._product(n, *operands, *scales)
        function = python_operator.sub if n.target is python_operator.sub else python_operator.add
        return function(*operands)

    def _product(self, n: fx.Node, left: Tensor, right: Tensor, first: float, second: float) -> Tensor:
        """The product in steps of a scale that the runtime rounds to float32."""
        users = list(n.users)
        spec = self._specs.get(n.name) or self._specs[users[0].name]
        rounded_scale = np.float32(first) * np.float32(second) / np.float32(spec.scale)
        return left * right * (float(rounded_scale) / (first * second / spec.scale))

    def _layer(self, n: fx.Node, values: Tensor) -> Tensor:
        module, gain, offset, node = self.fetch_attr(str(n.target)), 1.0, 0.0, n
        while len(node.users) == 1 and self._kind(reader := next(iter(node.users))) in (*NORMS, *HARD_SIGMOIDS):
            own = self._gain(reader) if self._kind(reader) in NORMS else (1 / 6, 0.5)
            gain, offset, node = gain * own[0], offset * own[0] + own[1], reader
            if self._kind(reader) in HARD_SIGMOIDS:
                break
        weight = module.weight * (gain.reshape(-1, 1, 1, 1) if isinstance(gain, Tensor) else gain)
        bias = torch.zeros(len(weight), dtype=weight.dtype) if module.bias is None else module.bias
        weight, bias = self._integers(n, weight, bias * gain + offset)
        if isinstance(module, nn.Linear):
            return functional.linear(values, weight, bias)
        return functional.conv2d(values, weight, bias, module.stride, module.padding, module.dilation, module.groups)

    def _has_layer(self, node: fx.Node) -> bool:
        """Whether a batch norm or hard sigmoid is part of the layer before it."""
        before = node.all_input_nodes[0]
        if len(before.users) != 1:
            return False
        return self._kind(before) in LAYERS or (self._kind(before) in NORMS and self._has_layer(before))

    def _gain(self, node: fx.Node) -> tuple[Tensor, Tensor]:
        norm = self.fetch_attr(str(node.target))
        gain = (norm.weight if norm.affine else 1) / torch.sqrt(norm.running_var + norm.eps)
        return gain, (norm.bias if norm.affine else 0) - norm.running_mean * gain

    def _per_channel(self, n: fx.Node, values: Tensor, gain: Tensor | float, offset: Tensor | float) -> Tensor:
        channels = torch.ones(values.shape[1], dtype=torch.float64)
        weight, bias = self._integers(n, (channels * gain).reshape(-1, 1, 1, 1), channels * offset)
        return values * weight.reshape(-1, 1, 1) + bias.reshape(-1, 1, 1)

    def _integers(self, n: fx.Node, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and biases on their grids."""
        source_scale = self._known[n.all_input_nodes[0]].scale
        flat = weight.abs().reshape(len(weight), -1).max(dim=1).values
        grid = torch.where(flat > 0, flat, 1.0) / self._limit
        grid = torch.maximum(grid, bias.abs() / (source_scale * (2**31 // 2))).float().double()
        shaped = grid.reshape(-1, *(1,) * (weight.ndim - 1))
        step = grid * source_scale
        return torch.round(weight / shaped).clamp(-self._limit, self._limit) * shaped, torch.round(bias / step) * step


def scale_of(value: float | Tensor) -> float:
    """The scale of a constant operand."""
    largest = float(abs(value).max()) if isinstance(value, Tensor) else abs(value)
    return float(np.float32((largest or 1.0) / 127))


def constant(value: float | Tensor) -> Tensor:
    """A constant operand on its grid of 127 steps."""
    scale = scale_of(value)
    return torch.round(torch.as_tensor(value, dtype=torch.float64) / scale).clamp(-127, 127) * scale


def rounded(values: Tensor, spec: TensorSpec, *, away: bool) -> Tensor:
    """Real values on a tensor's grid; averages round half away from 0 as integers, everything else half up."""
    steps = torch.round(values / spec.scale, decimals=9)
    if away:
        integers = steps + spec.zero_point
        whole = torch.sign(integers) * torch.floor(integers.abs() + 0.5)
    else:
        whole = torch.floor(steps + 0.5) + spec.zero_point
    return (whole.clamp(-128, 127) - spec.zero_point) * spec.scale
