"""The results of a study as files for spreadsheets and scripts."""

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from dse import formats
from dse.design import Role
from dse.report.clocks import clock_sentence
from dse.report.recommendations import Recommendation, recommendation
from dse.report.scene import design_style
from dse.report.spreadsheets import write_csv
from dse.store import StudyFacts, StudyResults, design_table, for_people, heading
from dse.verdict import ROLE_NAMES, Choice, uniform_name
from nets.files import replacing, write_bytes

_EXCEL_ROWS = 1_048_575  # rows of a sheet without its heading
LAYER_AREAS = ("area_um2", "datapath_area_um2", "parameter_area_um2")
_WIDEST = 60  # characters in a spreadsheet column
_HEADING_HEIGHT = 48  # points: three lines
_MEASURED = 200  # rows that decide how wide a spreadsheet column is


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
        write_csv(frame, folder / f"{name}.csv")
    with replacing(folder / "trials.parquet") as path:
        trials.to_parquet(path, index=False)
    write_bytes(folder / "results.xlsx", _workbook(results, front))


def scored_layers(results: StudyResults) -> pd.DataFrame:
    """Returns the layers of front and baselines: those of thousands of other designs do not fit a spreadsheet.

    Layers that share a bank have no area of their own; theirs is empty.
    """
    if results.layers.empty:
        return results.layers
    scored = results.layers[results.layers["trial"].isin([*results.front["trial"], *results.baselines["trial"]])]
    shared = [trial for trial in scored["trial"].unique() if design_style(results, int(trial)) == "shared"]
    return scored.assign(**{name: scored[name].mask(scored["trial"].isin(shared)) for name in LAYER_AREAS})


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
    """Returns the designs that a report compares first, each once with all of its labels."""
    named = [
        *((name.capitalize(), choice) for name, choice in rec.recommended.items()),
        (f"{ROLE_NAMES[Role.INT32]} baseline", rec.int32),
        (f"{ROLE_NAMES[Role.INT16]} baseline", rec.int16),
        (f"{ROLE_NAMES[Role.CONTROL]} (control)", rec.control),
        (f"Best uniform: {uniform_name(rec.best_uniform)}" if rec.best_uniform else "", rec.best_uniform),
        ("All absorb, 1 bit", rec.all_absorb),
    ]
    existing = [(label, choice) for label, choice in named if choice is not None]
    designs = {choice.trial: choice for _, choice in existing}
    labels = {trial: [label for label, choice in existing if choice.trial == trial] for trial in designs}
    return [(" = ".join(labels[trial]), choice) for trial, choice in designs.items()]


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
        "Area, times less than int16": lambda choice: choice.area_ratio_int16,
        facts.energy.heading: lambda choice: choice.energy_nj,
        "Energy, times less than int32": lambda choice: choice.energy_ratio,
        "Energy, times less than int16": lambda choice: choice.energy_ratio_int16,
        "Rescalers' share of the accelerator's area": lambda choice: choice.area_shares.design,
        "Rescalers' share of the accelerator's area, buffers included": lambda choice: choice.area_shares.design_whole,
        "Rescalers' share of the accelerator's energy": lambda choice: choice.energy_shares.design,
        "Rescalers' share of the accelerator's energy, buffers included": (
            lambda choice: choice.energy_shares.design_whole
        ),
        facts.loss.heading: lambda choice: choice.val_loss,
        heading("val_accuracy_drop_vs_control_pp"): lambda choice: choice.val_drop_vs_control_pp,
        heading(facts.loss.on_test[0]): lambda choice: choice.test_loss,
        f"95% interval, lower end ({facts.loss.unit})": lambda choice: choice.ci_low,
        f"95% interval, upper end ({facts.loss.unit})": lambda choice: choice.ci_high,
        "Evidence": lambda choice: choice.evidence.value,
    }


def _workbook(results: StudyResults, front: pd.DataFrame) -> bytes:
    """Returns the spreadsheet, made in memory: xlsxwriter reports a full disk by errors of its own."""
    rec = recommendation(results)
    sheets = {
        "Summary": summary_table(results, rec),
        "Front": for_people(front),
        "Trials": for_people(results.trials),
        "Layers": for_people(scored_layers(results)),
        "About": _about(results, rec),
    }
    # Text from files stays text: nothing in it becomes a formula or a link.
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "in_memory": True,
    }
    content = io.BytesIO()
    with pd.ExcelWriter(content, engine="xlsxwriter", engine_kwargs={"options": options}) as writer:
        for name, frame in sheets.items():
            _write_sheet(writer, name, frame)
    return content.getvalue()


# Number formats by the unit in a heading, or by the heading itself; other columns keep the spreadsheet's own.
_FORMATS = (
    ("(µm²)", "#,##0"),
    ("(nJ)", "#,##0.00"),
    ("(pp)", "0.00"),
    ("(%)", "0.00"),
    ("(s)", "0.0"),
    ("(cycles)", "#,##0"),
    ("times less than int", f'0.0"{formats.TIMES}"'),
    ("share of the accelerator", "0.0%"),
    ("per inference", "#,##0"),
)


def number_format(title: str) -> str:
    """Returns the number format of a spreadsheet column by its heading; empty for the spreadsheet's own."""
    return next((code for part, code in _FORMATS if part in title), "")


def _write_sheet(writer: pd.ExcelWriter, name: str, frame: pd.DataFrame) -> None:
    """Writes a table with a heading that stays in view, columns as wide as their numbers, and formats by unit."""
    frame = frame.head(_EXCEL_ROWS)
    frame.to_excel(writer, sheet_name=name, index=False)
    book, sheet = writer.book, writer.sheets[name]
    heading_style = book.add_format(
        {"bold": True, "text_wrap": True, "valign": "top", "bottom": 1, "bg_color": "#E4E7EB", "align": "left"}
    )
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    sheet.freeze_panes(1, 1)
    sheet.set_row(0, _HEADING_HEIGHT)
    if len(frame.columns):
        sheet.autofilter(0, 0, max(1, len(frame)), len(frame.columns) - 1)
    for column, title in enumerate(map(str, frame.columns)):
        sheet.write_string(0, column, title, heading_style)
        code = number_format(title)
        style = book.add_format({"num_format": code, "valign": "top"}) if code else wrapped
        sheet.set_column(column, column, _width(frame, column), style)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _width(frame: pd.DataFrame, column: int) -> int:
    """Returns the width of a column in characters: of its longest text, of a word of its heading, or of a number."""
    texts = [str(value) for value in frame.iloc[:_MEASURED, column] if isinstance(value, str)]
    words = max((len(word) for word in str(frame.columns[column]).split()), default=0)
    return min(_WIDEST, max(11, words + 3, *map(len, texts)) if texts else max(11, words + 3))


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
        *([("Clock", clock_sentence(results))] if facts.clock_mhz else []),
        ("Objective's cost model", str(facts.objective_cost)),
        ("Other cost model", str(facts.other_cost)),
        *facts.provenance.items(),
    ]
    return pd.DataFrame(rows, columns=["What", "Value"])
