"""Error-aware rounding of weights: the integers whose errors change a layer's accumulators least."""

import numpy as np

from nets.narrow.covariance import Covariance
from nets.network import FloatArray

_SWEEPS = 4  # over all weights; later sweeps change hardly any
# Real weights are taken to 1/1024 of a step, so that sums with whole covariances are exact.
_FRACTION_BITS = 10
_BLOCK = 64  # taps whose effects on all others are added at once


def rounded_to(steps: FloatArray, limits: tuple[int, int], covariance: Covariance) -> FloatArray:
    """Returns integer weights near real ones that minimise the variance of the accumulators' errors.

    Coordinate descent from the nearest integers: weight by weight, the error of all other weights given, by one step at
    a time, while that lowers ``e^T C e``.

    Args:
        steps: real weights in steps, ``[groups, taps, outputs of a group]``.
        limits: the smallest and the largest integer weight.
        covariance: of what the weights multiply.

    Returns:
        Whole numbers, float64, same shape.
    """
    whole = np.clip(np.rint(steps), *limits)
    if covariance.is_diagonal:
        return whole  # without correlations the nearest integers are the best
    gradient = covariance.times(np.rint(np.ldexp(whole - steps, _FRACTION_BITS)))
    outputs = np.arange(whole.shape[2])  # those that still move; each is a problem of its own
    moving = whole.copy()
    for _ in range(_SWEEPS):
        _sweep(moving, gradient, limits, covariance)
        moved = (moving != whole[:, :, outputs]).any(axis=(0, 1))
        outputs = outputs[moved]
        moving, gradient = (np.compress(moved, each, axis=2) for each in (moving, gradient))
        if not outputs.size:
            break
        whole[:, :, outputs] = moving
    return whole


def _sweep(whole: FloatArray, gradient: FloatArray, limits: tuple[int, int], covariance: Covariance) -> None:
    """Moves every weight in place by at most one step, tap by tap, and with them the gradient.

    What a block of taps changes in the gradient of all others is added at once. Every number is whole, so the order of
    additions changes nothing.
    """
    for start in range(0, whole.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        near, present = gradient[:, block].copy(), whole[:, block]
        lowest, highest = (np.clip(limit - present, -1.0, 1.0) for limit in limits)
        matrices = covariance.matrices[:, block, block]
        # Exact, as all numbers are whole: beyond half a step of a weight, a whole step lowers the error.
        enough = np.ldexp(covariance.variances[:, block, None], _FRACTION_BITS - 1)
        steps = np.zeros_like(present)
        for tap in range(present.shape[1]):
            wanting = np.abs(near[:, tap]) > enough[:, tap]
            if not wanting.any():
                continue
            step = -np.copysign(wanting, near[:, tap])
            np.clip(step, lowest[:, tap], highest[:, tap], out=step)
            steps[:, tap] = step
            near[:, tap + 1 :] += matrices[:, tap + 1 :, tap, None] * np.ldexp(step, _FRACTION_BITS)[:, None]
        present += steps
        gradient += np.matmul(covariance.matrices[:, :, block], np.ldexp(steps, _FRACTION_BITS))
