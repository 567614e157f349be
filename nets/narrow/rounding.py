"""Error-aware rounding of weights: the integers whose errors change a layer's accumulators least."""

import numpy as np

from nets.narrow.covariance import Covariance
from nets.network import FloatArray

_SWEEPS = 4  # over all weights; later sweeps change hardly any
# Real weights are taken to 1/1024 of a step, so that sums with whole covariances are exact.
_FRACTION_BITS = 10


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
    errors = np.rint(np.ldexp(whole - steps, _FRACTION_BITS))
    gradient = covariance.times(errors)
    variances = covariance.variances
    for _ in range(_SWEEPS):
        changed = False
        for tap in range(whole.shape[1]):
            best = -np.ldexp(gradient[:, tap] / variances[:, tap, None], -_FRACTION_BITS)
            moved = np.clip(whole[:, tap] + np.where(np.abs(best) > 0.5, np.sign(best), 0.0), -limit, limit)
            delta = moved - whole[:, tap]
            outputs = np.flatnonzero(delta.any(axis=0))
            if not outputs.size:
                continue
            changed = True
            whole[:, tap] = moved
            step = np.ldexp(delta[:, None, outputs], _FRACTION_BITS)
            gradient[:, :, outputs] += covariance.matrices[:, :, tap, None] * step
        if not changed:
            break
    return whole
