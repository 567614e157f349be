"""Export of a narrowed network to a .tflite file, that of its import or a new one, with every residual explained."""

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from nets.errors import NetworkError
from nets.execute import IntegerExecutor, prepared_alone
from nets.files import write_bytes
from nets.importers import model_format, network_from_bytes, read_file
from nets.network import (
    PROFILES,
    ActivationArray,
    Operator,
    PairLookup,
    Pool,
    QuantizedNetwork,
    RescaledOperator,
    Tabulated,
    class_count,
    profile_named,
)
from nets.oracle.litert import RefusedModelError
from nets.oracle.new_file import imported_part, written
from nets.oracle.patch import patched
from nets.oracle.residuals import OperatorResidual, explain
from nets.oracle.verify import random_samples, verify_bytes

RANDOM_SAMPLES = 16

# Of a file's content, its name and inputs: whether the runtime gives the predicted integers, or why it cannot be asked.
Agrees = Callable[[bytes, str, list[ActivationArray]], tuple[bool | None, str | None]]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The file written, and how a runtime's integers differ from the design's.

    Attributes:
        sha256: SHA-256 of the file's bytes, hexadecimal.
        resolver: profile of the LiteRT resolver, or of ONNX Runtime, that the export targets.
        samples: the number of inputs compared end to end.
        explained_samples: the number of them on which operators were compared, and the file was run.
        operators: the comparison of every operator on identical inputs, those of the runtime's own run.
        outputs_differing: share of output integers that differ end to end.
        agreement: share of samples whose largest output is at the same place end to end; None if the outputs are no
            classes.
        litert: whether LiteRT (ONNX Runtime of an .onnx file), running the file, equals the runtime's network in every
            tensor; None if it does not run.
        litert_refused: why it does not run; None if it does.
    """

    path: str
    sha256: str
    resolver: str
    samples: int
    explained_samples: int
    operators: tuple[OperatorResidual, ...]
    outputs_differing: float
    agreement: float | None
    litert: bool | None
    litert_refused: str | None

    @property
    def explained(self) -> bool:
        """Whether every difference is explained, and LiteRT gives the predicted integers."""
        return self.litert is not False and not any(operator.unexplained for operator in self.operators)


def export_tflite(
    network: QuantizedNetwork,
    original_path: str | Path | None,
    out_path: str | Path,
    resolver: str,
    *samples: ActivationArray,
    seed: int = 0,
    explained_samples: int | None = None,
) -> ExportReport:
    """Writes a network into a copy of the .tflite file that it was imported from, or into a new one.

    In a new file, an operator that .tflite does not have is several, and the report names those of the file.

    Args:
        network: A design made from the network of ``original_path``.
        original_path: the file that it was imported from, or None. One of another format is not written to.
        out_path: the file to write.
        resolver: ``litert_ref`` or ``litert_xnnpack``: the runtime that the export targets.
        samples: one int8 or int16 array ``[samples, *shape]`` per network input, for the comparison; random ones by
            default.
        seed: seed of the random samples.
        explained_samples: the first samples on which every difference is explained and LiteRT runs the file, which
            takes long; all by default.

    Raises:
        NetworkError: the network does not belong to the file, an operator has no form in .tflite files, or the
            resolver is unknown.
    """
    out_path = Path(out_path)
    if profile_named(resolver).runtime is None:
        raise NetworkError(f"{resolver!r} is no profile of a LiteRT resolver; choose one of {', '.join(PROFILES)}")
    ends: tuple[int, ...] = ()
    if original_path is None or not is_patched(original_path):
        network, content = written(network)
    else:
        content, ends = patched(network, read_file(Path(original_path)), Path(original_path).name), _ends(network)
    runtime = network_from_bytes(content, out_path.name, contract=resolver, cut=ends)
    network = imported_part(network, runtime)
    inputs = list(samples) or random_samples(network, RANDOM_SAMPLES, seed)
    few = [each[:explained_samples] for each in inputs]
    return write_compared(
        network, runtime, inputs, few, out_path, content, resolver, partial(_litert_agrees, resolver, ends)
    )


def write_compared(
    network: QuantizedNetwork,
    runtime: QuantizedNetwork,
    inputs: list[ActivationArray],
    few: list[ActivationArray],
    out_path: Path,
    content: bytes,
    resolver: str,
    agrees: Agrees,
) -> ExportReport:
    """Compares a design with what a runtime makes of its file, and writes the file.

    Args:
        network: the design, operator by operator that of ``runtime``.
        runtime: what was imported from the file.
        inputs: one int8 or int16 array ``[samples, *shape]`` per network input, compared end to end.
        few: the first of them, on which operators are compared and the file is run.
        out_path: the file to write.
        content: what to write into it.
        resolver: profile that the export targets.
        agrees: asks the runtime itself.

    Raises:
        NetworkError: an operator of the design is clamped otherwise than that of the file; nothing is written.
    """
    check_same_clamps(network, runtime)
    operators = _explained(network, runtime, few)
    differing, agreement = _end_to_end(network, runtime, inputs)
    litert, refused = agrees(content, out_path.name, few)
    write_bytes(out_path, content)
    return ExportReport(
        path=str(out_path),
        sha256=hashlib.sha256(content).hexdigest(),
        resolver=resolver,
        samples=len(inputs[0]),
        explained_samples=len(few[0]),
        operators=operators,
        outputs_differing=differing,
        agreement=agreement,
        litert=litert,
        litert_refused=refused,
    )


def _ends(network: QuantizedNetwork) -> tuple[int, ...]:
    """Returns the tensors of the file at which the network ends; what lies behind them stays as it is in the file."""
    return tuple(index for at in network.outputs if (index := network.tensors[at].file_index) is not None)


def is_patched(original_path: str | Path) -> bool:
    """Returns whether designs are written into copies of a model's file, as those of .tflite files are."""
    return model_format(original_path).suffix == ".tflite"


