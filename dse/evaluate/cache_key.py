"""Keys of evaluations in the cache: equal keys mean equal results, bit for bit.

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

import hwmodels
import nets
from dse.design import DesignPoint, Finetune, Job, Level
from dse.evaluate.designs import member_job
from dse.evaluate.evaluator import finetune_settings, part_of
from dse.study import HardwareSpec, PreparedMember, PreparedStudy, Study
from hwmodels import included_files, load_memory, load_technology
from nets.digests import digest
from nets.network import QuantizedNetwork, fingerprint

_PACKAGES = ("numpy", "pyverilog", "torch")  # their arithmetic, or their reading of Verilog, affects results
_SOURCES = ("*.py", "*.cpp", "*.h", "*.toml", "*.v", "*.npz")
ROOMS = ("design", "evaluate", "study")  # the packages of dse that evaluations run; nets and hwmodels count whole
_KEYED_BY_LEVEL = ("spec", "dataset", "data_sha256", "splits")  # keyed only at levels that depend on them


class CacheKeys:
    """Computes the keys of a study's evaluations."""

    def __init__(self, study: PreparedStudy) -> None:
        mix = [study.spec.accuracy, *((m.name, m.spec.weight, m.spec.inferences) for m in study.members)]
        self._study = repr(mix).encode()
        self._hardware = _hardware(study.spec.hardware)
        self._program = digest(machine().encode(), sources())
        self._members = [_MemberKeys(member, study.spec) for member in study.members]

    def __call__(self, job: Job) -> str:
        """Returns the key of a job, hexadecimal; it does not depend on the number of the trial."""
        what = json.dumps([job.level.value, job.network_sha256]).encode()
        hardware = [] if job.level is Level.TEST else [self._hardware]
        return digest(self._program, self._study, what, *hardware, *(keys(job) for keys in self._members)).hex()


class _MemberKeys:
    """Computes the part of a key that depends on one member."""

    def __init__(self, member: PreparedMember, spec: Study) -> None:
        self._member, self._spec = member, spec
        names = [field.name for field in fields(member) if field.name not in _KEYED_BY_LEVEL]
        outputs = member.spec.network.outputs.encode()  # classes and values diverge by different measures
        self._network = digest(outputs, *(_content(getattr(member, name)) for name in names))

    def __call__(self, job: Job) -> bytes:
        """Returns a digest of everything that the member's part of a job depends on."""
        own = member_job(job, self._member)
        designs = json.dumps([_design(own.point), None if own.heir_of is None else _design(own.heir_of)]).encode()
        samples, settings = self._samples[job.level], self._settings(job.level)
        return digest(self._network, samples, designs, _content(own.weights), settings)

    @functools.cached_property
    def _samples(self) -> dict[Level, bytes]:
        """The digest of the samples that every level uses."""
        splits = self._member.splits
        finetune, validation, test = (_content(part) for part in (splits.finetune, splits.validation, splits.test))
        validated = {level: finetune + validation if level.is_trained else validation for level in Level}
        calibration = _content(splits.calibration)
        return {level: calibration + used for level, used in {**validated, Level.TEST: test}.items()}

    def _settings(self, level: Level) -> bytes:
        """Returns a digest of the study file's settings for a level."""
        if level.is_trained:
            device = b"gpu" if self._spec.workers.gpus else b"cpu"
            return _content(finetune_settings(self._spec, level)) + device
        return _content(part_of(self._member, self._spec)) if level is Level.PART else b""


def machine() -> str:
    """Returns what training depends on besides the program: packages and the processor's vector instructions."""
    versions = {package: version(package) for package in _PACKAGES}
    return json.dumps([versions, processor()])


def processor() -> str:
    """Returns the processor's instruction set and the vector instructions that torch uses."""
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


@functools.cache
def sources() -> bytes:
    """Returns a digest of every source file that an evaluation may run or read."""
    roots = [Path(str(package.__file__)).parent for package in (nets, hwmodels)]
    roots += [Path(__file__).parents[1] / room for room in ROOMS]
    files = [file for root in roots for file in sorted(file for pattern in _SOURCES for file in root.rglob(pattern))]
    return digest(*(file.name.encode() + b"\0" + file.read_bytes() for file in files))


def _design(point: DesignPoint) -> str:
    """Returns the design without how far it may be trained: the level of a job says how far it is."""
    return replace(point, finetune=Finetune.NONE).to_json()


def _hardware(hardware: HardwareSpec) -> bytes:
    """Returns a digest of the section, with the contents of its files instead of their paths."""
    own = hardware.model_dump(mode="json", exclude={"technology": True, "rtl": {"files"}, "accelerator": {"memory"}})
    tables = load_technology(hardware.technology), load_memory(hardware.accelerator.memory)
    files = hardware.rtl.files if hardware.rtl else ()
    rtl = [digest(*(each.read_bytes() for each in (file, *included_files(file)))) for file in files]
    content = [own, *(table.model_dump(mode="json") for table in tables)]
    return digest(json.dumps(content, sort_keys=True).encode(), *rtl)


def _content(value: object) -> bytes:
    """Returns a digest of plain data: networks, arrays, and mappings and dataclasses of them."""
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
