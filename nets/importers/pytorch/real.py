"""A converted network in real numbers: it has to compute what the float network computes, before any rounding."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from nets.errors import NetworkError
from nets.execute import real_pool
from nets.importers.pytorch.builder import RealValues
from nets.narrow import RealWeights
from nets.network import (
    Concatenation,
    Convolution,
    ElementwiseProduct,
    ElementwiseSum,
    Function,
    Lookup,
    Mean,
    Operator,
    Pad,
    Pool,
    QuantizedNetwork,
    Rearrangement,
    Requantize,
    Reshape,
    Transpose,
)

_SAMPLES = 8
# Of the largest output: float32 networks differ from float64 by far less, and what is misread by more.
_TOLERANCE = 1e-3


def check_follows(module: nn.Module, network: QuantizedNetwork, real: RealValues, inputs: Tensor) -> None:
    """Refuses a converted network that is another function than the float network.

    Every attribute, hook or subclass that the conversion overlooks shows here.

    Args:
        module: the float network, in evaluation mode.
        network: what became of it.
        real: what its integers stand for.
        inputs: float32 ``[samples, *shape]``, channels first.

    Raises:
        NetworkError: an output differs by more than float32 rounds.
    """
    samples = inputs[:_SAMPLES]
    with torch.inference_mode():
        results = module(samples.clone())
        expected = [channels_last(x.double()) for x in (results if isinstance(results, tuple | list) else [results])]
        computed = real_outputs(network, real, channels_last(samples.double()))
    for at, (ours, theirs) in enumerate(zip(computed, expected, strict=True)):
        if ours.shape != theirs.shape:
            raise NetworkError(
                f"output {at} of {network.name!r} has shape {list(theirs.shape)}, not {list(ours.shape)}"
            )
        error, largest = float((ours - theirs).abs().max()), float(theirs.abs().max())
        if error > _TOLERANCE * largest:
            raise NetworkError(
                f"{network.name!r} is not what the quantizer takes it for: output {at} differs by {error:.3g} (largest "
                f"value {largest:.3g}) before any rounding; hooks, parametrizations and changes in place of a tensor "
                "that others read are not supported"
            )


def channels_last(values: Tensor) -> Tensor:
    """Returns images ``[samples, channels, height, width]`` with the channels last, and other tensors as they are."""
    return values.permute(0, 2, 3, 1) if values.ndim == 4 else values


def real_outputs(network: QuantizedNetwork, real: RealValues, inputs: Tensor) -> list[Tensor]:
    """Computes a network's outputs in real numbers, float64 ``[samples, *shape]``, channels last."""
    values = {index: torch.from_numpy(constant)[None] for index, constant in real.constants.items()}
    values[network.inputs[0]] = inputs
    for operator in network.operators:
        sources = [values[index] for index in operator.inputs]
        weights = real.weights.get(operator.name)
        result = _computed(operator, sources, network) if weights is None else _weighted(operator, sources[0], weights)
        bounds = real.bounds.get(operator.name)
        values[operator.output] = result if bounds is None else result.clamp(*bounds)
    return [values[index] for index in network.outputs]


def _weighted(operator: Operator, source: Tensor, real: RealWeights) -> Tensor:
    weights, bias = torch.from_numpy(real.weights), torch.from_numpy(real.bias)
    if not isinstance(operator, Convolution):
        return functional.linear(source, weights, bias)
    (top, bottom), (left, right) = operator.padding
    image = functional.pad(source.permute(0, 3, 1, 2), (left, right, top, bottom))
    result = functional.conv2d(
        image,
        weights.permute(0, 3, 1, 2),
        bias,
        stride=operator.stride,
        dilation=operator.dilation,
        groups=operator.groups,
    )
    return result.permute(0, 2, 3, 1)


def _computed(operator: Operator, sources: list[Tensor], network: QuantizedNetwork) -> Tensor:
    """Computes an operator without weights."""
    first = sources[0]
    match operator:
        case ElementwiseSum():
            return first + operator.sign * sources[1]
        case ElementwiseProduct():
            return first * sources[1]
        case Lookup():
            return _function(operator)(first)
        case Mean():
            means = first.mean(dim=[axis + 1 for axis in operator.axes])
            return means.reshape(len(first), *network.tensors[operator.output].shape)
        case Pool():
            return real_pool(operator, first.permute(0, 3, 1, 2), -torch.inf).permute(0, 2, 3, 1)
        case Concatenation():
            return torch.cat(sources, dim=operator.axis + 1)
        case Requantize():
            return first
    return _moved(operator, first, network)


def _moved(operator: Operator, source: Tensor, network: QuantizedNetwork) -> Tensor:
    """Computes an operator that moves elements of one tensor."""
    match operator:
        case Pad():
            return functional.pad(source, [amount for pair in reversed(operator.padding) for amount in pair])
        case Reshape():
            return source.reshape(len(source), *network.tensors[operator.output].shape)
        case Rearrangement():
            return source.reshape(len(source), -1)[:, torch.tensor(operator.positions)]
        case Transpose():
            return source.permute(0, *(axis + 1 for axis in operator.permutation))
    raise NotImplementedError(f"{type(operator).__name__} is not what the quantizer makes")


def _function(operator: Lookup) -> Callable[[Tensor], Tensor]:
    functions: dict[Function, Callable[[Tensor], Tensor]] = {
        Function.ELU: functional.elu,
        Function.HARD_SWISH: functional.hardswish,
        Function.LEAKY_RELU: lambda x: functional.leaky_relu(x, operator.alpha),
        Function.LOGISTIC: torch.sigmoid,
        Function.TANH: torch.tanh,
    }
    return functions[operator.function]
