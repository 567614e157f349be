"""Heavy modules of a room are imported when they are first needed: a stored table must not wait for torch."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def names_on_demand(room: str, *modules: str) -> Callable[[str], Any]:
    """Returns a room's ``__getattr__`` (PEP 562), which imports modules when one of their public names is first used.

    The room's ``__init__`` imports the same names under ``TYPE_CHECKING``, where mypy and import-linter see them, and
    lists them in ``__all__``.

    Args:
        room: name of the package.
        modules: its heavy modules, the fastest to import first.
    """

    def attribute(name: str) -> Any:  # noqa: ANN401 -- the type of a name is the one under TYPE_CHECKING
        package = sys.modules[room]
        if name in package.__all__:
            for module in (import_module(f"{room}.{each}") for each in modules):
                if hasattr(module, name):
                    setattr(package, name, getattr(module, name))
                    return getattr(module, name)
        raise AttributeError(f"module {room!r} has no attribute {name!r}", name=name, obj=package)

    return attribute
