"""Writes docs/api/: the public names of every package: ``python -m studies.reference.write_api``.

Sphinx takes signatures and docstrings from the code when it builds the site. A name that several packages offer stands
in the first of them.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import GenericAlias, ModuleType

ROOT = Path(__file__).parents[2]
PACKAGES = ("dse", "nets", "hwmodels")


def public_packages(top: str) -> Iterator[ModuleType]:
    """Yields a package and those inside of it that list public names, in the order of their names."""
    package = importlib.import_module(top)
    inside = [found.name for found in pkgutil.walk_packages(package.__path__, f"{top}.") if found.ispkg]
    for name in [top, *sorted(inside)]:
        module = importlib.import_module(name)
        if getattr(module, "__all__", None):
            yield module


def page(top: str) -> str:
    """Returns the page of a top-level package in Markdown."""
    seen: set[int] = set()
    text = f"# {top}\n\nThis page is generated (`python -m studies.reference.write_api`).\n"
    for module in public_packages(top):
        names = [name for name in module.__all__ if id(getattr(module, name)) not in seen]
        seen |= {id(getattr(module, name)) for name in names}
        entries = "".join(f".. {_directive(module, name)}:: {module.__name__}.{name}\n" for name in names)
        if entries:
            summary = (module.__doc__ or "").strip()
            text += f"\n## {module.__name__}\n\n{summary}\n\n```{{eval-rst}}\n{entries}```\n"
    return text


def _directive(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    if inspect.isclass(value) and not isinstance(value, GenericAlias):
        return "autoexception" if issubclass(value, BaseException) else "autoclass"
    # The docstring of a constant is that of its type.
    return "autofunction" if inspect.isfunction(inspect.unwrap(value)) else "py:data"


def main() -> None:
    """Writes a page for each top-level package."""
    for top in PACKAGES:
        (ROOT / "docs" / "api" / f"{top}.md").write_text(page(top), encoding="utf-8")


if __name__ == "__main__":
    main()
