"""Finding and loading the compiled kernels, built by setup.py when the package is installed."""

import ctypes
import functools
from pathlib import Path

KERNELS_VERSION = 2
_PATHS = ("plain C++", "AVX2", "AVX-512 VNNI")  # as best_path() numbers them
_POINTER = ctypes.c_void_p
_INT64 = ctypes.c_int64
_INT32 = ctypes.c_int32

_SIGNATURES: dict[str, list[type[ctypes.c_void_p] | type[ctypes.c_int64] | type[ctypes.c_int32]]] = {
    "convolve": [*[_POINTER] * 7, _INT64, _INT32],
    "convolve_depthwise": [*[_POINTER] * 7, _INT64],
    "add_tables": [*[_POINTER] * 6, _INT64],
    "multiply": [_POINTER, _INT32, _INT32, *[_POINTER] * 3, _INT64],
}


@functools.cache
def _loaded() -> tuple[ctypes.CDLL | None, str]:
    """Loads the library; returns it, or None, and its status."""
    files = sorted(Path(__file__).parent.glob("_kernels*.so"))
    if not files:
        return None, "not built: installing with a C++ compiler builds it"
    try:
        library = ctypes.CDLL(str(files[0]))
        version = library.kernels_version()
    except (OSError, AttributeError) as error:
        return None, f"{files[0].name} cannot be loaded: {error}"
    if version != KERNELS_VERSION:
        return None, f"{files[0].name} is of version {version}, {KERNELS_VERSION} is needed: install again"
    for name, arguments in _SIGNATURES.items():
        getattr(library, name).argtypes = arguments
        getattr(library, name).restype = None
    return library, f"{files[0].name}, {_PATHS[library.best_path()]}"


def native_library() -> ctypes.CDLL | None:
    """Returns the compiled kernels, or None if they were not built."""
    return _loaded()[0]


def native_status() -> str:
    """Describes in one line which kernels are in use, or why none are."""
    return _loaded()[1]
