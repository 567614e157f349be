"""Model files of a few hundred bytes that describe networks of gigabytes."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tflite_models import ModelWriter

from nets.errors import NetworkError
from nets.importers import load_tflite
from nets.importers.tflite import graph
from nets.oracle import verify_model


def chain(folder: Path, operators: int, elements: int) -> Path:
    """Write a network of RELUs over vectors."""
    writer = ModelWriter()
    tensors = [writer.activation((1, elements), 0.1, 0) for _ in range(operators + 1)]
    for before, after in pairwise(tensors):
        writer.operator("RELU", [before], [after])
    writer.inputs, writer.outputs = tensors[:1], tensors[-1:]
    path = folder / "model.tflite"
    path.write_bytes(writer.content())
    return path


@pytest.mark.parametrize(
    ("operators", "elements", "message"),
    [
        (1, (1 << 24) + 1, r"has shape \[1, 16777217\]; at most 16777216 elements"),
        (1, (1 << 31) - 1, "at most 16777216 elements"),
        (33, 1 << 24, "tensors have over 536870912 elements"),
    ],
)
def test_small_files_of_large_networks_are_refused(operators: int, elements: int, message: str, tmp_path: Path) -> None:
    path = chain(tmp_path, operators, elements)
    assert path.stat().st_size < 6000
    with pytest.raises(NetworkError, match=message):
        load_tflite(path)


def test_windows_that_would_take_minutes_are_refused(tmp_path: Path) -> None:
    writer = ModelWriter()
    x, out = (writer.activation((1, 4096, 4096, 1), 0.1, 0) for _ in range(2))
    window = {"FilterHeight": 200, "FilterWidth": 200, "StrideH": 1, "StrideW": 1, "Padding": 0}
    writer.operator("MAX_POOL_2D", [x], [out], "Pool2DOptions", **window)
    writer.inputs, writer.outputs = [x], [out]
    path = tmp_path / "model.tflite"
    path.write_bytes(writer.content())
    with pytest.raises(NetworkError, match="takes 671088640000 products per sample; at most 68719476736"):
        load_tflite(path)


def test_files_beyond_the_format_and_files_without_an_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.tflite"
    with path.open("wb") as file:
        file.truncate(graph.BYTES_MAX + 1)  # takes no room on the disk
    with pytest.raises(NetworkError, match="has more than 2147483648 bytes"):
        load_tflite(path)
    monkeypatch.setattr(graph, "BYTES_MAX", 1 << 20)
    with pytest.raises(NetworkError, match="has more than 1048576 bytes"):
        load_tflite("/dev/zero")


@pytest.mark.parametrize("count", [1, 3, 70])
def test_verification_compares_all_samples_whatever_fits_at_once(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    monkeypatch.setattr("nets.execute.executor._HELD_ELEMENTS", 50)
    path = chain(tmp_path, 2, 10)
    inputs = np.random.default_rng(0).integers(-128, 128, (count, 10), dtype=np.int8)
    report = verify_model(path, "litert_ref", inputs)
    assert report.exact
    assert [check.elements for check in report.tensors] == [10 * count] * 2
