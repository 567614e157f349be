"""Writes constraints.txt: the versions of all packages of the environment that runs this program.

``make constraints`` runs it in a new environment with the newest versions that pyproject.toml admits.
"""

import importlib.metadata
import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = "rescale-dse"
_INSTALLERS = {"pip", "setuptools", "wheel"}
_HEAD = "# What the tests ran with, on Python 3.11; made by `make constraints`.\n"


def normalized(name: str) -> str:
    """Returns a package's name as indexes write it (https://packaging.python.org, name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def constraints(installed: Iterable[tuple[str, str]]) -> str:
    """Returns the text of a constraints file.

    Args:
        installed: names and versions of packages. A local part of a version (``+cpu``) is left out: it names a build of
            the same release, which other machines need not have.
    """
    pins = {normalized(name): version.split("+")[0] for name, version in installed}
    kept = sorted(name for name in pins if name not in {PROJECT, *_INSTALLERS})
    return _HEAD + "".join(f"{name}=={pins[name]}\n" for name in kept)


def main() -> None:
    """Writes the file at the root of the project."""
    installed = [(found.metadata["Name"], found.version) for found in importlib.metadata.distributions()]
    (ROOT / "constraints.txt").write_text(constraints(installed), encoding="utf-8")


if __name__ == "__main__":
    main()
