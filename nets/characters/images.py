"""Small grey images of printed characters, as a camera over labels, plates and meters gives them.

Every image shows one character in the middle of a line of print, turned, slanted, blurred, unevenly lit and noisy; its
neighbours reach into the picture, and a scratch may cross it. The images are the same on every machine and with every
version of NumPy: random numbers are raw bits of PCG64, whose stream NumPy guarantees (NEP 19), and everything is
computed elementwise by operations that IEEE 754 rounds correctly.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from nets.characters.masks import CELLS_PER_HEIGHT, MASK_SIZE, Mask, mask
from nets.characters.outlines import outlines
from nets.errors import NetworkError

IMAGE_SIZE: Final = 16  # pixels along each side
# Digits and capitals without I, O and Q, which are too like 1 and 0: the characters of vehicle identification numbers
# (ISO 3779), and of most serial and part numbers.
CHARACTERS: Final = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
FACES: Final = (  # that come with Matplotlib
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif",
    "DejaVuSerif-Bold", "STIXGeneral", "STIXGeneralBol", "cmr10", "cmss10", "cmtt10",
)  # fmt: skip
_FOLDER: Final = Path("mpl-data", "fonts", "ttf")
_SAMPLES_PER_PIXEL: Final = 3  # along each side
_AT_ONCE: Final = 256  # images
_MOST_BLURS: Final = 2
_WORD: Final = 2**64
_Floats = npt.NDArray[np.float64]


class _Random:
    """Random numbers that do not change with the version of NumPy."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        """Returns words of 64 random bits."""
        return self._bits.random_raw(count)

    def below(self, bound: int, count: int) -> npt.NDArray[np.intp]:
        """Returns numbers from 0 to ``bound - 1``, equally likely but for a share of 2^-50."""
        return (self.words(count) % np.uint64(bound)).astype(np.intp)

    def between(self, low: float, high: float, count: int) -> _Floats:
        """Returns numbers from ``low`` to ``high``, uniform."""
        return low + (high - low) * ((self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53)

    def normal(self, count: int) -> _Floats:
        """Returns numbers of mean 0 and variance 1: sums of the eight bytes of a word, nearly normal."""
        total = self.words(count).view(np.uint8).reshape(count, 8).astype(np.int64)
        sums = total[:, 0] + total[:, 1] + total[:, 2] + total[:, 3]
        sums += total[:, 4] + total[:, 5] + total[:, 6] + total[:, 7]
        normal: _Floats = (sums - 1020) / np.sqrt(8 * (256 * 256 - 1) / 12)
        return normal


@dataclass(frozen=True, eq=False)
class _Type:
    """The characters of all faces.

    Attributes:
        masks: ``[faces, characters, MASK_SIZE, MASK_SIZE]``.
        halves: half of the width of each, ``[faces, characters]``, in heights of a capital H.
    """

    masks: Mask
    halves: _Floats


def printed_characters(count: int, seed: int = 0) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Draws independent images of printed characters.

    Args:
        count: number of images; the first ``n`` of more images are not those of ``count = n``.
        seed: seed of all that is random.

    Returns:
        Grey values ``[count, IMAGE_SIZE, IMAGE_SIZE]`` and classes ``[count]``, positions in :data:`CHARACTERS`.

    Raises:
        NetworkError: Matplotlib, whose fonts are used, is not installed.
    """
    random, type_ = _Random(seed), _all_type()
    faces, labels = random.below(len(FACES), count), random.below(len(CHARACTERS), count)
    ink = _printed(type_, faces, labels, random)
    ink = _scratched(ink, random)
    return _photographed(_blurred(ink, random), random), labels.astype(np.int64)


@cache
def _all_type() -> _Type:
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        raise NetworkError("the printed characters are drawn from Matplotlib's fonts; pip install matplotlib")
    folder = Path(found.origin).parent / _FOLDER
    drawn = [outlines(folder / f"{face}.ttf", CHARACTERS) for face in FACES]
    return _Type(
        masks=np.array([[mask(outline) for outline in face] for face in drawn]),
        halves=np.array([[outline.starts[:, 0].max() for outline in face] for face in drawn]),
    )


