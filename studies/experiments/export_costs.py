"""Compares what the rungs of a network's rescalers cost with the synthesis of the modules that ``dse export`` writes.

    python -m studies.experiments.export_costs studies/digits.toml --liberty osu018_stdcells.lib \
        --technology osu018 --out docs/results/hardware/exported_osu018.csv

The calibrated model prices every unit as it is exported, its constants built in; parameters and flow control are left
out on both sides. Designs with clamps have bounds that are no ends of the type.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import typer

from dse.export import Unit, units_of
from dse.study import load_study, prepare
from hwmodels import CalibratedRescalerModel, CostModel, load_technology
from hwmodels.errors import HardwareError
from hwmodels.synthesis import Library, build_circuit, load_liberty, synthesize
from nets.narrow import RescalerChoice, narrow
from nets.network import Method, QuantizedNetwork
from studies.experiments.program import run

Key = tuple[str, tuple[tuple[str, int], ...]]  # module and parameters


@dataclass(frozen=True, slots=True)
class CostedUnit:
    """One exported rescaler, costed and synthesized; areas in um2."""

    design: str
    rescaler: str
    module: str
    costed_um2: float
    synthesized_um2: float

    @property
    def deviation(self) -> float:
        """Relative deviation of the cost from synthesis."""
        return self.costed_um2 / self.synthesized_um2 - 1


def designs(int32: QuantizedNetwork) -> dict[str, QuantizedNetwork]:
    """Returns a design for each rung, by its name."""
    return {
        "int32": int32,
        "k = 8": _uniform(int32, RescalerChoice(8)),
        "k = 2, clamps": clamped(_uniform(int32, RescalerChoice(2))),
        **{
            name: _uniform(int32, RescalerChoice(1, Method.ABSORB, bits))
            for name, bits in (("k = 1, natural window", None), ("k = 1, window of 8", 3), ("k = 1, window of 2", 1))
        },
        "k = 1, window of 4, clamps": clamped(_uniform(int32, RescalerChoice(1, Method.ABSORB, 2))),
        "k = 1, constant shift": _uniform(int32, RescalerChoice(1, Method.ABSORB, 0)),
        "k = 1, constant shift, clamps": clamped(_uniform(int32, RescalerChoice(1, Method.ABSORB, 0))),
    }


def _uniform(int32: QuantizedNetwork, choice: RescalerChoice) -> QuantizedNetwork:
    return narrow(int32, {operator.name: choice for operator in int32.narrowable_operators()})


def clamped(network: QuantizedNetwork) -> QuantizedNetwork:
    """Returns the network with bounds that are no ends of the type."""
    return network.with_operators({op.name: replace(op, q_min=-100, q_max=90) for op in network.narrowable_operators()})


def measure(networks: dict[str, QuantizedNetwork], model: CostModel, library: Library) -> Iterator[CostedUnit]:
    """Yields every unit of every design; equal ones are synthesized once.

    Raises:
        StudyError: a rescaler cannot be exported.
        HardwareError: the table gives no areas, or yosys is absent or fails.
    """
    areas: dict[Key, float] = {}
    for design, network in networks.items():
        for unit in units_of(network, {}):
            yield _measured(design, unit, model, library, areas)


def _measured(design: str, unit: Unit, model: CostModel, library: Library, areas: dict[Key, float]) -> CostedUnit:
    key = (unit.module, tuple(unit.parameters.items()))
    if key not in areas:
        areas[key] = build_circuit(synthesize(unit.files, unit.module, unit.parameters, library), library).area_um2
    costed = model.unit_cost(unit.workload).area_um2
    if costed is None:
        raise HardwareError(f"technology {model.technology.name!r} gives no areas")
    return CostedUnit(design, unit.name, unit.module, round(costed, 1), round(areas[key], 1))


def shown(units: Iterable[CostedUnit]) -> str:
    """Returns a Markdown table with a row per design."""
    lines = ["| design | costed um2 | synthesized um2 | deviation | single units |", "| --- | --- | --- | --- | --- |"]
    by_design: dict[str, list[CostedUnit]] = {}
    for unit in units:
        by_design.setdefault(unit.design, []).append(unit)
    for design, group in by_design.items():
        costed, synthesized = sum(each.costed_um2 for each in group), sum(each.synthesized_um2 for each in group)
        single = sorted(each.deviation for each in group)
        lines.append(
            f"| {design} | {costed:,.0f} | {synthesized:,.0f} | {100 * (costed / synthesized - 1):+.1f} % "
            f"| {100 * single[0]:+.1f} to {100 * single[-1]:+.1f} % |"
        )
    return "\n".join(lines) + "\n"


def write(units: Iterable[CostedUnit], path: Path) -> None:
    """Writes a row per unit as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(CostedUnit)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(unit) for unit in units)


app = typer.Typer(add_completion=False)


@app.command()
def compare(
    study: Annotated[Path, typer.Argument(help="study, FILE.toml", show_default=False)],
    liberty: Annotated[Path, typer.Option(help="cell library, FILE.lib", show_default=False)],
    technology: Annotated[str, typer.Option(help="calibrated table of that library", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="CSV file with a row per unit", show_default=False)] = None,
) -> None:
    """Compare the costs of exported rescalers with their synthesis, rung by rung."""
    model, library = CalibratedRescalerModel(load_technology(technology)), load_liberty(liberty)
    network = prepare(load_study(study)).members[0].network
    units = list(measure(designs(network), model, library))
    typer.echo(shown(units), nl=False)
    if out is not None:
        write(units, out)


if __name__ == "__main__":
    run(app)
