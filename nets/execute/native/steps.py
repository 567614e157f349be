"""Steps of the native library: operators prepared once, and run alone or many in one call."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from nets.execute.native.library import Library

MOST_INPUTS = 64  # of one operator, as in kernels.cpp


class StepKind(IntEnum):
    """Mirrors ``Kind`` of kernels.cpp."""

    CONVOLUTION = 0
    DEPTHWISE = 1
    SUM = 2
    PRODUCT = 3
    LOOKUP = 4
    POOL = 5
    JOIN = 6
    COPY = 7
    RUNS = 8


class StepStruct(ctypes.Structure):
    """Mirrors ``Step`` of kernels.cpp."""

    _fields_ = (
        ("kind", ctypes.c_int32),
        ("output", ctypes.c_int32),
        ("inputs", ctypes.c_void_p),
        ("input_count", ctypes.c_int64),
        ("plan", ctypes.c_void_p),
    )


@dataclass(frozen=True, eq=False)
class NativeKernel:
    """One operator, prepared for the native library; callable as a torch kernel is.

    Attributes:
        library: the compiled kernels.
        kind: which of them runs.
        plan: its constants, a structure of plans.py.
        held: what the plan points to.
        shape: the output's shape, without the batch.
    """

    library: Library
    kind: StepKind
    plan: ctypes.Structure
    held: tuple[object, ...]
    shape: tuple[int, ...]

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        """Runs the operator on int8 tensors ``[batch, *shape]``."""
        read = [tensor.contiguous() for tensor in inputs]
        output = torch.empty((len(read[0]), *self.shape), dtype=torch.int8)
        places = tuple(range(len(read)))
        NativeSteps([(self, places, len(read))]).run([x.data_ptr() for x in (*read, output)], len(output))
        return output


class NativeSteps:
    """Operators that run in one call, without the interpreter between them.

    Args:
        steps: for each operator its kernel, the places of its inputs and the place of its output in the list of
            addresses.
    """

    def __init__(self, steps: Sequence[tuple[NativeKernel, tuple[int, ...], int]]) -> None:
        self._library = steps[0][0].library
        self._places = [(ctypes.c_int32 * len(inputs))(*inputs) for _, inputs, _ in steps]
        self._kernels = [kernel for kernel, _, _ in steps]
        structs = (
            StepStruct(kernel.kind, output, ctypes.addressof(places), len(inputs), ctypes.addressof(kernel.plan))
            for (kernel, inputs, output), places in zip(steps, self._places, strict=True)
        )
        self._structs = (StepStruct * len(steps))(*structs)
        self._path = self._library.best_path()

    def run(self, addresses: Sequence[int], samples: int) -> None:
        """Runs the operators on contiguous int8 tensors ``[samples, ...]`` at these addresses."""
        table = (ctypes.c_void_p * len(addresses))(*addresses)
        self._library.run_steps(
            ctypes.addressof(self._structs), len(self._structs), ctypes.addressof(table), samples, self._path
        )
