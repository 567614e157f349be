"""Which columns the tables have, in which order, and how they are headed for people."""

from collections.abc import Iterable

import pandas as pd

from dse.store.results import StudyResults

LEADING = (
    "trial",
    "role",
    "finetune",
    "fidelity",
    "val_accuracy",
    "val_accuracy_drop_pp",
    "val_accuracy_drop_vs_control_pp",
    "test_accuracy",
    "test_accuracy_drop_pp",
    "ci_low",
    "ci_high",
    "test_accuracy_drop_vs_control_pp",
    "rescaler_area_um2",
    "rescaler_energy_nj",
    "other_rescaler_area_um2",
    "other_rescaler_energy_nj",
    "accelerator_area_um2",
    "accelerator_energy_nj",
    "latency_cycles",
    "parameter_bits",
)

HEADINGS = {
    "trial": "Trial",
    "state": "State",
    "role": "Role",
    "on_front": "On the front",
    "finetune": "Fine-tuning",
    "fidelity": "Fidelity of the accuracy",
    "val_accuracy": "Validation accuracy (%)",
    "val_accuracy_integer": "Validation accuracy before fine-tuning (%)",
    "val_accuracy_drop_pp": "Validation accuracy drop (pp)",
    "val_accuracy_drop_vs_control_pp": "Validation accuracy drop against the fine-tuned int32 (pp)",
    "test_accuracy": "Test accuracy (%)",
    "test_accuracy_drop_pp": "Test accuracy drop (pp)",
    "ci_low": "Test drop, lower end of the 95% interval (pp)",
    "ci_high": "Test drop, upper end of the 95% interval (pp)",
    "test_accuracy_drop_vs_control_pp": "Test accuracy drop against the fine-tuned int32 (pp)",
    "feasible": "Keeps the constraints",
    "rescaler_area_um2": "Rescaler area (µm²)",
    "rescaler_energy_nj": "Rescaler energy per inference (nJ)",
    "other_rescaler_area_um2": "Rescaler area, other cost model (µm²)",
    "other_rescaler_energy_nj": "Rescaler energy per inference, other cost model (nJ)",
    "other_style_rescaler_area_um2": "Rescaler area, other accelerator style (µm²)",
    "accelerator_area_um2": "Accelerator area (µm²)",
    "accelerator_energy_nj": "Accelerator energy per inference (nJ)",
    "latency_cycles": "Latency (cycles)",
    "parameter_bits": "Rescaler parameters (bits)",
    "contract": "Rounding contract",
    "style": "Accelerator style",
    "lanes": "Rescaler lanes",
    "seconds": "Evaluation time (s)",
    "finished": "Finished (UTC)",
    "error": "Error",
    "rescaler": "Rescaler",
    "multiplier_bits": "Multiplier width (bits)",
    "method": "Method",
    "accumulator_bits": "Accumulator width (bits)",
    "right_shift_min": "Right shift, smallest (bits)",
    "right_shift_max": "Right shift, largest (bits)",
    "channels": "Channels",
    "rescales": "Rescales per inference",
    "macs": "MACs per inference",
    "area_um2": "Area (µm²)",
    "datapath_area_um2": "Datapath area (µm²)",
    "parameter_area_um2": "Parameter memory area (µm²)",
    "energy_nj": "Energy per inference (nJ)",
}


def bits_columns(rescalers: Iterable[str]) -> list[str]:
    """Columns of ``trials`` with the multiplier widths, in bits."""
    return [f"{name}.multiplier_bits" for name in rescalers]


def method_columns(rescalers: Iterable[str]) -> list[str]:
    """Columns of ``trials`` with the methods."""
    return [f"{name}.method" for name in rescalers]


def design_table(results: StudyResults, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``trials`` with the columns of ``front.csv`` and ``baselines.csv``.

    Columns that a study has and this module does not know (extensions) keep their place at the end.
    """
    design = [*bits_columns(results.rescalers), *method_columns(results.rescalers)]
    known = [*LEADING, *design]
    bookkeeping = {"state", "on_front", "seconds", "finished", "error"}
    others = [name for name in rows.columns if name not in known and name not in bookkeeping]
    return rows[[name for name in [*known, *others] if name in rows.columns]]


def judged(results: StudyResults) -> pd.DataFrame:
    """Trials from which the front is made: complete, scored on the whole validation split, feasible where any is."""
    trials = results.trials
    whole = trials[(trials["state"] == "COMPLETE") & (trials["fidelity"] != "part")]
    if "feasible" not in whole.columns:
        return whole
    feasible = whole[whole["feasible"].astype(bool)]
    return whole if feasible.empty else feasible


def heading(column: str) -> str:
    """What a column is called in tables for people, unit included."""
    if column in HEADINGS:
        return HEADINGS[column]
    name, _, quantity = column.rpartition(".")
    if name and quantity == "multiplier_bits":
        return f"{name}: multiplier width (bits)"
    if name and quantity == "weight_bits":
        return f"{name}: weight width (bits)"
    if name and quantity == "method":
        return f"{name}: method"
    return column


def for_people(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table under headings with units.

    Two rescalers may have names that lead to equal headings; such columns keep their own names.
    """
    headings = [heading(str(name)) for name in frame.columns]
    unique = [
        text if headings.count(text) == 1 else str(name) for text, name in zip(headings, frame.columns, strict=True)
    ]
    return frame.set_axis(unique, axis="columns")
