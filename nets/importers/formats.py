"""The formats of model files, recognised by suffix: one table that every command reads models through."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nets.errors import NetworkError
from nets.importers.ends import DroppedEnd
from nets.importers.onnx import end_of_onnx, load_onnx
from nets.importers.tflite import end_of_tflite, load_tflite
from nets.importers.tflite.extent import Cut
from nets.importers.tosa import AS_STATED, load_tosa
from nets.network import ONNX_PROFILES, PROFILES, QuantizedNetwork


class Loader(Protocol):
    """Reads a model file: untrusted content, from which no code is executed."""

    def __call__(self, path: Path, *, contract: str) -> QuantizedNetwork:
        """Imports a model with all of its rescalers under a contract or profile.

        Raises:
            NetworkError: one line that begins with the file's name and says what is wrong with it.
        """


class CutLoader(Protocol):
    """Reads a model file up to some of its tensors, at which the network ends."""

    def __call__(self, path: Path, *, contract: str, cut: Cut) -> QuantizedNetwork:
        """Imports a model; raises as a :class:`Loader` does, and if it has no such tensors."""


@dataclass(frozen=True, slots=True)
class ModelFormat:
    """One format of model files.

    Attributes:
        name: what messages call it.
        suffix: the end of its files' names, in lower case, with its dot.
        load: reads a file; imports what it needs when it is called.
        profiles: names of the profiles that reproduce runtimes of its files.
        load_cut: reads a file up to some of its tensors; None if networks of this format cannot be cut.
        dropped_end: says without which function behind its logits a file is read; None if files are read whole.
        states_scales: whether files state what real values integers stand for; if not, scales are known up to factors.
    """

    name: str
    suffix: str
    load: Loader
    profiles: tuple[str, ...] = ()
    load_cut: CutLoader | None = None
    dropped_end: Callable[[Path], DroppedEnd | None] | None = None
    states_scales: bool = True


MODEL_FORMATS: dict[str, ModelFormat] = {
    each.suffix: each
    for each in (
        ModelFormat("TFLite", ".tflite", load_tflite, tuple(PROFILES), load_tflite, end_of_tflite),
        ModelFormat("ONNX", ".onnx", load_onnx, tuple(ONNX_PROFILES), dropped_end=end_of_onnx),
        ModelFormat("TOSA", ".tosa", load_tosa, (AS_STATED,), states_scales=False),
    )
}


def model_format(path: str | Path) -> ModelFormat:
    """Returns the format of a model file, by its suffix in lower case.

    Raises:
        NetworkError: no format has this suffix.
    """
    path = Path(path)
    if (suffix := path.suffix.lower()) not in MODEL_FORMATS:
        known = ", ".join(MODEL_FORMATS)
        raise NetworkError(f"{path.name}: {suffix or 'no suffix'} names no model format; the name must end in {known}")
    return MODEL_FORMATS[suffix]


def load_network(path: str | Path, *, contract: str = "half_up", cut: Cut = ()) -> QuantizedNetwork:
    """Imports a model file of any format.

    Args:
        path: the file; its suffix names the format.
        contract: the name of a contract, or of a profile, for all rescalers.
        cut: tensors at which the network ends; none: it is read whole.

    Raises:
        NetworkError: the suffix is unknown, the format cannot be cut, or the file is damaged, not fully quantized or
            not supported.
    """
    path, form = Path(path), model_format(path)
    if not cut:
        return form.load(path, contract=contract)
    if form.load_cut is None:
        able = ", ".join(suffix for suffix, each in MODEL_FORMATS.items() if each.load_cut)
        raise NetworkError(f"{path.name}: {form.name} models cannot be cut at a tensor; {able} models can")
    return form.load_cut(path, contract=contract, cut=cut)
