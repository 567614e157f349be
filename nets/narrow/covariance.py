"""Covariances of a layer's inputs: what an error of its weights does to its accumulators.

For errors ``e`` of one output's weights and the covariance ``C`` of what these weights multiply, ``e^T C e`` is the
variance of the accumulator's error; its mean is left out, since a bias takes it. Entries are whole numbers, so that
sums are exact in float64, and every choice made by them is the same on every machine and with any number of threads.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nets.network import FloatArray, Sliding, Weighted

# 20 bits of C, 6 fractional bits of e and at most 2**12 taps: C e stays below 2**53 for errors below 2**15 steps.
_ENTRY_BITS = 20
_ERROR_BITS = 6
_LARGEST_TAPS = 4096  # beyond, a covariance takes over 128 MiB: the inputs count as uncorrelated
_DAMPING = 0.01  # share of the mean variance added to the diagonal, as in GPTQ (Frantar et al. 2022, section 3.3)
_BLOCK = 256  # positions at once: float32 holds sums of as many products of 9-bit differences exactly, float64 of 16


@dataclass(frozen=True, eq=False, slots=True)
class Covariance:
    """The covariance of a layer's inputs, by group of its outputs.

    Attributes:
        matrices: float64 ``[groups, taps, taps]``, whole numbers; a dense layer has one group, a depthwise one a group
            per channel. Without correlations ``[groups, taps, 1]``, the diagonal alone.
        exponents: int64 ``[groups]``: an entry stands for ``entry * 2**exponent``, in a unit common to the layer.
    """

    matrices: FloatArray
    exponents: npt.NDArray[np.int64]

    @property
    def is_diagonal(self) -> bool:
        """Whether correlations are left out."""
        return bool(self.matrices.shape[1] != self.matrices.shape[2])

    @property
    def variances(self) -> FloatArray:
        """The diagonal, ``[groups, taps]``."""
        return self.matrices[:, :, 0] if self.is_diagonal else np.einsum("gtt->gt", self.matrices)

    def times(self, errors: FloatArray) -> FloatArray:
        """Returns ``C e`` for errors ``[groups, taps, outputs]``, same shape, in the entries' units."""
        return self.matrices * errors if self.is_diagonal else np.matmul(self.matrices, errors)

    def error_variances(self, errors: FloatArray) -> FloatArray:
        """Returns ``e^T C e`` of each output, ``[out]``, in a unit common to the layer times squared weight steps.

        Args:
            errors: of the weights in steps, ``[groups, taps, outputs of a group]``; rounded to 1/64.
        """
        whole = np.rint(np.ldexp(errors, _ERROR_BITS))
        total: FloatArray = (whole * self.times(whole)).sum(axis=1)
        return np.ldexp(total, self.exponents[:, None] - 2 * _ERROR_BITS).reshape(-1)


def group_count(operator: Weighted) -> int:
    """Returns the number of groups of outputs that see different inputs."""
    return operator.groups if isinstance(operator, Sliding) else 1


def by_group(values: npt.NDArray[np.generic], groups: int) -> FloatArray:
    """Rearranges weights ``[out, ...]`` to float64 ``[groups, taps, outputs of a group]``."""
    flat = values.reshape(groups, values.shape[0] // groups, -1)
    return np.ascontiguousarray(np.swapaxes(flat, 1, 2), dtype=np.float64)


def from_groups(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Returns weights of that shape ``[out, ...]`` from ``[groups, taps, outputs of a group]``."""
    return np.swapaxes(values, 1, 2).reshape(shape)


def covariance_of(operator: Weighted, patches: npt.NDArray[np.int16]) -> Covariance:
    """Computes the covariance of a layer's inputs, damped.

    Args:
        operator: the layer.
        patches: what its weights multiply at some output positions: inputs less their zero point,
            ``[positions, height * width, in]`` of a convolution, ``[positions, 1, in]`` of a fully connected layer.
    """
    exact = np.float32 if np.abs(patches.astype(np.int32)).max(initial=0) < 2**8 else np.float64
    groups, taps, positions = group_count(operator), operator.weights[0].size, len(patches)
    diagonal = taps > _LARGEST_TAPS
    sums = np.zeros((groups, taps))
    products = np.zeros((groups, taps, 1 if diagonal else taps))
    for start in range(0, positions, _BLOCK):
        block = patches[start : start + _BLOCK].astype(exact)
        grouped = block.reshape(*block.shape[:2], groups, -1).transpose(2, 1, 3, 0).reshape(groups, taps, -1)
        sums += grouped.sum(axis=2)
        products += (grouped**2).sum(axis=2)[..., None] if diagonal else np.matmul(grouped, np.swapaxes(grouped, 1, 2))
    outer = sums**2 if diagonal else sums[:, :, None] * sums[:, None, :]
    return _whole(products * positions - outer.reshape(products.shape))


def _whole(scatter: FloatArray) -> Covariance:
    """Damps scatter matrices and rounds them to whole numbers in units of their own."""
    _, taps, columns = scatter.shape
    diagonal = np.arange(taps), (np.arange(taps) if columns == taps else 0)
    variances = scatter[:, *diagonal]
    scatter[:, *diagonal] += _DAMPING * variances.mean(axis=1, keepdims=True)
    exponents = np.frexp(scatter[:, *diagonal].max(axis=1))[1].astype(np.int64) - _ENTRY_BITS
    whole = np.rint(np.ldexp(scatter, -exponents[:, None, None]))
    # A weight whose input never changed still has to stay near its value.
    whole[:, *diagonal] = np.maximum(whole[:, *diagonal], 1.0)
    return Covariance(whole, exponents)
