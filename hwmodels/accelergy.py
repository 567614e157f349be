"""Costs of rescalers as component tables of Accelergy, for accelerator models of Timeloop and others.

Two plug-ins of Accelergy read CSV files: the library plug-in (``rescaler.csv``; Accelergy 0.4, technology in nm, one
row of energies for ``read``, ``write``, ``update`` and ``leak`` each) and the table-based plug-in (``tables/``, found
by its identifier ``rescaler.table.yaml``). ``rescaler.lib.yaml`` declares the component class. Formats: READMEs of
Accelergy-Project/accelergy-library-plug-in and accelergy-table-based-plug-ins; energies in pJ, areas in um2.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hwmodels.costs import UnitCost
from hwmodels.errors import HardwareError
from hwmodels.models import CostModel
from hwmodels.workload import RescalerWorkload, RescaleStage

OUTPUT_BITS: Final = 8
_COMPONENT: Final = "rescaler"
_CYCLE_S: Final = 1e-9
_PJ_OF_UW: Final = 1e-3  # uW over a cycle of 1 ns


@dataclass(frozen=True, slots=True)
class Entry:
    """A rescaler of the table: its widths in bits, and its cost."""

    accumulator_bits: int
    multiplier_bits: int
    shift_bits: int
    cost: UnitCost

    @property
    def attributes(self) -> dict[str, int]:
        """The attributes by which a model asks for the component."""
        return {
            "accumulator_bits": self.accumulator_bits,
            "multiplier_bits": self.multiplier_bits,
            "shift_bits": self.shift_bits,
            "output_bits": OUTPUT_BITS,
        }


def entries_of(
    model: CostModel,
    accumulator_bits: Sequence[int],
    multiplier_bits: Sequence[int],
    shift_bits: Sequence[int],
    contract: str = "half_up",
) -> list[Entry]:
    """Returns the rescalers of all combinations of widths, each with its cost.

    The largest right shift of a window is the one that brings the product of a full accumulator to the output's width.

    Raises:
        HardwareError: a width cannot be built, or the model's table lacks its area or energy.
    """
    entries = []
    for accumulator in accumulator_bits:
        for k in multiplier_bits:
            for window in shift_bits:
                cost = model.unit_cost(_workload(accumulator, k, window, contract))
                if cost.area_um2 is None or cost.energy_pj is None:
                    raise HardwareError(f"{model.technology.name} has no cost of a rescaler: {cost.missing[0]}")
                entries.append(Entry(accumulator, k, window, cost))
    return entries


def _workload(accumulator_bits: int, multiplier_bits: int, shift_bits: int, contract: str) -> RescalerWorkload:
    largest = accumulator_bits + multiplier_bits - OUTPUT_BITS
    smallest = largest - (1 << shift_bits) + 1
    if smallest < 1:
        raise HardwareError(
            f"shift_bits is {shift_bits}, but an accumulator of {accumulator_bits} bits and k = {multiplier_bits} "
            f"leave right shifts up to {largest}; use fewer"
        )
    stage = RescaleStage(
        operand_bits=accumulator_bits,
        multiplier_bits=multiplier_bits,
        right_shift_min=smallest,
        right_shift_max=largest,
    )
    return RescalerWorkload(
        name=_COMPONENT,
        stages=(stage,),
        output_bits=OUTPUT_BITS,
        channels=1,
        rescales_per_inference=1,
        macs_per_inference=0,
        weight_bits=0,
        activation_bits=OUTPUT_BITS,
        contract=contract,
    )


def files_of(entries: Sequence[Entry], model: CostModel) -> Mapping[str, str]:
    """Returns the text of every file by its path in the folder."""
    node = f"{model.technology.node_nm:g}"
    return {
        f"{_COMPONENT}.csv": _library(entries, model, node),
        f"{_COMPONENT}.lib.yaml": _declaration(entries, node),
        f"tables/{_COMPONENT}.table.yaml": _identifier(entries, model, node),
        f"tables/data/{_COMPONENT}.csv": _table(entries, node),
    }


def _library(entries: Sequence[Entry], model: CostModel, node: str) -> str:
    """Returns the file of the library plug-in; what follows a # is a comment to it."""
    table = model.technology
    head = [
        f"# Rescalers of integer networks: {model.name} model, table {table.name} ({node} nm, {table.voltage_v:g} V).",
        f"# {_plain(table.source)}",
        f"# Activity: {_plain(table.activity)}; {_plain(table.order_note)}.",
    ]
    rows = [row for entry in entries for row in _library_rows(entry, node)]
    return "\n".join([*head, _csv(rows)])


def _library_rows(entry: Entry, node: str) -> list[dict[str, object]]:
    base = {"technology": node, "global_cycle_seconds": _CYCLE_S, **entry.attributes}
    leakage = entry.cost.leakage_uw
    energies = {
        "rescale|read": f"{entry.cost.energy_pj:.6g}",
        "write|update|idle": "0",
        "leak": "0" if leakage is None else f"{leakage * _PJ_OF_UW:.6g}",
    }
    return [
        {**base, "energy": energy, "area": f"{entry.cost.area_um2:.6g}", "action": action}
        for action, energy in energies.items()
    ]


def _table(entries: Sequence[Entry], node: str) -> str:
    """Returns the file of the table-based plug-in, which has no comments; unknown leakage has no row."""
    rows: list[dict[str, object]] = []
    for entry in entries:
        leakage = entry.cost.leakage_uw
        energies = {"rescale": entry.cost.energy_pj, "idle": 0.0}
        if leakage is not None:
            energies["leak"] = leakage * _PJ_OF_UW
        rows += [
            {
                "technology": f"{node}nm",
                **entry.attributes,
                "action": action,
                "energy": f"{energy:.6g}",
                "area": f"{entry.cost.area_um2:.6g}",
            }
            for action, energy in energies.items()
        ]
    return _csv(rows)


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _identifier(entries: Sequence[Entry], model: CostModel, node: str) -> str:
    errors = [error or 0.0 for each in entries for error in (each.cost.area_error, each.cost.energy_error)]
    accuracy = max(1, round(100 * (1 - max(errors))))  # the plug-in passes over tables of accuracy 0
    return (
        f"# {_plain(model.technology.order_note)}\n"
        f"name: rescalers_{model.technology.name}\n"
        f"technology: {node}nm\n"
        f"accuracy: {accuracy}  # percent, by the error that the technology table states\n"
        "path_to_data_dir: ./data\n"
    )


def _declaration(entries: Sequence[Entry], node: str) -> str:
    # YAML 1.1 takes a number without a decimal point for a text.
    attributes = {"technology": f"{node}nm", "global_cycle_seconds": f"{_CYCLE_S:.1e}", **entries[0].attributes}
    lines = [f"      {name}: {value}" for name, value in attributes.items()]
    actions = [f"      - name: {name}" for name in ("rescale", "read", "write", "update", "leak", "idle")]
    return "\n".join(
        [
            "# One rescaler: a rescale is one output of 8 bits; read is another name of it (Timeloop asks for read).",
            "version: 0.4",
            "classes:",
            f"  - name: {_COMPONENT}",
            "    attributes:",
            *lines,
            "    actions:",
            *actions,
            "",
        ]
    )


def _plain(text: str) -> str:
    return " ".join(text.replace("#", "").split())