def check_same_clamps(network: QuantizedNetwork, runtime: QuantizedNetwork) -> None:
    """Raises a NetworkError if an operator of a design and that of the runtime are clamped otherwise."""
    for ours, theirs in zip(network.operators, runtime.operators, strict=True):
        if isinstance(theirs, Tabulated | PairLookup):  # clamped in their tables
            continue
        if _clamp(ours) != _clamp(theirs):
            raise NetworkError(
                f"{ours.name!r} is clamped to {_clamp(ours)}; the file's activation gives {_clamp(theirs)}"
            )


def _clamp(operator: Operator) -> tuple[int, int] | None:
    return (operator.q_min, operator.q_max) if isinstance(operator, RescaledOperator | Pool) else None


def _explained(
    network: QuantizedNetwork, runtime: QuantizedNetwork, inputs: list[ActivationArray]
) -> tuple[OperatorResidual, ...]:
    """Compares every operator of a design with that of the runtime, on the inputs of the runtime's own run."""
    kernels = [prepared_alone(operator, network) for operator in network.operators]
    parts: list[list[OperatorResidual]] = [[] for _ in network.operators]
    for _, tensors in IntegerExecutor(runtime).every_tensor(*inputs):
        for at, (operator, run) in enumerate(zip(network.operators, kernels, strict=True)):
            given = [torch.from_numpy(tensors[index]) for index in operator.inputs]
            outputs = run(given).numpy(), tensors[operator.output]
            parts[at].append(explain(network, runtime, at, given, outputs))
    return tuple(OperatorResidual.of_all(each) for each in parts)


def _end_to_end(
    network: QuantizedNetwork, runtime: QuantizedNetwork, inputs: list[ActivationArray]
) -> tuple[float, float | None]:
    """Returns the share of output integers that differ, and that of samples with the same largest output, if any."""
    ours, theirs = (IntegerExecutor(each).outputs(*inputs) for each in (network, runtime))
    differing = sum(int((a != b).sum()) for a, b in zip(ours, theirs, strict=True))
    share = differing / sum(a.size for a in ours)
    if class_count(network) is None:
        return share, None
    first, second = (of[0].reshape(len(of[0]), -1).argmax(axis=1) for of in (ours, theirs))
    return share, float((first == second).mean())


def _litert_agrees(
    resolver: str, ends: tuple[int, ...], content: bytes, name: str, inputs: list[ActivationArray]
) -> tuple[bool | None, str | None]:
    """Returns whether LiteRT gives the predicted integers, or why it cannot be asked."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        return None, "LiteRT is not installed"
    try:
        return verify_bytes(content, name, resolver, *inputs, cut=ends).exact, None
    except RefusedModelError as error:
        return None, str(error)
