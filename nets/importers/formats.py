"""The formats of model files, recognised by suffix: one table that every command reads models through."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nets.errors import NetworkError
from nets.importers.ends import Cut, DroppedEnd
from nets.importers.inspection import Inspection
from nets.importers.onnx import end_of_onnx, inspect_onnx, load_onnx
from nets.importers.tflite import end_of_tflite, inspect_tflite, load_tflite
from nets.importers.tosa import AS_STATED, inspect_tosa, load_tosa
from nets.network import ONNX_PROFILES, PROFILES, QuantizedNetwork


class Loader(Protocol):
    """Reads a model file: untrusted content, from which no code is executed."""

    def __call__(self, path: Path, *, contract: str, cut: Cut) -> QuantizedNetwork:
        """Imports a model with all of its rescalers under a contract or profile.

        Args:
            path: the file.
            contract: the name of the contract or profile.
            cut: the tensors at which the network ends; none: its logits.

        Raises:
            NetworkError: one line that begins with the file's name and says what is wrong with it.
        """


class Inspector(Protocol):
    """Describes a model file, also one that cannot be imported."""

    def __call__(self, path: Path, *, cut: Cut) -> Inspection:
        """Describes a model; raises a NetworkError if the file is none of the format, or has no such tensors."""


@dataclass(frozen=True, slots=True)
class ModelFormat:
    """One format of model files.

    Attributes:
        name: what messages call it.
        suffix: the end of its files' names, in lower case, with its dot.
        load: reads a file; imports what it needs when it is called.
        inspect: describes a file.
        profiles: names of the profiles that reproduce runtimes of its files.
        dropped_end: says without which function behind its logits a file is read; None if files are read whole.
        states_scales: whether files state what real values integers stand for; if not, scales are known up to factors.
    """

    name: str
    suffix: str
    load: Loader
    inspect: Inspector
    profiles: tuple[str, ...] = ()
    dropped_end: Callable[[Path], DroppedEnd | None] | None = None
    states_scales: bool = True


MODEL_FORMATS: dict[str, ModelFormat] = {
    each.suffix: each
    for each in (
        ModelFormat("TFLite", ".tflite", load_tflite, inspect_tflite, tuple(PROFILES), end_of_tflite),
        ModelFormat("ONNX", ".onnx", load_onnx, inspect_onnx, tuple(ONNX_PROFILES), end_of_onnx),
        ModelFormat("TOSA", ".tosa", load_tosa, inspect_tosa, (AS_STATED,), states_scales=False),
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
        NetworkError: the suffix is unknown, the file has no such tensors, or it is damaged, not fully quantized or not
            supported.
    """
    path = Path(path)
    return model_format(path).load(path, contract=contract, cut=cut)


def inspect_model(path: str | Path, *, cut: Cut = ()) -> Inspection:
    """Describes a model file of any format, also one that cannot be imported.

    Args:
        path: the file; its suffix names the format.
        cut: tensors at which the network ends; none: its logits.

    Raises:
        NetworkError: the suffix is unknown, the file is none of its format, or it has no such tensors.
    """
    path = Path(path)
    return model_format(path).inspect(path, cut=cut)
