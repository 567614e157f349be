"""A converted network in real numbers: it has to compute what the float network computes, before any rounding."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from nets.errors import NetworkError
from nets.execute import real_pool
from nets.narrow import RealWeights
from nets.network import (
    Convolution,
    ElementwiseSum,
    FullyConnected,
    Operator,
    Pool,
    QuantizedNetwork,
    Requantize,
    Reshape,
    Transpose,
)

Bounds = Mapping[str, tuple[float, float]]  # real bounds of an operator's activation, by the operator's name

_SAMPLES = 8
# Of the largest output: float32 networks differ from float64 by far less, and what is misread by more.
_TOLERANCE = 1e-3


def check_follows(
    module: nn.Module, network: QuantizedNetwork, originals: Mapping[str, RealWeights], bounds: Bounds, inputs: Tensor
) -> None:
    """Refuses a converted network that is another function than the float network.

    Every attribute, hook or subclass that the conversion overlooks shows here.

    Args:
        module: the float network, in evaluation mode.
        network: what became of it.
        originals: its real weights and biases by operator name.
        bounds: the activations.
        inputs: float32 ``[samples, *shape]``, channels first.

    Raises:
        NetworkError: an output differs by more than float32 rounds.
    """
    samples = inputs[:_SAMPLES]
    with torch.inference_mode():
        results = module(samples.clone())
        expected = [channels_last(x.double()) for x in (results if isinstance(results, tuple | list) else [results])]
        computed = real_outputs(network, originals, bounds, channels_last(samples.double()))
    for at, (ours, theirs) in enumerate(zip(computed, expected, strict=True)):
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


def real_outputs(
    network: QuantizedNetwork, originals: Mapping[str, RealWeights], bounds: Bounds, inputs: Tensor
) -> list[Tensor]:
    """Computes a network's outputs in real numbers, float64 ``[samples, *shape]``, channels last."""
    values = {network.inputs[0]: inputs}
    for operator in network.operators:
        sources = [values[index] for index in operator.inputs]
        result = _real(operator, sources, network, originals.get(operator.name))
        values[operator.output] = result.clamp(*bounds[operator.name]) if operator.name in bounds else result
    return [values[index] for index in network.outputs]


def _real(operator: Operator, sources: list[Tensor], network: QuantizedNetwork, real: RealWeights | None) -> Tensor:
    match operator:
        case Convolution() if real is not None:
            (top, bottom), (left, right) = operator.padding
            image = functional.pad(sources[0].permute(0, 3, 1, 2), (left, right, top, bottom))
            weights = torch.from_numpy(real.weights).permute(0, 3, 1, 2)
            result = functional.conv2d(
                image,
                weights,
                torch.from_numpy(real.bias),
                stride=operator.stride,
                dilation=operator.dilation,
                groups=operator.groups,
            )
            return result.permute(0, 2, 3, 1)
        case FullyConnected() if real is not None:
            return functional.linear(sources[0], torch.from_numpy(real.weights), torch.from_numpy(real.bias))
        case ElementwiseSum():
            return sources[0] + operator.sign * sources[1]
        case Pool():
            return real_pool(operator, sources[0].permute(0, 3, 1, 2), -torch.inf).permute(0, 2, 3, 1)
        case Reshape():
            return sources[0].reshape(len(sources[0]), *network.tensors[operator.output].shape)
        case Transpose():
            return sources[0].permute(0, *(axis + 1 for axis in operator.permutation))
        case Requantize():
            return sources[0]
    raise NotImplementedError(f"{type(operator).__name__} is not what the quantizer makes")
