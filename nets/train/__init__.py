"""Rescale-aware fine-tuning: differentiable twin, straight-through gradients, checkpoints."""
