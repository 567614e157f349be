"""Inputs for calibration without data: noise with the statistics that natural signals share."""

import numpy as np

from nets.network import ActivationArray, FloatArray, QuantizedNetwork, TensorSpec

# Shares of the input's range: of the samples' means (uniform within), and of their standard deviations.
_MEANS = 0.25
_DEVIATIONS = (0.12, 0.3)
_COLOURED = 0.7  # amplitude of what differs between channels, beside what they share


def synthetic_inputs(network: QuantizedNetwork, count: int, seed: int = 0) -> tuple[ActivationArray, ...]:
    """Returns samples for calibration without data, one int8 or int16 array ``[count, *shape]`` per network input.

    Noise of equal power in every octave of spatial frequency, as natural images have it (Field 1987, "Relations between
    the statistics of natural images and the response properties of cortical cells"), mostly common to all channels,
    with random mean and contrast. All axes but the last one count as space.

    Args:
        network: the network.
        count: number of samples.
        seed: seed of the noise.
    """
    generator = np.random.default_rng(seed)
    specs = [network.tensors[index] for index in network.inputs]
    return tuple(_quantized(_octaves(spec.shape, count, generator), spec, generator) for spec in specs)


def _octaves(shape: tuple[int, ...], count: int, generator: np.random.Generator) -> FloatArray:
    """Returns noise ``[count, *shape]``, of unit variance within 2 %."""
    *space, channels = shape
    levels = max((size - 1).bit_length() for size in (*space, 1)) + 1
    total = np.zeros((count, *shape))
    for level in range(levels):
        coarse = [max(1, size >> level) for size in space]
        noise = generator.standard_normal((count, *coarse, 1)) * np.sqrt(1 - _COLOURED**2)
        noise = noise + generator.standard_normal((count, *coarse, channels)) * _COLOURED
        for axis, (size, blocks) in enumerate(zip(space, coarse, strict=True), start=1):
            noise = np.take(noise, np.arange(size) * blocks // size, axis=axis)
        total += noise
    scaled: FloatArray = total / np.sqrt(levels)
    return scaled


def _quantized(noise: FloatArray, spec: TensorSpec, generator: np.random.Generator) -> ActivationArray:
    sample = (len(noise), *(1,) * (noise.ndim - 1))
    mean = generator.uniform(-_MEANS, _MEANS, sample)
    deviation = generator.uniform(*_DEVIATIONS, sample)
    steps: FloatArray = np.rint((noise * deviation + mean) * 2**spec.bits)
    return np.clip(steps, spec.q_min, spec.q_max).astype(spec.dtype)
