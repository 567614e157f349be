"""Builds the native kernels of the integer executor; everything else is in pyproject.toml."""

import sys

from setuptools import Extension, setup

FLAGS = (
    ["/O2", "/std:c++17"]
    if sys.platform == "win32"
    else [
        "-O3",
        "-std=c++17",
        # A fused multiply-add rounds once where a contract rounds twice.
        "-ffp-contract=off",
        "-fno-trapping-math",
    ]
)

setup(
    ext_modules=[
        Extension(
            "nets.execute.native._kernels",
            ["nets/execute/native/kernels.cpp"],
            depends=[
                "nets/execute/native/requantize.h",
                "nets/execute/native/convolution.h",
                "nets/execute/native/elementwise.h",
            ],
            extra_compile_args=FLAGS,
            language="c++",
            optional=True,  # without a compiler, torch runs everything
        )
    ]
)
