"""A self-test at start-up: the arithmetic of this machine, with the kernels in use, is exact where it must be.

Bounds prove that sums are exact in the chosen format, but not that a library forms those sums: a fast convolution
by transforms, reduced-precision multiplies or a broken instruction path would pass every bound. So one layer at its
bound is compared with Python's integers before the first network runs.
"""

import functools

import numpy as np
import numpy.typing as npt
import torch

from nets.errors import NetworkError
from nets.execute.accumulation import FLOAT32_EXACT, accumulate, arranged_weights
from nets.execute.native import native_kernel, native_library
from nets.network.contracts import CONTRACTS, Contract, requantize
from nets.network.network import Convolution, QuantizedNetwork, TensorSpec
from nets.network.rescaler import rescaler_from_scale

_SIZE, _CHANNELS, _OUT = 5, 21, 20  # with 3x3 weights of 127 and inputs of 255: sums of up to 6.1 million
_ZERO = -128

Int8Array = npt.NDArray[np.int8]
IntArray = npt.NDArray[np.int64]


@functools.cache
def require_exact(backend: str, device: str = "cpu") -> None:
    """Run the self-test of a backend once per process.

    Args:
        backend: ``torch`` or ``native``.
        device: where torch computes.

    Raises:
        NetworkError: this machine does not compute exactly.
    """
    network, image = _layer(CONTRACTS["half_up"]), _image()
    expected = _expected(network, image)
    got = _native(network, image) if backend == "native" else _torch(network, image, device)
    if not np.array_equal(got, expected):
        wrong = int((got != expected).sum())
        raise NetworkError(
            f"self-test failed: {wrong} of {expected.size} integers of the {backend} kernels on {device} are wrong; "
            "results on this machine cannot be trusted"
        )


def _image() -> Int8Array:
    """Extremes in the first sample, random integers in the others."""
    image = np.random.default_rng(0).integers(-128, 128, (3, _SIZE, _SIZE, _CHANNELS), dtype=np.int8)
    image[0] = 127
    return image


def _layer(contract: Contract) -> QuantizedNetwork:
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
        rescaler=rescaler_from_scale(scale, 31, contract),
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
    return QuantizedNetwork("self-test", specs, (operator,), (0,), (1,))


def _operator(network: QuantizedNetwork) -> Convolution:
    operator = network.operators[0]
    assert isinstance(operator, Convolution)  # noqa: S101 -- narrows the type of what _layer made
    return operator


def _expected(network: QuantizedNetwork, image: Int8Array) -> IntArray:
    """The layer in numpy's int64: independent of torch and of the native kernels."""
    operator = _operator(network)
    (top, bottom), (left, right) = operator.padding
    centred = np.pad(image.astype(np.int64) - _ZERO, ((0, 0), (top, bottom), (left, right), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(centred, (3, 3), axis=(1, 2))[:, ::2, ::1]
    acc = np.einsum("nyxcij,oijc->nyxo", windows, operator.weights.astype(np.int64)) + operator.bias
    rescaler = operator.rescaler
    rounded = (acc * rescaler.multiplier + (1 << (rescaler.right_shift - 1))) >> rescaler.right_shift
    clipped: IntArray = np.clip(rounded + 3, -128, 127)
    return clipped


def _torch(network: QuantizedNetwork, image: Int8Array, device: str) -> IntArray:
    operator = _operator(network)
    assert 255 * 127 * 9 * _CHANNELS + 10000 <= FLOAT32_EXACT  # noqa: S101 -- constants of this module
    weights = arranged_weights(operator, torch.float32).to(device)
    bias = torch.tensor(operator.bias, dtype=torch.float32, device=device)
    centred = torch.tensor(image, device=device).to(torch.float32) - _ZERO
    acc = accumulate(operator, centred, weights, bias).to(torch.int64)
    rescaler = operator.rescaler
    multiplier, shift = (torch.tensor(x, device=device) for x in (rescaler.multiplier, rescaler.right_shift))
    result: IntArray = (
        (requantize(acc, multiplier, shift, rescaler.stored_bits, rescaler.contract) + 3).clamp(-128, 127).cpu().numpy()
    )
    return result


def _native(network: QuantizedNetwork, image: Int8Array) -> IntArray:
    library = native_library()
    run = None if library is None else native_kernel(_operator(network), network, library)
    if run is None:
        raise NetworkError("self-test: there are no native kernels")
    result: IntArray = run([torch.from_numpy(image)]).numpy().astype(np.int64)
    return result
