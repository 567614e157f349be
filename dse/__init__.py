"""Design-space exploration: studies that join networks and hardware, their search, storage and reports."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING


def _clash(here: Path) -> str:
    """Returns which package of another project stands in the place of one of ours; empty if none does.

    The three packages are installed side by side under short names, so a folder of the same name that comes first on
    the path of modules would be imported instead, and fail far from the cause.

    Args:
        here: folder of this package.
    """
    for name in ("nets", "hwmodels"):
        found = find_spec(name)
        place = Path(found.origin).parent if found and found.origin else None
        if place != here.parent / name:
            seen = place or "nothing, or a folder without __init__.py"
            return f"rescale-dse needs its own package {name} in {here.parent}, but import finds {seen}"
    return ""


if _problem := _clash(Path(__file__).parent):
    raise ImportError(_problem)

from nets.lazy import names_on_demand  # noqa: E402 -- the right nets, as was just checked

if TYPE_CHECKING:
    from dse.api import Run, calibrate, cost, fetch_file, launch, narrow, open_run, prove
    from dse.errors import StudyError
else:
    __getattr__ = names_on_demand(__name__, "errors", "api")  # pandas and more: `dse --help` must not wait for them

__all__ = [
    "Run",
    "StudyError",
    "calibrate",
    "cost",
    "fetch_file",
    "launch",
    "narrow",
    "open_run",
    "prove",
]
