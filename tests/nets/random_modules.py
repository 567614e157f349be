"""Random float networks, grown operation by operation, and their fake-quantized form in torch's own operations."""

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from nets.network import QuantizedNetwork, TensorSpec

SAMPLES = 24
Step = Callable[["RandomModule", list], object]  # from the network and its values so far to a new one
Grow = Callable[["RandomModule", np.random.Generator], Step]


class RandomModule(nn.Module):
    """Applies its steps to the list of values so far, the input first; the last value is the output."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        self.steps: list[Step] = []
        self.values: list[Tensor] = []  # on the calibration samples, while it grows

    def part(self, module: nn.Module) -> int:
        self.parts.append(module)
        return len(self.parts) - 1

    def shape(self) -> tuple[int, ...]:
        return tuple(self.values[-1].shape[1:])

    def forward(self, x: Tensor) -> object:
        values: list = [x]
        for step in self.steps:
            values.append(step(self, values))
        return values[-1]


def on_last(function: Callable) -> Step:
    return lambda _, values: function(values[-1])


def call(at: int) -> Step:
    return lambda own, values: own.parts[at](values[-1])


def module_step(make: Callable[[RandomModule, np.random.Generator], nn.Module]) -> Grow:
    return lambda grown, rng: call(grown.part(make(grown, rng)))


def pick(rng: np.random.Generator, *choices: object) -> object:
    return choices[int(rng.integers(len(choices)))]


def conv(grown: RandomModule, rng: np.random.Generator, **options: object) -> nn.Conv2d:
    channels = grown.shape()[0]
    groups = int(pick(rng, 1, 1, channels))
    outputs = int(rng.integers(1, 4)) * (max(1, groups))
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    chosen = {
        "stride": pick(rng, 1, 1, 2, (1, 2)),
        "padding": pick(rng, 0, 1, (1, 0), (0, 2)),
        "dilation": pick(rng, 1, 1, (2, 1)),
        "bias": bool(pick(rng, True, False)),
        "groups": groups,
    }
    return nn.Conv2d(channels, outputs, kernel, **(chosen | options))


def batch_norm(channels: int, rng: np.random.Generator) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, affine=bool(pick(rng, True, True, False)))
    if norm.affine:
        nn.init.normal_(norm.weight, 1, 0.5)
        nn.init.normal_(norm.bias)
    norm.running_mean.normal_(0, 0.3)
    norm.running_var.uniform_(0.3, 2)
    return norm


def conv_norm(grown: RandomModule, rng: np.random.Generator) -> Step:
    made = conv(grown, rng)
    first, norm = grown.part(made), grown.part(batch_norm(made.out_channels, rng))
    return lambda own, values: own.parts[norm](own.parts[first](values[-1]))


def shared_conv(grown: RandomModule, rng: np.random.Generator) -> Step:
    """One convolution called twice, with batch norm, a different one, or none."""
    channels = grown.shape()[0]
    shared = grown.part(nn.Conv2d(channels, channels, 3, padding=1))
    norms = [batch_norm(channels, rng) if pick(rng, True, False) else nn.Identity() for _ in range(2)]
    first, second = [grown.part(norm) for norm in norms] if pick(rng, True, False) else [grown.part(norms[0])] * 2

    def step(own: RandomModule, values: list) -> object:
        once = own.parts[first](own.parts[shared](values[-1]))
        return own.parts[second](own.parts[shared](once))

    return step


def dead_channel(grown: RandomModule, rng: np.random.Generator) -> nn.Conv2d:
    """Channels with tiny weights, or none, and a bias that matters."""
    made = conv(grown, rng, bias=True)
    with torch.no_grad():
        made.weight[0] *= float(pick(rng, 0.0, 1e-12, 1e-7))
        made.bias.normal_()
    return made


def linear(grown: RandomModule, rng: np.random.Generator) -> nn.Linear:
    if len(grown.shape()) != 1:
        raise ValueError("of the last dimension of an image")
    return nn.Linear(grown.shape()[-1], int(rng.integers(1, 9)), bias=bool(pick(rng, True, False)))


def max_pool(grown: RandomModule, rng: np.random.Generator) -> nn.MaxPool2d:  # noqa: ARG001
    return nn.MaxPool2d(pick(rng, 2, 3, (3, 2)), stride=pick(rng, None, 1, (2, 1)), padding=pick(rng, 0, 0, 1))


def average_pool(grown: RandomModule, rng: np.random.Generator) -> nn.AvgPool2d:  # noqa: ARG001
    padding = pick(rng, 0, 0, 1)
    return nn.AvgPool2d(pick(rng, 2, 3, (3, 2)), pick(rng, None, 1, (2, 1)), padding, count_include_pad=padding == 0)


def whole_pool(grown: RandomModule, rng: np.random.Generator) -> nn.AdaptiveAvgPool2d:  # noqa: ARG001
    if len(grown.shape()) != 3:
        raise ValueError("torch takes other tensors for images without a batch")
    return nn.AdaptiveAvgPool2d(1)


def relu(grown: RandomModule, rng: np.random.Generator) -> Step:
    module = call(grown.part(pick(rng, nn.ReLU(), nn.ReLU6())))
    functions = (torch.relu, functional.relu, functional.relu6, lambda x: x.relu())
    return pick(rng, module, *(on_last(function) for function in functions))


def add_earlier(grown: RandomModule, rng: np.random.Generator) -> Step:
    """A sum with an earlier value of the same shape, or with one that broadcasts to it."""
    shape = grown.shape()
    fit = [
        at
        for at, value in enumerate(grown.values)
        if value.ndim == len(shape) + 1
        and all(have in (1, want) for have, want in zip(value.shape[1:], shape, strict=True))
    ]
    at = fit[int(rng.integers(len(fit)))]
    adding = pick(rng, lambda x, y: x + y, torch.add, lambda x, y: y + x, lambda x, y: x.add(y))
    return lambda _, values: adding(values[-1], values[at])


def flatten(grown: RandomModule, rng: np.random.Generator) -> Step:
    module = call(grown.part(nn.Flatten()))
    functions = (lambda x: torch.flatten(x, 1), lambda x: x.flatten(start_dim=1))
    return pick(rng, module, *(on_last(function) for function in functions))


def flatten_through(grown: RandomModule, rng: np.random.Generator) -> Step:
    """Flatten, what changes nothing, and a fully connected layer."""
    between = [pick(rng, nn.Dropout(), nn.Identity(), nn.Flatten()) for _ in range(int(rng.integers(0, 3)))]
    last = nn.Linear(int(np.prod(grown.shape())), int(rng.integers(1, 6)))
    return call(grown.part(nn.Sequential(nn.Flatten(), *between, last)))


SUPPORTED: dict[str, Grow] = {
    "conv": module_step(conv),
    "conv and batch norm": conv_norm,
    "shared conv": shared_conv,
    "dead channel": module_step(dead_channel),
    "linear": module_step(linear),
    "max pool": module_step(max_pool),
    "average pool": module_step(average_pool),
    "whole pool": module_step(whole_pool),
    "relu": relu,
    "add": add_earlier,
    "flatten": flatten,
    "flatten and linear": flatten_through,
    "dropout": module_step(lambda *_: nn.Dropout()),
    "identity": module_step(lambda *_: nn.Identity()),
}


def hooked(grown: RandomModule, rng: np.random.Generator) -> nn.Module:
    made = conv(grown, rng)
    made.register_forward_hook(lambda *args: args[-1] * 2)
    return made


def in_place(grown: RandomModule, rng: np.random.Generator) -> Step:  # noqa: ARG001
    """A ReLU that changes a tensor that the sum reads too."""
    at = grown.part(nn.ReLU(inplace=True))
    return lambda own, values: own.parts[at](values[-1]) + values[-1]


# What was, or may be, converted to another function without a word; each is refused or means what torch means.
ODD: dict[str, Grow] = {
    "alpha": lambda *_: on_last(lambda x: torch.add(x, x, alpha=2)),
    "add a number": lambda *_: on_last(lambda x: x + 1),
    "add of other dimensions": lambda *_: lambda _, values: values[-1] + values[0],
    "divisor": module_step(lambda *_: nn.AvgPool2d(2, divisor_override=3)),
    "counted padding": module_step(lambda *_: nn.AvgPool2d(3, padding=1)),
    "ceil": module_step(lambda *_: nn.MaxPool2d(2, stride=3, ceil_mode=True)),
    "indices": lambda *_: on_last(lambda x: functional.max_pool2d(x, 2, return_indices=True)[0]),
    "linear on rows": module_step(lambda grown, _: nn.Linear(grown.shape()[-1], 3)),
    "pool of any tensor": module_step(lambda *_: nn.AdaptiveAvgPool2d(1)),
    "two cells": module_step(lambda *_: nn.AdaptiveAvgPool2d(2)),
    "flatten rows": lambda *_: on_last(lambda x: torch.flatten(x, 2)),
    "flatten channels": module_step(lambda *_: nn.Flatten(1, 2)),
    "padding mode": module_step(lambda grown, rng: conv(grown, rng, padding=1, padding_mode="reflect")),
    "same padding": module_step(lambda grown, rng: conv(grown, rng, padding="same", stride=1)),
    "hook": module_step(hooked),
    "weight norm": module_step(lambda grown, rng: nn.utils.parametrizations.weight_norm(conv(grown, rng))),
    "in place": in_place,
    "leaky": module_step(lambda *_: nn.LeakyReLU()),
    "batch norm": module_step(lambda grown, rng: batch_norm(grown.shape()[0], rng)),
    "sum over": lambda *_: on_last(lambda x: x.sum(-1, keepdim=True)),
    "transpose": lambda *_: on_last(lambda x: x.transpose(1, 2)),
}
KINDS = SUPPORTED | ODD


def grown_module(seed: int, kinds: list[str]) -> tuple[RandomModule, Tensor, list[str]]:
    """Returns a network of those kinds of steps that fit each other, calibration images, and the kinds that fitted."""
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        images = torch.randn(SAMPLES, int(rng.integers(1, 4)), int(rng.integers(3, 8)), int(rng.integers(3, 8)))
        grown, fitted = RandomModule().eval(), []
        grown.values.append(images)
        for kind in kinds:
            before = len(grown.parts)
            try:
                step = KINDS[kind](grown, rng)
                value = step(grown, [value.clone() for value in grown.values])
            except (RuntimeError, ValueError, IndexError, AttributeError):  # torch does not take it after the others
                del grown.parts[before:]
                continue
            if isinstance(value, Tensor) and value.numel() and value.ndim > 1:
                grown.steps.append(step)
                grown.values.append(value)
                fitted.append(kind)
    grown.values.clear()
    return grown, images, fitted


class FakeQuantized(fx.Interpreter):
    """The float network in float64 with weights, biases and activations rounded where the integer network rounds.

    Images keep torch's order, operations are torch's own; scales are those of the integer network's tensors, which are
    named like the nodes.
    """

    def __init__(self, module: nn.Module, network: QuantizedNetwork, weight_bits: int) -> None:
        super().__init__(fx.symbolic_trace(copy.deepcopy(module).double().eval()))
        self._specs = {spec.name: spec for spec in network.tensors}
        self._limit = 2 ** (weight_bits - 1) - 1
        self._scale: dict[fx.Node, float] = {}

    def run_node(self, n: fx.Node) -> object:
        self._node = n
        result = super().run_node(n)
        source = n.all_input_nodes[0] if n.all_input_nodes else None
        spec = self._specs.get(n.name)
        if n.op == "output" or not isinstance(result, Tensor):
            return result
        if spec is None:  # folded into a neighbour, or an identity: it passes on what it reads
            self._scale[n] = self._scale[source]
            return result
        self._scale[n] = spec.scale
        module = self.fetch_attr(str(n.target)) if n.op == "call_module" else None
        return _rounded(result, spec, away=isinstance(module, nn.AvgPool2d | nn.AdaptiveAvgPool2d))

    def call_module(self, target: str, args: tuple, kwargs: dict) -> object:
        module = self.fetch_attr(target)
        if isinstance(module, nn.BatchNorm2d):
            return args[0]  # its convolution has it already
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight, bias = self._integers(module, self._node)
            if isinstance(module, nn.Linear):
                return functional.linear(args[0], weight, bias)
            return functional.conv2d(
                args[0], weight, bias, module.stride, module.padding, module.dilation, module.groups
            )
        return super().call_module(target, args, kwargs)

    def _integers(self, module: nn.Module, node: fx.Node) -> tuple[Tensor, Tensor]:
        """Weights, folded by hand, and biases on their grids."""
        source_scale = self._scale[node.all_input_nodes[0]]
        weight = module.weight
        bias = torch.zeros(len(weight), dtype=weight.dtype) if module.bias is None else module.bias
        while len(node.users) == 1 and self._is_norm(reader := next(iter(node.users))):
            norm, node = self.fetch_attr(str(reader.target)), reader
            gain = (norm.weight if norm.affine else 1) / torch.sqrt(norm.running_var + norm.eps)
            weight = weight * gain.reshape(-1, 1, 1, 1)
            bias = (bias - norm.running_mean) * gain + (norm.bias if norm.affine else 0)
        flat = weight.abs().reshape(len(weight), -1).max(dim=1).values
        grid = torch.where(flat > 0, flat, 1.0) / self._limit
        grid = torch.maximum(grid, bias.abs() / (source_scale * (2**31 // 2))).float().double()
        shaped = grid.reshape(-1, *(1,) * (weight.ndim - 1))
        step = grid * source_scale
        return torch.round(weight / shaped) * shaped, torch.round(bias / step) * step

    def _is_norm(self, node: fx.Node) -> bool:
        return node.op == "call_module" and isinstance(self.fetch_attr(str(node.target)), nn.BatchNorm2d)


def _rounded(values: Tensor, spec: TensorSpec, *, away: bool) -> Tensor:
    """Real values on a tensor's grid; averages round half away from 0 as integers, everything else half up."""
    steps = torch.round(values / spec.scale, decimals=9)
    if away:
        integers = steps + spec.zero_point
        whole = torch.sign(integers) * torch.floor(integers.abs() + 0.5)
    else:
        whole = torch.floor(steps + 0.5) + spec.zero_point
    return (whole.clamp(-128, 127) - spec.zero_point) * spec.scale
