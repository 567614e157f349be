"""Cost of any Verilog design."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from hwmodels.costs import UnitCost
from hwmodels.errors import HardwareError
from hwmodels.models.gate_costs import InstanceCost, PartCost, instance_costs
from hwmodels.models.own_design import design_cost
from hwmodels.orders import OutputOrder
from hwmodels.parsing import Memory, Operator, Port, Register, parse_files
from hwmodels.technologies import Technology


@dataclass(frozen=True, slots=True)
class VerilogCost:
    """Operators, registers and cost of a design; ``missing`` holds a reason for each figure that is None.

    Attributes:
        parameters: resolved parameters of the top module.
        technology: name of the technology table.
        output_order: order of outputs that the energy holds for; None if the table has one for both orders, or gate
            figures, whose energies are those of random inputs.
        energy_pj: energy of one clock cycle.
        delay_ns: longest path between inputs, registers and outputs, without the registers' own delays.
        period_ns: shortest clock period: that path with the delay of a flip-flop and its setup time.
        area_error: relative error of the area (0.1 is 10 %): that of designs of its class that synthesis measured, the
            worst of them for a design unlike them; without gate figures, what the table states for its components.
        energy_error: relative error of the energy.
        errors: what the errors were measured on, in words; '' without gate figures.
        parts: area, energy and settling time of every operator and register; empty without gate figures.
        instances: the same of every instance.
        operators: every operator with widths and signedness.
        ports: ports of the top module.
        unit: costs by component.
    """

    top: str
    parameters: Mapping[str, int]
    technology: str
    output_order: OutputOrder | None
    area_um2: float | None
    energy_pj: float | None
    delay_ns: float | None
    period_ns: float | None
    leakage_uw: float | None
    area_error: float | None
    energy_error: float | None
    errors: str
    parts: tuple[PartCost, ...]
    instances: tuple[InstanceCost, ...]
    operators: tuple[Operator, ...]
    registers: tuple[Register, ...]
    memories: tuple[Memory, ...]
    ports: tuple[Port, ...]
    unit: UnitCost
    missing: tuple[str, ...]

    def _repr_html_(self) -> str:
        """Returns operators and figures for a notebook."""
        headings = "".join(f"<th>{name}</th>" for name in ("operator", "operand bits", "result bits", "signed", "line"))
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(each))}</tr>" for each in self.operators
        )
        caption = f"<caption>{escape(self.top)} in {escape(self.technology)}</caption>"
        figures = ((name, getattr(self, name)) for name in ("area_um2", "energy_pj", "delay_ns", "period_ns"))
        known = ", ".join(f"{name} {value:,.4g}" for name, value in figures if value is not None)
        reasons = "".join(f"<p>{escape(reason)}</p>" for reason in self.missing)
        return f"<table>{caption}<tr>{headings}</tr>{rows}</table><p>{known}</p>{reasons}"


def _cells(operator: Operator) -> tuple[str, ...]:
    widths = " x ".join(str(operand.width) for operand in operator.operands)
    return operator.kind, widths, str(operator.width), "yes" if operator.signed else "no", operator.where


def _without_delays(technology: Technology) -> str:
    return f"delay_ns: {technology.name} gives no delays of some of its components; tables of dse calibrate do"


def cost_verilog(
    path: Path | Sequence[Path],
    top: str,
    parameters: Mapping[str, int],
    technology: Technology,
    *,
    defines: Mapping[str, str] | None = None,
    include_folders: Sequence[Path] = (),
) -> VerilogCost:
    """Returns the cost of a Verilog design.

    The files must hold all modules that they instantiate. Each may include files of its own folder.

    Args:
        path: one file or several.
        top: top module.
        parameters: overrides of its parameters.
        technology: table that gives the figures.
        defines: macros that are defined from the start.
        include_folders: further folders of included files.

    Raises:
        HardwareError: with file and line, if the design cannot be read, parsed or resolved.
    """
    paths = (path,) if isinstance(path, Path) else tuple(path)
    for name, value in parameters.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise HardwareError(f"parameter {name} is {value!r}; a whole number is needed")
    design = parse_files(paths, top, parameters, defines=defines, include_folders=include_folders)
    cost = design_cost(design, technology)
    unit, parts = cost.unit, () if cost.by_gates is None else cost.by_gates.parts
    return VerilogCost(
        top=top,
        parameters=dict(design.parameters),
        technology=technology.name,
        output_order=technology.energy_order if cost.by_gates is None else None,
        area_um2=unit.area_um2,
        energy_pj=unit.energy_pj,
        delay_ns=unit.delay_ns,
        period_ns=unit.period_ns,
        leakage_uw=unit.leakage_uw,
        area_error=unit.area_error,
        energy_error=unit.energy_error,
        errors=cost.errors,
        parts=parts,
        instances=instance_costs(parts),
        operators=design.operators,
        registers=design.registers,
        memories=design.memories,
        ports=design.ports,
        unit=unit,
        missing=(*unit.missing, *(() if unit.delay_ns is not None else (_without_delays(technology),))),
    )
