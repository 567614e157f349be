"""Exact integer execution: executor, torch and native kernels, accumulation bounds, self-test."""

from nets.execute.accumulation import accumulator, matrix_product, spread
from nets.execute.executor import Backend, IntegerExecutor
from nets.execute.layers import prepared_alone, run_by_layer
from nets.execute.native import native_library, native_status
from nets.execute.torch_kernels import kernel, real_pool, stored_type, weighted_neighbours

__all__ = [
    "Backend",
    "IntegerExecutor",
    "accumulator",
    "kernel",
    "matrix_product",
    "native_library",
    "native_status",
    "prepared_alone",
    "real_pool",
    "run_by_layer",
    "spread",
    "stored_type",
    "weighted_neighbours",
]
