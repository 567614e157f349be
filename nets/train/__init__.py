"""Rescale-aware fine-tuning: differentiable twin, straight-through gradients, checkpoints."""

from nets.train.fine_tuning import FinetuneSettings, fine_tune

__all__ = [
    "FinetuneSettings",
    "fine_tune",
]
