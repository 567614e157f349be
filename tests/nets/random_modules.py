"""Random float networks, grown operation by operation."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

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


def of_images(make: Grow) -> Grow:
    def grow(grown: RandomModule, rng: np.random.Generator) -> Step:
        if len(grown.shape()) != 3:
            raise ValueError("torch takes the samples for channels")
        return make(grown, rng)

    return grow


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


def earlier(grown: RandomModule, rng: np.random.Generator, fits: Callable[[Tensor], bool]) -> int:
    """An earlier value, or the last, that fits to the last one."""
    shape = grown.shape()
    fit = [at for at, value in enumerate(grown.values) if value.ndim == len(shape) + 1 and fits(value)]
    return fit[int(rng.integers(len(fit)))]


def product(grown: RandomModule, rng: np.random.Generator) -> Step:
    at = earlier(grown, rng, lambda value: value.shape[1:] == grown.shape())
    multiplying = pick(rng, lambda x, y: x * y, torch.mul, lambda x, y: x.mul(y), lambda x, y: y - x)
    return lambda _, values: multiplying(values[-1], values[at])


def concatenation(grown: RandomModule, rng: np.random.Generator) -> Step:
    at = earlier(grown, rng, lambda value: value.shape[2:] == grown.shape()[1:])
    dim = 1 if len(grown.shape()) == 1 else int(pick(rng, 1, -3))
    joined = pick(rng, lambda x, y: torch.cat((x, y), dim), lambda x, _: torch.cat([x] * 2, dim=dim))
    return lambda _, values: joined(values[-1], values[at])


def squeeze_excite(grown: RandomModule, rng: np.random.Generator) -> Step:
    channels = grown.shape()[0]
    gate = pick(rng, nn.Hardsigmoid(), nn.Sigmoid(), nn.Hardsigmoid(inplace=True))
    at = grown.part(
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 2, 1), nn.ReLU(), nn.Conv2d(2, channels, 1), gate)
    )
    return lambda own, values: own.parts[at](values[-1]) * values[-1]


def number(grown: RandomModule, rng: np.random.Generator) -> Step:  # noqa: ARG001
    value = float(pick(rng, 0.5, 3, -1.5, 0))
    functions = (lambda x: x + value, lambda x: x * value, lambda x: value - x, lambda x: x / 3, lambda x: x - value)
    return on_last(pick(rng, *functions))


def parameter(grown: RandomModule, rng: np.random.Generator) -> Step:
    """A number for every channel, as in normalizations and layer scales."""
    shape = (grown.shape()[0], *(1,) * (len(grown.shape()) - 1))
    own = nn.ParameterList([torch.randn(pick(rng, shape, (1, *shape)))])
    at = grown.part(own)
    return pick(
        rng, lambda own, values: values[-1] * own.parts[at][0], lambda own, values: values[-1] - own.parts[at][0]
    )


def mean(grown: RandomModule, rng: np.random.Generator) -> Step:
    if len(grown.shape()) == 3:
        dims, kept = pick(rng, ((2, 3), True), ((2, 3), False), ((-1,), True), ((1,), True))
    else:
        dims, kept = (1,), True
    return on_last(lambda x: x.mean(dims, keepdim=kept))


def view(grown: RandomModule, rng: np.random.Generator) -> Step:  # noqa: ARG001
    functions = (
        lambda x: x.view(x.size(0), -1),
        lambda x: x.reshape(x.shape[0], -1),
        lambda x: torch.reshape(x, (x.shape[0], x.size(1), -1, 1)),
    )
    return on_last(pick(rng, *functions))


def shuffled(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    groups = x.view(batch, 2, channels // 2, height, width)
    return groups.transpose(1, 2).contiguous().view(batch, channels, height, width)


def moves(grown: RandomModule, rng: np.random.Generator) -> Step:  # noqa: ARG001
    functions = (
        lambda x: x.chunk(2, 1)[0],
        lambda x: x[:, 1:],
        lambda x: x[:, :, ::2],
        lambda x: torch.flip(x, (-1,)),
        lambda x: x.transpose(2, 3),
        lambda x: x.permute(0, 2, 3, 1),
        shuffled,
        lambda x: functional.pixel_shuffle(torch.cat([x] * 4, 1), 2),
        lambda x: functional.interpolate(x, scale_factor=2),
        lambda x: x.unsqueeze(1).squeeze(1),
        lambda x: functional.pad(x, (1, 0, 2, 1)),
    )
    return on_last(pick(rng, *functions))


def function(grown: RandomModule, rng: np.random.Generator) -> Step:
    functions = (
        torch.sigmoid, torch.tanh, functional.hardswish, functional.silu, lambda x: x * torch.sigmoid(x),
        lambda x: functional.leaky_relu(x, 0.1),
    )  # fmt: skip
    modules = (nn.Hardswish(), nn.Sigmoid(), nn.Tanh(), nn.SiLU(inplace=True), nn.LeakyReLU(), nn.ELU())
    module = call(grown.part(pick(rng, *modules)))
    return pick(rng, module, on_last(pick(rng, *functions)))


def gated(grown: RandomModule, rng: np.random.Generator) -> Step:
    """A hard sigmoid, behind a layer or anything else."""
    at = [grown.part(conv(grown, rng))] if pick(rng, True, False) else []
    activation = pick(rng, functional.hardsigmoid, nn.Hardsigmoid())
    at += [grown.part(activation)] if isinstance(activation, nn.Module) else []

    def step(own: RandomModule, values: list) -> object:
        value = values[-1]
        for each in at:
            value = own.parts[each](value)
        return value if isinstance(activation, nn.Module) else activation(value)

    return step


def clamp(grown: RandomModule, rng: np.random.Generator) -> Step:
    module = call(grown.part(nn.Hardtanh(-0.5, 0.75)))
    functions = (lambda x: torch.clamp(x, -0.3, 0.4), lambda x: x.clamp(min=0.25), lambda x: x.clamp(max=0.5))
    return pick(rng, module, *(on_last(function) for function in functions))


def functional_pool(grown: RandomModule, rng: np.random.Generator) -> Step:  # noqa: ARG001
    functions = (
        lambda x: functional.avg_pool2d(x, 2),
        lambda x: functional.avg_pool2d(x, 3, stride=1, padding=1),
        lambda x: functional.max_pool2d(x, 3, 2, 1),
        lambda x: functional.max_pool2d(x, 2, stride=2, ceil_mode=True),
        lambda x: functional.adaptive_avg_pool2d(x, (1, 1)),
        lambda x: functional.adaptive_avg_pool2d(x, (x.shape[2], 1)),
    )
    return on_last(pick(rng, *functions))


def pre_activation(grown: RandomModule, rng: np.random.Generator) -> Step:
    """Batch norm before its convolution."""
    norm, after = grown.part(batch_norm(grown.shape()[0], rng)), grown.part(conv(grown, rng))
    return lambda own, values: own.parts[after](functional.relu(own.parts[norm](values[-1])))


SUPPORTED: dict[str, Grow] = {
    "conv": module_step(conv),
    "conv and batch norm": conv_norm,
    "shared conv": shared_conv,
    "dead channel": module_step(dead_channel),
    "linear": module_step(linear),
    "max pool": module_step(max_pool),
    "average pool": module_step(average_pool),
    "whole pool": of_images(module_step(whole_pool)),
    "relu": relu,
    "add": add_earlier,
    "flatten": flatten,
    "flatten and linear": flatten_through,
    "dropout": module_step(lambda *_: nn.Dropout()),
    "identity": module_step(lambda *_: nn.Identity()),
    "product": product,
    "concatenation": concatenation,
    "squeeze and excite": squeeze_excite,
    "number": number,
    "parameter": parameter,
    "mean": mean,
    "view": view,
    "moves": of_images(moves),
    "function": function,
    "hard sigmoid": of_images(gated),
    "clamp": clamp,
    "functional pool": functional_pool,
    "pre-activation": pre_activation,
    "batch norm": module_step(lambda grown, rng: batch_norm(grown.shape()[0], rng)),
    "same padding": module_step(lambda grown, rng: conv(grown, rng, padding="same", stride=1)),
    "ceil": module_step(lambda *_: nn.MaxPool2d(2, stride=3, ceil_mode=True)),
    "counted padding": module_step(lambda *_: nn.AvgPool2d(3, padding=1)),
    "zeros around": of_images(module_step(lambda *_: nn.ZeroPad2d((0, 1, 2, 0)))),
    "repeated border": of_images(module_step(lambda *_: nn.ReplicationPad2d(1))),
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
    "add of other dimensions": lambda *_: lambda _, values: values[-1] + values[0],
    "divisor": module_step(lambda *_: nn.AvgPool2d(2, divisor_override=3)),
    "average with ceil": module_step(lambda *_: nn.AvgPool2d(2, stride=3, ceil_mode=True)),
    "indices": lambda *_: on_last(lambda x: functional.max_pool2d(x, 2, return_indices=True)[0]),
    "linear on rows": module_step(lambda grown, _: nn.Linear(grown.shape()[-1], 3)),
    "pool of any tensor": module_step(lambda *_: nn.AdaptiveAvgPool2d(1)),
    "rows": lambda _, rng: on_last(pick(rng, lambda x: torch.flatten(x, 2), lambda x: x.mean(1))),
    "two cells": module_step(lambda *_: nn.AdaptiveAvgPool2d(2)),
    "flatten channels": module_step(lambda *_: nn.Flatten(1, 2)),
    "padding mode": module_step(lambda grown, rng: conv(grown, rng, padding=1, padding_mode="reflect")),
    "hook": module_step(hooked),
    "weight norm": module_step(lambda grown, rng: nn.utils.parametrizations.weight_norm(conv(grown, rng))),
    "in place": in_place,
    "in place on a part": lambda *_: on_last(lambda x: x + x[:, :1].add_(1)),
    "other slope": module_step(lambda *_: nn.ELU(2.0)),
    "slope of its own": module_step(lambda *_: nn.PReLU()),
    "sum over": lambda *_: on_last(lambda x: x.sum(-1, keepdim=True)),
    "mean of samples": lambda *_: on_last(lambda x: x - x.mean(0, keepdim=True)),
    "mixed samples": lambda *_: on_last(lambda x: x.view(-1, x.shape[0], *x.shape[2:]).view(x.shape)),
    "reversed samples": lambda *_: on_last(lambda x: x.flip(0)),
    "quotient": lambda *_: on_last(lambda x: x / (x * x + 1)),
    "rounded quotient": lambda *_: on_last(lambda x: torch.div(x, 2, rounding_mode="floor")),
    "softmax": lambda *_: on_last(lambda x: torch.softmax(x, 1)),
    "border of ones": module_step(lambda *_: nn.ConstantPad2d(1, 1.0)),
    "bilinear": lambda *_: on_last(lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear")),
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
