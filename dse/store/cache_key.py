"""What an evaluation's result depends on, as one hash: equal keys mean equal results, bit for bit.

The part of the program in the key is a hash of its source files. A git revision would change with every commit to the
documents, and could not tell two working trees apart that were both changed; a version number does neither.
"""

import functools
import json
import platform
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

import dse
import hwmodels
import nets
from dse.design.evaluation import Job, Level
from dse.design.point import DesignPoint, Finetune
from dse.evaluate.evaluator import finetune_settings, part_of
from dse.study.problem import Problem
from dse.study.spec import HardwareSpec
from hwmodels import load_technology
from nets.digests import digest
from nets.network.fingerprint import fingerprint
from nets.network.quantized_network import QuantizedNetwork

_PACKAGES = ("numpy", "pyverilog", "torch")  # whose arithmetic, or whose reading of Verilog, results depend on
_SOURCES = ("*.py", "*.cpp", "*.h", "*.toml", "*.v", "*.npz")
# Rooms of dse; nets and hwmodels count as a whole.
OURS = ("design", "evaluate", "study")
_NOT_THE_PROBLEM = ("spec", "dataset", "data_sha256", "splits")  # named below as far as a level depends on them
_TRAINED = (Level.SHORT_FINETUNE, Level.FULL_FINETUNE)


class CacheKeys:
    """Keys of the evaluations of one problem.

    Args:
        problem: what is evaluated.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        names = [field.name for field in fields(problem) if field.name not in _NOT_THE_PROBLEM]
        self._network = digest(*(_content(getattr(problem, name)) for name in names))
        self._hardware = digest(_hardware(problem.spec.hardware))
        self._program = digest(machine().encode(), sources())

    def __call__(self, job: Job) -> str:
        """The key of a job, hexadecimal; the number of its trial is no part of it."""
        heir_of = None if job.heir_of is None else _design(job.heir_of)
        what = json.dumps([job.level.value, _design(job.point), heir_of, job.network_sha256])
        parts = [self._program, self._network, self._samples[job.level], what.encode(), _content(job.weights)]
        if job.level is not Level.TEST:
            parts += [self._hardware, self._settings(job.level)]
        return digest(*parts).hex()

    @functools.cached_property
    def _samples(self) -> dict[Level, bytes]:
        """The samples that every level sees."""
        splits = self._problem.splits
        finetune, validation, test = (_content(part) for part in (splits.finetune, splits.validation, splits.test))
        trained = dict.fromkeys(_TRAINED, finetune + validation)
        return {Level.PART: validation, Level.INTEGER: validation, Level.TEST: test, **trained}

    def _settings(self, level: Level) -> bytes:
        """What the study file says about a level."""
        if level in _TRAINED:
            device = b"gpu" if self._problem.spec.workers.gpus else b"cpu"
            return _content(finetune_settings(self._problem, level)) + device
        return _content(part_of(self._problem)) if level is Level.PART else b""


def machine() -> str:
    """What sums in training depend on beside the program: packages, and the processor's vector instructions."""
    found = {package: version(package) for package in _PACKAGES}
    return json.dumps([found, platform.machine(), torch.backends.cpu.get_cpu_capability()])


@functools.cache
def sources() -> bytes:
    """A digest of every source file that an evaluation may run or read."""
    roots = [Path(str(package.__file__)).parent for package in (nets, hwmodels)]
    roots += [Path(str(dse.__file__)).with_name(room) for room in OURS]
    files = [file for root in roots for file in sorted(file for pattern in _SOURCES for file in root.rglob(pattern))]
    return digest(*(file.name.encode() + b"\0" + file.read_bytes() for file in files))


def _design(point: DesignPoint) -> str:
    """The design without how far it may be trained: how far it is, the level says."""
    return replace(point, finetune=Finetune.NONE).to_json()


def _hardware(hardware: HardwareSpec) -> bytes:
    """The section, with what is in its files instead of where they are."""
    own = hardware.model_dump(mode="json", exclude={"technology": True, "rtl": {"files"}})
    table = load_technology(hardware.technology).model_dump(mode="json")
    rtl = [file.read_bytes() for file in hardware.rtl.files] if hardware.rtl else []
    return digest(json.dumps([own, table], sort_keys=True).encode(), *rtl)


def _content(value: object) -> bytes:
    """A digest of plain data: networks, arrays, and tables and records of them."""
    if isinstance(value, QuantizedNetwork):
        return fingerprint(value).encode()
    if isinstance(value, np.ndarray):
        return digest(repr((value.dtype.str, value.shape)).encode(), np.ascontiguousarray(value).tobytes())
    if isinstance(value, Mapping):
        return digest(*(part for key in sorted(value) for part in (str(key).encode(), _content(value[key]))))
    if is_dataclass(value) and not isinstance(value, type):
        return digest(*(_content(getattr(value, field.name)) for field in fields(value)))
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value).encode()
    raise TypeError(f"no key for {type(value).__name__}")
