"""Native kernels of the integer executor; optional, and equal to the torch kernels bit for bit."""

from nets.execute.native.kernels import native_kernel
from nets.execute.native.library import Library, LimitedLibrary, native_library, native_status
from nets.execute.native.steps import NativeKernel, NativeSteps

__all__ = [
    "Library",
    "LimitedLibrary",
    "NativeKernel",
    "NativeSteps",
    "native_kernel",
    "native_library",
    "native_status",
]
