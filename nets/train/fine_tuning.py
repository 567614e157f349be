"""Rescale-aware fine-tuning: trains the twin and returns its integer network."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nets.datasets import Samples, integers
from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.narrow import RealWeights
from nets.network import QuantizedNetwork
from nets.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from nets.train.twin import RescaleAwareTwin


class TrainingDivergedError(RuntimeError):
    """Reports a loss that is not finite; there is no trained network, but the last good checkpoint is kept."""


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """Settings of a fine-tuning.

    Attributes:
        epochs: passes over the samples, at most.
        batch_size: samples of one step.
        learning_rate: peak Adam step, as a share of each weight channel's full scale.
        seed: seed of the order of samples.
        warm_up: share of the steps over which the learning rate rises, 0 to 1; then it falls as a cosine.
        distillation: share of the loss, 0 to 1, that compares with the teacher's logits instead of the labels.
        temperature: temperature of the distillation's softmax (Hinton et al., arXiv 1503.02531).
        learn_scales: whether weight and activation scales are trained too.
        scale_rate: learning rate of log2 scales, as a share of ``learning_rate``.
        patience: epochs without a better validation accuracy after which training stops.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    warm_up: float = 0.1
    distillation: float = 0.0
    temperature: float = 2.0
    learn_scales: bool = False
    scale_rate: float = 1.0
    patience: int = 3


@dataclass(frozen=True, eq=False, slots=True)
class FinetuneOutcome:
    """A fine-tuned network and its training curves.

    Attributes:
        network: the network of the best epoch by validation accuracy, or of the last epoch without validation.
        losses: mean loss of every epoch.
        accuracies: validation accuracy (0 to 1) before training and after every epoch; empty without validation.
    """

    network: QuantizedNetwork
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]


