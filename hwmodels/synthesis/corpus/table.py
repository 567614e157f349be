"""Gate figures as a section of a technology table's file."""

import re
from collections.abc import Mapping
from typing import Final

from hwmodels.technologies import Gates

_HEADER: Final = "[gates]"
_SECTION: Final = re.compile(r"\n?^\[gates(\.[\w.]+)?\]\n(?:(?!\[).*\n?)*", re.MULTILINE)


def gates_text(gates: Gates) -> str:
    """Returns the section of a table."""
    lines = [
        _HEADER,
        f'source = "{gates.source}"',
        f"area_range_um2 = {list(gates.area_range_um2)}",
        f"cycle_pj = {gates.cycle_pj:g}",
    ]
    for name in ("area_um2", "leakage_uw", "settled_pj", "glitch_pj", "delay_ns"):
        figures: Mapping[str, float] = getattr(gates, name)
        lines.append(f"{name} = {{ {', '.join(f'{kind} = {value:g}' for kind, value in figures.items())} }}")
    for metric, classes in gates.errors.items():
        lines += ["", f"[gates.errors.{metric}]"]
        for design_class, errors in classes.items():
            figures = {"points": errors.points, "mean": errors.mean, "worst": errors.worst, "rank": errors.rank}
            lines.append(f"{design_class} = {{ {', '.join(f'{key} = {value:g}' for key, value in figures.items())} }}")
    return "\n".join(lines) + "\n"


def with_gates(table: str, gates: Gates) -> str:
    """Returns the text of a table with this section in place of the one that it has."""
    return f"{_SECTION.sub('', table).rstrip()}\n\n{gates_text(gates)}"
