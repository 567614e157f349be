"""Error-aware rounding of weights: the integers whose errors change a layer's accumulators least."""

import numpy as np

from nets.narrow.covariance import Covariance
from nets.network import FloatArray

_SWEEPS = 4  # over all weights; later sweeps change hardly any
# Real weights are taken to 1/1024 of a step, so that sums with whole covariances are exact.
_FRACTION_BITS = 10
_BLOCK = 32  # taps whose effects on all others are added at once


def rounded_to(steps: FloatArray, limit: int, covariance: Covariance) -> FloatArray:
    """Returns integer weights near real ones that minimise the variance of the accumulators' errors.

    Coordinate descent from the nearest integers: weight by weight, the error of all other weights given, by one step at
    a time, while that lowers ``e^T C e``.

    Args:
        steps: real weights in steps, ``[groups, taps, outputs of a group]``.
        limit: largest magnitude of an integer weight.
        covariance: of what the weights multiply.

    Returns:
        Whole numbers, float64, same shape.
    """
    whole = np.clip(np.rint(steps), -limit, limit)
    if covariance.is_diagonal:
        return whole  # without correlations the nearest integers are the best
    gradient = covariance.times(np.rint(np.ldexp(whole - steps, _FRACTION_BITS)))
    blocks = [slice(start, start + _BLOCK) for start in range(0, whole.shape[1], _BLOCK)]
    for _ in range(_SWEEPS):
        changed = [_sweep(whole, gradient, limit, covariance, block) for block in blocks]
        if not any(changed):
            break
    return whole


def _sweep(whole: FloatArray, gradient: FloatArray, limit: int, covariance: Covariance, block: slice) -> bool:
    """Moves the weights of a block of taps in place, and with them the gradient; returns whether any moved.

    Taps of the block follow each other one by one; what they change in the gradient of all other taps is added at
    once. Every number is whole, so the order of additions changes nothing.
    """
    near = gradient[:, block].copy()
    matrices, variances = covariance.matrices[:, block, block], covariance.variances[:, block]
    before = whole[:, block].copy()
    for at in range(near.shape[1]):
        best = -np.ldexp(near[:, at] / variances[:, at, None], -_FRACTION_BITS)
        present = before[:, at]
        moved = np.clip(present + np.where(np.abs(best) > 0.5, np.sign(best), 0.0), -limit, limit)
        delta = moved - present
        if delta.any():
            whole[:, block.start + at] = moved
            near += matrices[:, :, at, None] * np.ldexp(delta, _FRACTION_BITS)[:, None]
    steps = whole[:, block] - before
    outputs = np.flatnonzero(steps.any(axis=(0, 1)))
    if outputs.size:
        gradient[:, :, outputs] += np.matmul(
            covariance.matrices[:, :, block], np.ldexp(steps[:, :, outputs], _FRACTION_BITS)
        )
    return bool(outputs.size)
