"""The files that a study file names: its paths are where they lie, not what the study is."""

from collections.abc import Mapping
from pathlib import Path

from dse.study.members import MemberSpec
from dse.study.spec import HardwareSpec, Study

_TABLE = ".toml"


def input_files(study: Study) -> dict[str, Path]:
    """Returns the files of a study by their keys in the study file: models, samples, the user's table and RTL."""
    files: dict[str, Path | None] = {}
    for member in study.members:
        prefix = _prefix(member)
        files |= {f"{prefix}network.model": member.network.model, f"{prefix}data.samples": member.data.samples}
    hardware = study.hardware
    if hardware.technology.endswith(_TABLE):
        files["hardware.technology"] = Path(hardware.technology)
    if hardware.accelerator.memory.endswith(_TABLE):
        files["hardware.accelerator.memory"] = Path(hardware.accelerator.memory)
    if hardware.rtl is not None:
        files |= {_rtl_key(number): file for number, file in enumerate(hardware.rtl.files)}
    return {key: file for key, file in files.items() if file is not None}


def with_input_files(study: Study, files: Mapping[str, Path]) -> Study:
    """Returns the study with its files at other paths, by the keys of :func:`input_files`."""
    present = {**input_files(study), **files}
    members = tuple(_member_with(member, present) for member in study.members)
    return study.model_copy(update={"members": members, "hardware": _hardware_with(study.hardware, present)})


def _member_with(member: MemberSpec, files: Mapping[str, Path]) -> MemberSpec:
    prefix = _prefix(member)
    network = member.network.model_copy(update={"model": files.get(f"{prefix}network.model")})
    data = member.data.model_copy(update={"samples": files.get(f"{prefix}data.samples")})
    return member.model_copy(update={"network": network, "data": data})


def _hardware_with(hardware: HardwareSpec, files: Mapping[str, Path]) -> HardwareSpec:
    update: dict[str, object] = {}
    if (table := files.get("hardware.technology")) is not None:
        update["technology"] = str(table)
    if (table := files.get("hardware.accelerator.memory")) is not None:
        update["accelerator"] = hardware.accelerator.model_copy(update={"memory": str(table)})
    if hardware.rtl is not None:
        own = tuple(files[_rtl_key(number)] for number in range(len(hardware.rtl.files)))
        update["rtl"] = hardware.rtl.model_copy(update={"files": own})
    return hardware.model_copy(update=update)


def _prefix(member: MemberSpec) -> str:
    return f"members.{member.name}." if member.name else ""


def _rtl_key(number: int) -> str:
    return f"hardware.rtl.files[{number}]"
