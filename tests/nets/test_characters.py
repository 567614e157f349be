"""Printed characters: the same on every machine, one of each class about as often, and what fonts draw."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from nets.characters import CHARACTERS, IMAGE_SIZE, printed_characters
from nets.characters.masks import CELLS_PER_HEIGHT, MASK_SIZE, mask
from nets.characters.outlines import Outline, outlines
from nets.errors import NetworkError


def test_images_are_the_same_on_every_machine() -> None:
    images, labels = printed_characters(100, seed=1)
    assert images.shape == (100, IMAGE_SIZE, IMAGE_SIZE)
    golden = "9256679a67f98bbb9881867f653a7f38c6485be3bf76f2ee5fdf972389222c3d"
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == golden


def test_classes_are_about_equally_many_and_seeds_differ() -> None:
    images, labels = printed_characters(2000)
    counts = np.bincount(labels, minlength=len(CHARACTERS))
    expected = 2000 / len(CHARACTERS)
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()
    assert (images[:50] != printed_characters(2000, seed=2)[0][:50]).any(axis=(1, 2)).all()
    assert 0.2 < images.mean() / 255 < 0.8  # dark on light as often as light on dark


def square(low: float, high: float, *, clockwise: bool) -> Outline:
    corners = np.array([[low, low], [low, high], [high, high], [high, low]])[:: 1 if clockwise else -1]
    return Outline(corners, np.roll(corners, -1, axis=0))


def test_a_mask_is_what_the_edges_wind_around() -> None:
    full = mask(square(-0.5, 0.5, clockwise=True))
    assert full.sum() == CELLS_PER_HEIGHT**2
    assert full[MASK_SIZE // 2, MASK_SIZE // 2] == 1
    for clockwise, hole in ((True, 0), (False, (CELLS_PER_HEIGHT // 2) ** 2)):  # as in an O, and in a bold overlap
        inner = square(-0.25, 0.25, clockwise=clockwise)
        outer = square(-0.5, 0.5, clockwise=True)
        both = Outline(np.concatenate([outer.starts, inner.starts]), np.concatenate([outer.ends, inner.ends]))
        assert mask(both).sum() == CELLS_PER_HEIGHT**2 - hole


def test_curves_of_a_font_are_followed(tmp_path: Path) -> None:
    """A circle of control points alone, as TrueType stores it, has nearly the area of one."""
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "H", "O"])
    builder.setupCharacterMap({ord("H"): "H", ord("O"): "O"})
    tall, circle, empty = TTGlyphPen(None), TTGlyphPen(None), TTGlyphPen(None)
    for step, point in enumerate([(0, 0), (0, 700), (300, 700), (300, 0)]):
        (tall.lineTo if step else tall.moveTo)(point)
    tall.closePath()
    eighths = np.arange(16) * np.pi / 8
    control = [(round(350 + 357 * np.cos(angle)), round(350 - 357 * np.sin(angle))) for angle in eighths]
    circle.qCurveTo(*control, None)
    circle.closePath()
    builder.setupGlyf({".notdef": empty.glyph(), "H": tall.glyph(), "O": circle.glyph()})
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", "H", "O"], (700, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupPost()
    path = tmp_path / "own.ttf"
    builder.save(path)
    letter, ring = outlines(path, "HO")
    assert letter.starts.min(axis=0).tolist() == pytest.approx([-150 / 700, -0.5])
    assert mask(letter).sum() == CELLS_PER_HEIGHT * 28  # 27.4 cells wide, 28 centres
    assert mask(ring).sum() == pytest.approx(CELLS_PER_HEIGHT**2 * np.pi / 4, rel=0.02)
    with pytest.raises(NetworkError, match=r"own\.ttf: has no character 'X'"):
        outlines(path, "X")
