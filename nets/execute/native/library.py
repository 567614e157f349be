"""Finding and loading the compiled kernels, built by setup.py when the package is installed."""

import ctypes
import functools
from pathlib import Path

KERNELS_VERSION = 5
_PATHS = {-1: "plain C++", 0: "SSE2", 1: "AVX2", 2: "AVX-512 VNNI"}  # as best_path_here() numbers them


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
    pointer = ctypes.c_void_p
    library.run_steps.argtypes = [pointer, ctypes.c_int64, pointer, ctypes.c_int64, ctypes.c_int32]
    library.run_steps.restype = None
    library.second_cache.restype = ctypes.c_int64
    return library, f"{files[0].name}, {_PATHS[library.best_path()]}"


def native_library() -> ctypes.CDLL | None:
    """Returns the compiled kernels, or None if they were not built."""
    return _loaded()[0]


def native_status() -> str:
    """Describes in one line which kernels are in use, or why none are."""
    return _loaded()[1]


class LimitedLibrary:
    """The compiled kernels, used as on a machine that has no more than one path's instructions.

    Args:
        library: the compiled kernels.
        path: the instruction path, as numbered by ``best_path``; at most this machine's.
    """

    def __init__(self, library: ctypes.CDLL, path: int) -> None:
        self._path = path
        self.run_steps = library.run_steps
        self.second_cache = library.second_cache

    def best_path(self) -> int:
        """Returns the path."""
        return self._path


Library = ctypes.CDLL | LimitedLibrary
