"""Native kernels of the integer executor; optional, and equal to the torch kernels bit for bit."""

from nets.native.kernels import native_kernel
from nets.native.library import native_library, native_status

__all__ = ["native_kernel", "native_library", "native_status"]
