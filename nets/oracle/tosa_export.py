"""A design as a .tosa file, kept only if it computes the design's integers."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nets.execute import IntegerExecutor
from nets.files import write_bytes
from nets.importers import tosa_network
from nets.network import ActivationArray, QuantizedNetwork
from nets.oracle.tosa_reference import is_reference_installed, run_reference
from nets.writers import tosa_bytes

_REFERENCE_SAMPLES = 4  # at most; a large image takes it a second


class LostIntegersError(RuntimeError):
    """A written file computes other integers than the design: a bug of this program, not of its input."""


@dataclass(frozen=True, slots=True)
class TosaReport:
    """A written file whose every output integer is the design's.

    Attributes:
        sha256: of the file's bytes, hexadecimal.
        samples: on which the outputs were compared.
        reference_samples: the first of them, which the TOSA reference model ran; 0 if it is not installed.
    """

    sha256: str
    samples: int
    reference_samples: int


def export_tosa(network: QuantizedNetwork, path: str | Path, *samples: ActivationArray) -> TosaReport:
    """Writes a design as a .tosa file, in one step, after it was read again and run.

    Args:
        network: the design.
        path: the file to write.
        samples: one int8 array ``[samples, *shape]`` per network input, on which file and design are compared.

    Raises:
        NetworkError: TOSA cannot state the design; one line that names the operator. Nothing is written.
        LostIntegersError: an integer of the file's outputs differs from the design's. Nothing is written.
    """
    content = tosa_bytes(network)
    expected = IntegerExecutor(network).outputs(*samples)
    read = tosa_network(content, Path(path).name)
    _check("read again", network, expected, IntegerExecutor(read).outputs(*samples))
    count = min(_REFERENCE_SAMPLES, len(samples[0])) if is_reference_installed() else 0
    for at in range(count):
        computed = run_reference(content, *(x[at : at + 1] for x in samples))
        _check("run by the reference model", network, [each[at : at + 1] for each in expected], computed)
    write_bytes(Path(path), content)
    return TosaReport(hashlib.sha256(content).hexdigest(), len(samples[0]), count)


def _check(
    how: str, network: QuantizedNetwork, expected: list[ActivationArray], computed: list[ActivationArray]
) -> None:
    for ours, theirs in zip(expected, computed, strict=True):
        if not np.array_equal(ours, theirs):
            raise LostIntegersError(f"{network.name} as a .tosa file, {how}, computes other integers than the design")
