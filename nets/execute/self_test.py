"""A self-test at start-up: this machine, with the kernels in use, computes exactly.

Bounds prove that sums are exact in the chosen format, but not that a library forms those sums: a fast convolution
by transforms, reduced-precision multiplies or a broken instruction path would pass every bound. So one layer with
large sums is compared with numpy's integers before the first network runs.
"""

import functools

import numpy as np
import torch

from nets.errors import NetworkError
from nets.execute.native import native_kernel, native_library
from nets.execute.torch_kernels import Kernel, kernel
from nets.network import (
    CONTRACTS,
    FULL_MULTIPLIER_BITS,
    Convolution,
    Int8Array,
    IntArray,
    QuantizedNetwork,
    TensorSpec,
    rescaler_from_scale,
)

_SIZE, _CHANNELS, _OUT = 5, 21, 20  # with 3x3 weights of 127 and inputs of 255: sums of up to 6.1 million
_ZERO = -128


@functools.cache
def require_exact(backend: str) -> None:
    """Runs the self-test of a backend, ``torch`` or ``native``, once per process.

    Raises:
        NetworkError: this machine does not compute exactly.
    """
    (operator, network), image = _layer(), _image()
    expected = _expected(operator, image)
    run = _native_kernel(network) if backend == "native" else kernel(operator, network)
    computed = run([torch.from_numpy(image)]).numpy()
    if not np.array_equal(computed, expected):
        wrong = int((computed != expected).sum())
        raise NetworkError(
            f"self-test failed: {wrong} of {expected.size} integers of the {backend} kernels are wrong; "
            "results on this machine cannot be trusted"
        )


def _image() -> Int8Array:
    """Makes extremes in the first sample, random integers in the others."""
    image = np.random.default_rng(0).integers(-128, 128, (3, _SIZE, _SIZE, _CHANNELS), dtype=np.int8)
    image[0] = 127
    return image


def _layer() -> tuple[Convolution, QuantizedNetwork]:
    """Makes one layer whose sums come close to the bound of exact float32."""
    rng = np.random.default_rng(1)
    weights = rng.integers(-127, 128, (_OUT, 3, 3, _CHANNELS), dtype=np.int8)
    weights[0], weights[1] = 127, -127
    scale = np.exp2(rng.uniform(-14.0, -10.0, _OUT))
    scale[:2] = 2.0**-16
    operator = Convolution(
        name="conv_0",
        inputs=(0,),
        output=1,
        weights=weights,
        bias=rng.integers(-10000, 10000, _OUT),
        weight_scale=np.ones(_OUT),
        rescaler=rescaler_from_scale(scale, FULL_MULTIPLIER_BITS, CONTRACTS["half_up"]),
        q_min=-128,
        q_max=127,
        stride=(2, 1),
        dilation=(1, 1),
        padding=((1, 1), (1, 0)),
        groups=1,
    )
    specs = (
        TensorSpec("x", (_SIZE, _SIZE, _CHANNELS), 1.0, _ZERO),
        TensorSpec("y", (3, 4, _OUT), 1.0, 3),
    )
    return operator, QuantizedNetwork("self-test", specs, (operator,), (0,), (1,))


def _expected(operator: Convolution, image: Int8Array) -> IntArray:
    """Computes the layer in numpy's int64, independently of torch and of the native kernels."""
    (top, bottom), (left, right) = operator.padding
    centred = np.pad(image.astype(np.int64) - _ZERO, ((0, 0), (top, bottom), (left, right), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(centred, (3, 3), axis=(1, 2))[:, ::2, ::1]
    acc = np.einsum("nyxcij,oijc->nyxo", windows, operator.weights.astype(np.int64)) + operator.bias
    rescaler = operator.rescaler
    rounded = (acc * rescaler.multiplier + (1 << (rescaler.right_shift - 1))) >> rescaler.right_shift
    clipped: IntArray = np.clip(rounded + 3, -128, 127)
    return clipped


def _native_kernel(network: QuantizedNetwork) -> Kernel:
    library = native_library()
    run = None if library is None else native_kernel(network.operators[0], network, library)
    if run is None:
        raise NetworkError("self-test: there are no native kernels")
    return run