def _printed(type_: _Type, faces: npt.NDArray[np.intp], labels: npt.NDArray[np.intp], random: _Random) -> _Floats:
    """Returns the share of each pixel that is printed, 0 to 1, ``[images, IMAGE_SIZE, IMAGE_SIZE]``."""
    count = len(faces)
    height = random.between(9.5, 13.0, count)  # of a capital H, pixels
    half_turn = random.between(-0.12, 0.12, count)  # tangent of half the angle: at most 14 degrees
    slant, aspect = random.between(-0.2, 0.2, count), random.between(0.85, 1.15, count)
    right, down = random.between(-1.25, 1.25, count), random.between(-1.25, 1.25, count)  # pixels
    neighbours = [_neighbour(type_, faces, labels, side, random) for side in (-1, 1)]
    square = half_turn * half_turn
    cosine, sine = (1 - square) / (1 + square), 2 * half_turn / (1 + square)
    along = (np.arange(IMAGE_SIZE * _SAMPLES_PER_PIXEL) + 0.5) / _SAMPLES_PER_PIXEL - IMAGE_SIZE / 2
    pixels = np.empty((count, IMAGE_SIZE, IMAGE_SIZE))
    for start in range(0, count, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)

        def of(values: npt.NDArray[np.float64], part: slice = part) -> _Floats:
            return values[part, None, None]

        x = (along[None, None, :] - of(right)) / of(height)
        y = (along[None, :, None] - of(down)) / of(height)
        v = of(cosine) * y - of(sine) * x
        u = (of(cosine) * x + of(sine) * y + of(slant) * v) / of(aspect)
        inside = _looked_up(type_, faces[part], labels[part], u, v)
        for characters, offset in neighbours:
            inside |= _looked_up(type_, faces[part], characters[part], u - of(offset), v)
        shape = (len(inside), IMAGE_SIZE, _SAMPLES_PER_PIXEL, IMAGE_SIZE, _SAMPLES_PER_PIXEL)
        pixels[part] = inside.reshape(shape).sum(axis=(2, 4), dtype=np.int64) / _SAMPLES_PER_PIXEL**2
    return pixels


def _neighbour(
    type_: _Type, faces: npt.NDArray[np.intp], labels: npt.NDArray[np.intp], side: int, random: _Random
) -> tuple[npt.NDArray[np.intp], _Floats]:
    """Returns the next character on one side of each, and where its centre is; one of four is out of sight."""
    characters, gap = random.below(len(CHARACTERS), len(faces)), random.between(0.15, 0.35, len(faces))
    apart = type_.halves[faces, labels] + type_.halves[faces, characters] + gap
    return characters, side * np.where(random.below(4, len(faces)) == 0, 10.0, apart)


def _looked_up(
    type_: _Type, faces: npt.NDArray[np.intp], characters: npt.NDArray[np.intp], u: _Floats, v: _Floats
) -> npt.NDArray[np.uint8]:
    """Returns which points, in heights of a capital H from a character's centre, are on the character."""
    column, row = (np.rint(at * CELLS_PER_HEIGHT + (MASK_SIZE - 1) / 2).astype(np.int32) for at in (u, v))
    visible = (column >= 0) & (column < MASK_SIZE) & (row >= 0) & (row < MASK_SIZE)
    column, row = np.clip(column, 0, MASK_SIZE - 1), np.clip(row, 0, MASK_SIZE - 1)
    cells: npt.NDArray[np.uint8] = type_.masks[faces[:, None, None], characters[:, None, None], row, column]
    return cells * visible


def _scratched(ink: _Floats, random: _Random) -> _Floats:
    """Draws a straight scratch of ink, or of bare paper, across one of five images."""
    count = len(ink)
    bends, offset = random.between(-1, 1, count)[:, None, None], random.between(-5, 5, count)[:, None, None]
    half = random.between(0.4, 0.9, count)[:, None, None]  # of its width, pixels
    upright, kind = random.below(2, count)[:, None, None] == 0, random.below(10, count)[:, None, None]
    along = np.arange(IMAGE_SIZE) - (IMAGE_SIZE - 1) / 2
    x, y = along[None, None, :], along[None, :, None]
    distance = np.abs(np.where(upright, x - bends * y, y - bends * x) - offset)
    cover = np.clip(half + 0.5 - distance, 0, 1)
    return np.where(kind == 0, np.maximum(ink, cover), np.where(kind == 1, ink * (1 - cover), ink))


def _blurred(ink: _Floats, random: _Random) -> _Floats:
    """Averages each pixel with its neighbours, 1 2 1 in both directions, up to twice."""
    passes = random.below(_MOST_BLURS + 1, len(ink))[:, None, None]
    for number in range(_MOST_BLURS):
        padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)), mode="edge")
        across = (padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]) / 4
        ink = np.where(passes > number, (across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]) / 4, ink)
    return ink


def _photographed(ink: _Floats, random: _Random) -> npt.NDArray[np.uint8]:
    """Returns grey values of dark print on light ground, or light on dark, unevenly lit, with the camera's noise."""
    count = len(ink)
    contrast, ground = random.between(0.45, 0.9, count), random.between(0, 1, count)
    dark_print = random.below(2, count) == 0
    low = ground * (1 - contrast)
    paper, print_ = np.where(dark_print, low + contrast, low), np.where(dark_print, low, low + contrast)
    lean_x, lean_y = random.between(-0.25, 0.25, count), random.between(-0.25, 0.25, count)  # from edge to edge
    along = (np.arange(IMAGE_SIZE) - (IMAGE_SIZE - 1) / 2) / IMAGE_SIZE
    light = 1 + lean_x[:, None, None] * along[None, None, :] + lean_y[:, None, None] * along[None, :, None]
    noise = random.between(0.01, 0.04, count)[:, None, None] * random.normal(ink.size).reshape(ink.shape)
    grey = (paper[:, None, None] + (print_ - paper)[:, None, None] * ink) * light + noise
    return np.clip(np.rint(255 * grey), 0, 255).astype(np.uint8)
