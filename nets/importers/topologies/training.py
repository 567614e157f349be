"""Plain float training, seeded and deterministic, of the built-in networks."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nets.importers.topologies.characters import CharactersCnn
from nets.importers.topologies.digits import DigitsCnn


@dataclass(frozen=True, slots=True)
class Topology:
    """A float network and the training that suits it.

    Attributes:
        dataset: the built-in dataset that the network is made for.
        make: builds the untrained network; its initial weights come from torch's global seed.
        input_shape: ``(height, width, channels)`` of one real input.
        learning_rate: peak of the one-cycle schedule.
    """

    dataset: str
    make: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    epochs: int
    batch_size: int
    learning_rate: float


TOPOLOGIES = {
    "digits_cnn": Topology("digits", DigitsCnn, (8, 8, 1), epochs=40, batch_size=32, learning_rate=1e-2),
    "characters_cnn": Topology(
        "printed_characters", CharactersCnn, (16, 16, 1), epochs=8, batch_size=64, learning_rate=1e-2
    ),
}


def train_float(topology: Topology, images: Tensor, labels: Tensor, seed: int) -> nn.Module:
    """Trains a classifier with Adam and a one-cycle learning rate; returns it in evaluation mode.

    Args:
        topology: the network and its training settings.
        images: float32 ``[samples, channels, height, width]``.
        labels: int64 ``[samples]``.
        seed: seed of the initial weights and of the order of samples.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = topology.make()
    generator = torch.Generator().manual_seed(seed)
    steps = topology.epochs * -(-len(images) // topology.batch_size)
    optimizer = torch.optim.Adam(module.parameters(), lr=topology.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, topology.learning_rate, total_steps=steps)
    module.train()
    for _ in range(topology.epochs):
        for batch in torch.split(torch.randperm(len(images), generator=generator), topology.batch_size):
            optimizer.zero_grad()
            functional.cross_entropy(module(images[batch]), labels[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return module.eval()
