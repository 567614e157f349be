"""constraints.txt names a version of every dependency, within the bounds of pyproject.toml."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from studies.reference.write_constraints import constraints, normalized
from studies.reference.write_licences import pinned

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(text) for text in [*project["dependencies"], *project["optional-dependencies"]["dev"]]]


@pytest.mark.parametrize("needed", declared(), ids=lambda needed: needed.name)
def test_a_pin_of_each_dependency_is_within_its_bounds(pins: dict[str, str], needed: Requirement) -> None:
    assert needed.specifier.contains(pins[normalized(needed.name)]), "make constraints"


def test_builds_of_a_release_and_the_project_itself_are_not_named() -> None:
    text = constraints([("Torch", "2.13.0+cpu"), ("rescale_dse", "1"), ("pip", "1"), ("a.B_c", "3")])
    assert text.splitlines()[1:] == ["a-b-c==3", "torch==2.13.0"]


def test_the_page_of_licences_names_every_package() -> None:
    rows = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8").splitlines()
    assert {row.split(" | ")[0].strip("| ") for row in rows if row.startswith("| ")} - {"package"} == set(pinned())
