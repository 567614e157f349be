"""Builds the native kernels of the integer executor; everything else is in pyproject.toml."""

import sys
from pathlib import Path

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
            depends=sorted(str(path) for path in Path("nets/execute/native").glob("*.h")),
            extra_compile_args=FLAGS,
            language="c++",
            optional=True,  # without a compiler, torch runs everything
        )
    ]
)
