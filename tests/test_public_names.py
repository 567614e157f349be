"""Every room lists its public names, and the code imports other rooms by those names alone."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nets", "hwmodels", "dse")
ROOMS = sorted(
    f"{package}.{folder.name}"
    for package in PACKAGES
    for folder in (ROOT / package).iterdir()
    if (folder / "__init__.py").is_file()
)
# Imported by its module, inside of a function: Ray takes half a second, and serial studies need none.
LAZY = {"dse.workers.ray_pool"}


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def imports_of(file: Path) -> list[tuple[str, str]]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module)
    return [(str(node.module), alias.name) for node in nodes for alias in node.names]


def test_there_are_rooms() -> None:
    assert {"nets.network", "hwmodels.architectures", "dse.study"} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_what_it_offers(room: str) -> None:
    package = importlib.import_module(room)
    assert len(package.__all__) == len(set(package.__all__))
    for name in package.__all__:
        assert hasattr(package, name)
        # A function that hides a module of its own name makes `import room.name` mean two things.
        hides = (Path(str(package.__file__)).parent / f"{name}.py").exists()
        assert not hides or inspect.ismodule(getattr(package, name)), name


@pytest.mark.parametrize("package", [*PACKAGES, "studies"])
def test_other_rooms_are_imported_by_their_public_names(package: str) -> None:
    offences = []
    for file in sorted((ROOT / package).rglob("*.py")):
        own = room_of(module_of(file)) if package != "studies" else "studies"
        for module, name in imports_of(file):
            room = room_of(module)
            if room == own or room not in ROOMS or module in LAZY:
                continue
            if module != room or name not in importlib.import_module(room).__all__:
                offences.append(f"{file.relative_to(ROOT)}: from {module} import {name}")
    assert offences == []
