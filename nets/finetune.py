"""Rescale-aware fine-tuning: train the twin, get the integer network back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nets.datasets import Samples
from nets.errors import NetworkError
from nets.narrowing import RealWeights
from nets.network import QuantizedNetwork
from nets.twin import RescaleAwareTwin


class TrainingDivergedError(RuntimeError):
    """The loss stopped being finite; the evaluation has failed and has no accuracy."""


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """How to fine-tune.

    Attributes:
        epochs: passes over the samples.
        batch_size: samples of one step.
        learning_rate: peak Adam step, as a share of each weight channel's full scale.
        warm_up: share of the steps over which the learning rate rises, 0 to 1; then it falls as a cosine.
        seed: of the order of samples.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    warm_up: float = 0.1


@dataclass(frozen=True, eq=False, slots=True)
class FinetuneOutcome:
    """A fine-tuned network, and the mean loss of every epoch."""

    network: QuantizedNetwork
    losses: tuple[float, ...]


def finetune(
    network: QuantizedNetwork,
    samples: Samples,
    settings: FinetuneSettings,
    originals: Mapping[str, RealWeights] | None = None,
) -> FinetuneOutcome:
    """Train weights and biases of a narrowed network on labels; the same seed gives the same integers.

    Args:
        network: the design, its rescalers narrowed; scales, multipliers and shifts stay as they are.
        samples: int8 inputs and labels.
        settings: how.
        originals: real weights behind the integers, where they are known.

    Raises:
        NetworkError: labels that the network has no output for.
        TrainingDivergedError: the loss is no longer finite.
    """
    classes = network.tensors[network.outputs[0]].shape[-1]
    if len(samples) and samples.labels.max() >= classes:
        raise NetworkError(f"labels reach {samples.labels.max()} but {network.name!r} has {classes} outputs, from 0")
    twin = RescaleAwareTwin(network, originals)
    inputs, labels = torch.tensor(samples.inputs), torch.tensor(samples.labels)
    optimizer = torch.optim.Adam(twin.parameters(), lr=settings.learning_rate)
    steps = settings.epochs * math.ceil(len(labels) / settings.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps, settings.warm_up))
    generator = torch.Generator().manual_seed(settings.seed)
    losses = []
    for _ in range(settings.epochs):
        order = torch.randperm(len(labels), generator=generator)
        total = 0.0
        for batch in torch.split(order, settings.batch_size):
            total += len(batch) * _step(twin, optimizer, inputs[batch], labels[batch])
            schedule.step()
        losses.append(total / len(labels))
    return FinetuneOutcome(twin.trained_network(), tuple(losses))


def _step(twin: RescaleAwareTwin, optimizer: torch.optim.Optimizer, inputs: Tensor, labels: Tensor) -> float:
    optimizer.zero_grad()
    loss = functional.cross_entropy(twin(inputs), labels)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TrainingDivergedError(f"the loss became {value}")
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return value


def _rate(step: int, steps: int, warm_up: float) -> float:
    """Share of the peak learning rate: a linear rise, then a cosine to zero."""
    rise = max(1, round(warm_up * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
