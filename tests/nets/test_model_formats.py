"""Model files of every format are read through one table, by suffix."""

from pathlib import Path

import pytest

from nets.errors import NetworkError
from nets.importers import MODEL_FORMATS, load_network, model_format


@pytest.mark.parametrize("suffix", MODEL_FORMATS)
def test_a_format_is_recognised_by_its_suffix_in_any_case(suffix: str) -> None:
    assert suffix == suffix.lower()
    assert suffix.startswith(".")
    assert model_format(f"folder.x/model{suffix.upper()}") is MODEL_FORMATS[suffix]


@pytest.mark.parametrize(("name", "said"), [("model.bin", ".bin names"), ("model", "no suffix names")])
def test_another_suffix_is_refused_with_those_that_are_known(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(NetworkError, match=f"^{name}: {said} no model format; .*tflite"):
        load_network(tmp_path / name)


@pytest.mark.parametrize("suffix", MODEL_FORMATS)
def test_a_file_that_is_empty_damaged_or_missing_gets_one_line(tmp_path: Path, suffix: str) -> None:
    if suffix == ".onnx":
        pytest.importorskip("onnx", reason="onnx is not installed")
    for content in (b"", b"\0" * 64, b"no model at all"):
        (tmp_path / f"model{suffix}").write_bytes(content)
        with pytest.raises(NetworkError, match=f"^model{suffix}: [^\n]*$"):
            load_network(tmp_path / f"model{suffix}")
    with pytest.raises(NetworkError, match=f"absent{suffix}"):
        load_network(tmp_path / f"absent{suffix}")
