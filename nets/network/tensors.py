"""Activation tensors and their affine quantization, and the array types that nets uses."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int8Array = npt.NDArray[np.int8]
ActivationArray = npt.NDArray[np.int8 | np.int16 | np.int32]  # integers of one tensor, in its storage type
WeightArray = npt.NDArray[np.int8 | np.int16]  # int16 beyond 8 bits, or if a zero point was subtracted
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Describes an activation tensor: ``real = scale * (q - zero_point)``.

    Attributes:
        name: the name in the imported model.
        shape: the sizes without the batch: ``(height, width, channels)`` or ``(features,)``.
        scale: the real value of one step (a float32 of the model, held in float64).
        zero_point: the integer that stands for real 0.
        bits: width of the integer, in bits: up to 16, or more inside of a recurrence.
        file_index: the tensor's index in the file that it was imported from, or None.
    """

    name: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    bits: int = 8
    file_index: int | None = None

    @property
    def dtype(self) -> np.dtype[np.int8] | np.dtype[np.int16] | np.dtype[np.int32]:
        """The type that its integers are stored in: int8 up to 8 bits, int16 up to 16, int32 beyond."""
        if self.bits > 16:
            return np.dtype(np.int32)
        return np.dtype(np.int8) if self.bits <= 8 else np.dtype(np.int16)

    @property
    def q_min(self) -> int:
        """The smallest storable integer."""
        return -(1 << (self.bits - 1))

    @property
    def q_max(self) -> int:
        """The largest storable integer."""
        return (1 << (self.bits - 1)) - 1
