"""Inputs of a design about which nothing is known: random words, resets at rest, enables on."""

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

CYCLES: Final = 12  # the first of which fill a pipeline
STREAMS: Final = 64
_SEED: Final = 1
_RESET: Final = re.compile(r"(?i)(.*_)?[an]?s?(rst|reset|clr|clear)(_?(n|ni|b|i|l|bar|low))?")
_LOW: Final = re.compile(r"(?i)((.*_)?n(rst|reset)|.*(rst|reset|clr|clear)_?(n|ni|b|l|bar|low))")
_ENABLE: Final = re.compile(r"(?i)(.*_)?(en|ena|enable|ce|clken|valid|vld)(_?(i|in))?|in_?(valid|vld)|out_?(ready|rdy)")


def random_words(widths: Mapping[str, int]) -> dict[str, npt.NDArray[np.int64]]:
    """Returns values of input ports, by name, of shape (cycles, streams).

    Bits are random and independent from cycle to cycle. A port of one bit that is named like a reset rests, one that is
    named like an enable or a valid is on. Of a port of more than 64 bits, the bits above repeat the 64th.
    """
    generator = np.random.default_rng(_SEED)
    columns = {}
    for name, width in widths.items():
        words = generator.integers(-(1 << 63), (1 << 63) - 1, size=(CYCLES, STREAMS), dtype=np.int64, endpoint=True)
        if width == 1 and _RESET.fullmatch(name):
            words = np.full_like(words, int(_LOW.fullmatch(name) is not None))
        elif width == 1 and _ENABLE.fullmatch(name):
            words = np.ones_like(words)
        columns[name] = words if width >= 64 else words & ((1 << width) - 1)
    return columns