def fine_tune(
    network: QuantizedNetwork,
    samples: Samples,
    settings: FinetuneSettings,
    originals: Mapping[str, RealWeights] | None = None,
    *,
    teacher: QuantizedNetwork | None = None,
    validation: Samples | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> FinetuneOutcome:
    """Trains a narrowed network; on the CPU the same arguments give the same integers on the same machine.

    Args:
        network: the design, its rescalers narrowed.
        samples: int8 inputs and labels; labels are ignored if ``settings.distillation`` is 1.
        settings: the settings.
        originals: real weights behind the integers, if they are known.
        teacher: the network whose logits distillation compares with (usually the one at int32).
        validation: int8 inputs and labels that select the best epoch, the untrained network included, and stop the
            training early.
        checkpoint: A file that is written after every epoch; training resumes from it if it exists.
        device: the torch device that computes gradients, such as ``cuda``; their sums differ between devices in the
            last bits, and on a GPU from run to run. The forward pass stays exact, on the CPU.

    Raises:
        NetworkError: there are no samples, a label has no output, or the checkpoint is of another training.
        TrainingDivergedError: the loss is no longer finite.
    """
    _check(network, samples, settings, teacher)
    twin = RescaleAwareTwin(network, originals, learn_scales=settings.learn_scales).to(device)
    optimizer = torch.optim.Adam(_parameter_groups(twin, settings))
    batches = -(-len(samples) // settings.batch_size)
    state = _start(twin, optimizer, validation, checkpoint)
    inputs, targets = torch.tensor(samples.inputs).to(device), _Targets.of(samples, teacher, settings, device)
    while state.epoch < settings.epochs and not _out_of_patience(state, settings):
        losses = []
        for number, batch in enumerate(_order(len(samples), settings, state.epoch)):
            _set_rate(optimizer, settings, state.epoch * batches + number, settings.epochs * batches)
            losses.append(len(batch) * _step(twin, optimizer, inputs[batch], targets.take(batch)))
        state = _after_epoch(state, twin, sum(losses) / len(samples), validation)
        if checkpoint is not None:
            save_checkpoint(checkpoint, state, twin, optimizer)
    best = RescaleAwareTwin(network, originals, learn_scales=settings.learn_scales)
    best.load_state_dict(state.best)
    return FinetuneOutcome(best.trained_network(), state.losses, state.accuracies)


def _check(
    network: QuantizedNetwork, samples: Samples, settings: FinetuneSettings, teacher: QuantizedNetwork | None
) -> None:
    classes = network.tensors[network.outputs[0]].shape[-1]
    if len(samples) == 0:
        raise NetworkError(f"no samples to fine-tune {network.name!r} on")
    if samples.labels.max() >= classes:
        raise NetworkError(f"labels reach {samples.labels.max()} but {network.name!r} has {classes} outputs, from 0")
    if settings.distillation > 0 and teacher is None:
        raise NetworkError(f"distillation = {settings.distillation} needs a teacher")


def _parameter_groups(twin: RescaleAwareTwin, settings: FinetuneSettings) -> list[dict[str, object]]:
    scales = [p for name, p in twin.named_parameters() if name.endswith("change")]
    weights = [p for name, p in twin.named_parameters() if not name.endswith("change")]
    groups: list[dict[str, object]] = [{"params": weights, "share": 1.0}]
    return [*groups, {"params": scales, "share": settings.scale_rate}] if scales else groups


def _start(
    twin: RescaleAwareTwin, optimizer: torch.optim.Optimizer, validation: Samples | None, path: Path | None
) -> Checkpoint:
    if path is not None and path.exists():
        return load_checkpoint(path, twin, optimizer)
    accuracies = () if validation is None else (_accuracy(twin.trained_network(), validation),)
    return Checkpoint(0, (), accuracies, _copy(twin))


def _after_epoch(state: Checkpoint, twin: RescaleAwareTwin, loss: float, validation: Samples | None) -> Checkpoint:
    state = replace(state, epoch=state.epoch + 1, losses=(*state.losses, loss))
    if validation is None:
        return replace(state, best=_copy(twin))
    accuracy = _accuracy(twin.trained_network(), validation)
    best = _copy(twin) if accuracy > max(state.accuracies) else state.best
    return replace(state, accuracies=(*state.accuracies, accuracy), best=best)


def _out_of_patience(state: Checkpoint, settings: FinetuneSettings) -> bool:
    if not state.accuracies:
        return False
    return state.epoch - int(np.argmax(state.accuracies)) >= settings.patience


def _copy(twin: RescaleAwareTwin) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in twin.state_dict().items()}


def _accuracy(network: QuantizedNetwork, samples: Samples) -> float:
    logits = IntegerExecutor(network).outputs(integers(samples.inputs))[0]
    return float((logits.reshape(len(samples), -1).argmax(axis=1) == samples.labels).mean())


@dataclass(frozen=True, eq=False, slots=True)
class _Targets:
    """The labels of samples and the teacher's logits that the loss compares with."""

    labels: Tensor
    teacher_logits: Tensor | None
    settings: FinetuneSettings

    @classmethod
    def of(
        cls, samples: Samples, teacher: QuantizedNetwork | None, settings: FinetuneSettings, device: str
    ) -> "_Targets":
        logits = None
        if teacher is not None and settings.distillation > 0:
            spec = teacher.tensors[teacher.outputs[0]]
            outputs = IntegerExecutor(teacher).outputs(integers(samples.inputs))[0]
            logits = ((torch.from_numpy(outputs.astype(np.float32)) - spec.zero_point) * spec.scale).to(device)
        return cls(torch.tensor(samples.labels).to(device), logits, settings)

    def take(self, batch: Tensor) -> "_Targets":
        logits = None if self.teacher_logits is None else self.teacher_logits[batch]
        return replace(self, labels=self.labels[batch], teacher_logits=logits)

    def loss(self, logits: Tensor) -> Tensor:
        """Computes the mean loss of a batch."""
        hard = functional.cross_entropy(logits, self.labels)
        if self.teacher_logits is None:
            return hard
        share, temperature = self.settings.distillation, self.settings.temperature
        student, teacher = (
            functional.log_softmax(each / temperature, dim=-1) for each in (logits, self.teacher_logits)
        )
        soft = functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
        return (1 - share) * hard + share * temperature**2 * soft


def _order(count: int, settings: FinetuneSettings, epoch: int) -> tuple[Tensor, ...]:
    """Returns the batches of one epoch; their order depends only on seed and epoch, so that training can resume."""
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
    return torch.split(torch.randperm(count, generator=generator), settings.batch_size)


def _step(twin: RescaleAwareTwin, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: _Targets) -> float:
    optimizer.zero_grad()
    loss = targets.loss(twin(inputs))
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TrainingDivergedError(f"the loss became {value}")
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return value


def _set_rate(optimizer: torch.optim.Optimizer, settings: FinetuneSettings, step: int, steps: int) -> None:
    """Sets the learning rate of a step: a linear rise, then a cosine to zero."""
    rise = max(1, round(settings.warm_up * steps))
    falling = 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
    share = (step + 1) / rise if step < rise else falling
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * share * group["share"]
