"""The results of a study as files for spreadsheets and scripts."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from dse import formats
from dse.design import Role
from dse.report.recommendations import Recommendation, recommendation
from dse.store import StudyFacts, StudyResults, design_table, for_people, heading
from dse.verdict import ROLE_NAMES, Choice, uniform_name
from nets.files import replacing

_EXCEL_ROWS = 1_048_575  # rows of a sheet without its heading
_WIDEST = 48  # characters in a spreadsheet column


def write_tables(results: StudyResults, folder: Path) -> None:
    """Writes front, baselines, trials and layers as CSV, the trials as Parquet and everything as one XLSX.

    Each file appears whole or not at all. CSV and Parquet have the columns of ``StudyResults``; the spreadsheet has
    headings with units.
    """
    trials = whole_numbers(results.trials)
    front = whole_numbers(design_table(results.front, results.rescalers))
    baselines = whole_numbers(design_table(results.baselines, results.rescalers))
    frames = {"front": front, "baselines": baselines, "trials": trials, "layers": scored_layers(results)}
    for name, frame in frames.items():
        with replacing(folder / f"{name}.csv") as path:
            frame.to_csv(path, index=False)
    with replacing(folder / "trials.parquet") as path:
        trials.to_parquet(path, index=False)
    with replacing(folder / "results.xlsx") as path:
        _write_workbook(results, front, path)


def scored_layers(results: StudyResults) -> pd.DataFrame:
    """Returns the layers of front and baselines: those of thousands of other designs do not fit a spreadsheet."""
    if results.layers.empty:
        return results.layers
    return results.layers[results.layers["trial"].isin([*results.front["trial"], *results.baselines["trial"]])]


def whole_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the table with integer bits, also if waiting trials have none."""
    bits = [name for name in frame.columns if str(name).endswith("_bits") and frame[name].notna().any()]
    return frame.astype(dict.fromkeys(bits, "Int64"))


def summary_table(results: StudyResults, rec: Recommendation) -> pd.DataFrame:
    """Returns the recommended designs and those they are compared with: a row per design, headings with units."""
    cells = _summary_cells(results.facts)
    rows = [{title: cell(choice) for title, cell in cells.items()} for _, choice in compared(rec)]
    summary = pd.DataFrame(rows, columns=list(cells))
    summary.insert(0, "Design", [label for label, _ in compared(rec)])
    return summary


def compared(rec: Recommendation) -> list[tuple[str, Choice]]:
    """Returns the designs that a report compares first, with their labels; designs that do not exist are left out."""
    named = [
        *((name.capitalize(), choice) for name, choice in rec.recommended.items()),
        (f"{ROLE_NAMES[Role.INT32]} baseline", rec.int32),
        (f"{ROLE_NAMES[Role.CONTROL]} (control)", rec.control),
        (f"Best uniform: {uniform_name(rec.best_uniform)}" if rec.best_uniform else "", rec.best_uniform),
        ("All absorb, 1 bit", rec.all_absorb),
    ]
    return [(label, choice) for label, choice in named if choice is not None]


def _summary_cells(facts: StudyFacts) -> dict[str, Callable[[Choice], object]]:
    """Returns what the summary shows of a design, by heading."""
    return {
        "Trial": lambda choice: choice.trial,
        "Multiplier widths (bits)": lambda choice: formats.widths(choice.multiplier_bits),
        "Methods": lambda choice: formats.methods(choice.methods),
        **({"Shift windows": lambda choice: formats.windows(choice.shift_bits)} if facts.windows_vary else {}),
        "Fine-tuning": lambda choice: choice.finetune,
        facts.area.heading: lambda choice: choice.area_um2,
        "Area, times less than int32": lambda choice: choice.area_ratio,
        facts.energy.heading: lambda choice: choice.energy_nj,
        "Energy, times less than int32": lambda choice: choice.energy_ratio,
        "Rescalers' share of the accelerator's area": lambda choice: choice.accelerator_area_share,
        "Rescalers' share of the accelerator's energy": lambda choice: choice.accelerator_energy_share,
        facts.loss.heading: lambda choice: choice.val_loss,
        heading("val_accuracy_drop_vs_control_pp"): lambda choice: choice.val_drop_vs_control_pp,
        heading(facts.loss.on_test[0]): lambda choice: choice.test_loss,
        f"95% interval, lower end ({facts.loss.unit})": lambda choice: choice.ci_low,
        f"95% interval, upper end ({facts.loss.unit})": lambda choice: choice.ci_high,
        "Evidence": lambda choice: choice.evidence.value,
    }


def _write_workbook(results: StudyResults, front: pd.DataFrame, path: Path) -> None:
    rec = recommendation(results)
    sheets = {
        "Summary": summary_table(results, rec),
        "Front": for_people(front),
        "Trials": for_people(results.trials),
        "Layers": for_people(scored_layers(results)),
        "About": _about(results, rec),
    }
    # Text from files stays text: nothing in it becomes a formula or a link.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with pd.ExcelWriter(path, engine="xlsxwriter", engine_kwargs={"options": options}) as writer:
        for name, frame in sheets.items():
            _write_sheet(writer, name, frame)


def _write_sheet(writer: pd.ExcelWriter, name: str, frame: pd.DataFrame) -> None:
    frame = frame.head(_EXCEL_ROWS)
    frame.to_excel(writer, sheet_name=name, index=False)
    sheet = writer.sheets[name]
    sheet.freeze_panes(1, 1)
    if len(frame.columns):
        sheet.autofilter(0, 0, max(1, len(frame)), len(frame.columns) - 1)
    for column, title in enumerate(frame.columns):
        sheet.set_column(column, column, min(_WIDEST, max(10, len(str(title)) + 2)))


def _about(results: StudyResults, rec: Recommendation) -> pd.DataFrame:
    facts = results.facts
    rows = [
        ("Study", facts.study),
        ("Recommendation", rec.verdict.text),
        *(("Caution", caution) for caution in rec.verdict.cautions),
        ("Network", facts.network),
        ("Data", facts.dataset),
        *((f"Samples, {split}", f"{amount:,}") for split, amount in facts.samples.items()),
        ("Calibration", f"{facts.calibration:,} unlabelled samples" if facts.calibration else "none"),
        ("Contract", facts.contract),
        ("Accelerator style", f"{facts.style}, {formats.count(facts.lanes, 'lane')}, {facts.architecture} rescalers"),
        ("Objective's cost model", str(facts.objective_cost)),
        ("Other cost model", str(facts.other_cost)),
        *facts.provenance.items(),
    ]
    return pd.DataFrame(rows, columns=["What", "Value"])
