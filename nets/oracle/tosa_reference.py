"""The TOSA reference model: the only module that imports tosa-tools, and only when it is used."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np

from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import AS_STATED, Cut, read_file, tosa_network, tosa_with_outputs
from nets.network import ActivationArray
from nets.oracle.verify import Tally, VerifyReport

_MODULE = "tosa_reference_model"
RUNTIME = "TOSA reference model"


def verify_tosa(path: Path, *samples: ActivationArray, cut: Cut = ()) -> VerifyReport:
    """Compares every int8 tensor that ends an operator with what the reference model computes, for equality.

    Args:
        path: a .tosa file.
        samples: one int8 array ``[samples, *shape]`` per network input.
        cut: names of the file's tensors at which the network ends.

    Raises:
        NetworkError: the file or the samples cannot be used, or tosa-tools is missing.
    """
    content = read_file(path)
    network = tosa_network(content, path.name, cut=cut)
    names = [network.tensors[operator.output].name for operator in network.operators]
    exposed, batch = tosa_with_outputs(content, names)
    tallies = [Tally(network, at) for at in range(len(network.operators))]
    executor, count = IntegerExecutor(network), samples[0].shape[0] if samples else 0
    for start in range(0, count, batch):
        part = [x[start : start + batch] for x in samples]
        present = len(part[0])
        full = [np.concatenate([x, np.repeat(x[-1:], batch - present, axis=0)]) for x in part]
        ours = executor.tensors(*part)
        for tally, operator, theirs in zip(tallies, network.operators, run_reference(exposed, *full), strict=True):
            tally.add(ours[operator.output], theirs[:present], start)
    return VerifyReport(path.name, AS_STATED, RUNTIME, count, tuple(tally.check() for tally in tallies))


def run_reference(content: bytes, *inputs: ActivationArray) -> list[ActivationArray]:
    """Runs a TOSA file with int8 outputs on one batch.

    Args:
        content: the file's bytes.
        inputs: one int8 array ``[batch, *shape]`` per input, of the file's batch.

    Raises:
        NetworkError: tosa-tools is not installed, or its reference model rejects the file or a value in it.
    """
    model = _reference_model()
    with _quiet():  # it prints the versions of file and library
        outputs, status = model.run(content, list(inputs))
    if status != model.GraphStatus.TOSA_VALID:
        raise NetworkError(f"the TOSA reference model refuses the file or its inputs: {status.name}")
    return [np.asarray(output).view(np.int8) for output in outputs]


def is_reference_installed() -> bool:
    """Returns whether tosa-tools' reference model is installed."""
    return importlib.util.find_spec(_MODULE) is not None


def _reference_model() -> ModuleType:
    try:
        return importlib.import_module(_MODULE)
    except ImportError as error:
        raise NetworkError(
            "tosa-tools is not installed, so there is nothing to compare with: pip install --no-deps tosa-tools"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Discards what native code writes to standard output."""
    sys.stdout.flush()
    kept, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)
