"""Plain float training, seeded and deterministic, for the topologies of ours."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def train_float(
    module: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> nn.Module:
    """Train a classifier in place with Adam and a one-cycle learning rate; returns it in evaluation mode.

    Args:
        module: float32 network; its initial weights are the caller's, made from the same seed.
        images: float32 ``[samples, channels, height, width]``.
        labels: int64 ``[samples]``.
        epochs: passes over the samples.
        batch_size: samples of one step.
        learning_rate: peak of the one-cycle schedule.
        seed: of the order of samples.
    """
    generator = torch.Generator().manual_seed(seed)
    steps = epochs * -(-len(images) // batch_size)
    optimizer = torch.optim.Adam(module.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    module.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(batch_size):
            optimizer.zero_grad()
            functional.cross_entropy(module(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return module.eval()
