"""Writes docs/licences.md: the licences of all packages of constraints.txt, as their metadata state them."""

import importlib.metadata
from pathlib import Path

from studies.reference.write_constraints import ROOT, normalized

_HEAD = """# Licences of dependencies

rescale-dse is under Apache-2.0. These packages are installed with it or with its tools for tests and documentation,
under licences of their own, as their metadata state them (`python -m studies.reference.write_licences`).

| package | licence |
|---|---|
"""
_LONGEST = 60  # characters: a longer text is the licence itself, not its name


def licence(package: importlib.metadata.PackageMetadata) -> str:
    """Returns the licence that a package states: an SPDX expression, classifiers, or a short text, in this order."""
    if "License-Expression" in package:
        return package["License-Expression"]
    classifiers = [
        line.split(" :: ")[-1] for line in package.get_all("Classifier") or [] if line.startswith("License :: ")
    ]
    named = [name for name in classifiers if name != "OSI Approved"]
    text = package["License"].strip() if "License" in package else ""
    if named:
        return ", ".join(named)
    return text if 0 < len(text) <= _LONGEST and "\n" not in text else "see its distribution"


def page(names: list[str]) -> str:
    """Returns the page in Markdown.

    Args:
        names: normalized names of installed packages; others are left out.
    """
    found = {normalized(each.metadata["Name"]): each.metadata for each in importlib.metadata.distributions()}
    return _HEAD + "".join(f"| {name} | {licence(found[name])} |\n" for name in names if name in found)


def pinned() -> list[str]:
    """Returns the normalized names in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("==")[0] for line in lines if not line.startswith("#")]


def main() -> None:
    """Writes the page."""
    Path(ROOT / "docs" / "licences.md").write_text(page(pinned()), encoding="utf-8")


if __name__ == "__main__":
    main()
