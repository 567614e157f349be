"""The study as files for spreadsheets and scripts."""

from pathlib import Path

import pandas as pd

from dse.report import _text
from dse.report._choices import Choice
from dse.report._columns import design_table, for_people
from dse.report._recommendation import recommendation, uniform_name
from dse.report._selection import Recommendation
from dse.store.results import StudyFacts, StudyResults
from nets.files import replacing

_EXCEL_ROWS = 1_048_575  # of a sheet, heading apart
_WIDEST = 48  # characters of a spreadsheet column


def write_tables(results: StudyResults, folder: Path) -> None:
    """Write front, baselines, trials and layers as CSV, the trials as Parquet and all of it as one XLSX.

    Each file appears whole or not at all. CSV and Parquet have the columns of ``StudyResults``; the spreadsheet has
    headings with units.
    """
    trials = whole_numbers(results.trials)
    front = whole_numbers(design_table(results, results.front))
    baselines = whole_numbers(design_table(results, results.baselines))
    _write_csv(front, folder / "front.csv")
    _write_csv(baselines, folder / "baselines.csv")
    _write_csv(trials, folder / "trials.csv")
    _write_csv(scored_layers(results), folder / "layers.csv")
    with replacing(folder / "trials.parquet") as path:
        trials.to_parquet(path, index=False)
    with replacing(folder / "results.xlsx") as path:
        _write_workbook(results, front, path)


def scored_layers(results: StudyResults) -> pd.DataFrame:
    """Layers of front and baselines: those of thousands of other designs would burst a spreadsheet."""
    if results.layers.empty:
        return results.layers
    return results.layers[results.layers["trial"].isin([*results.front["trial"], *results.baselines["trial"]])]


def whole_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Bits as integers also where waiting trials have none."""
    bits = [name for name in frame.columns if str(name).endswith("_bits") and frame[name].notna().any()]
    return frame.astype(dict.fromkeys(bits, "Int64"))


def summary_table(results: StudyResults, rec: Recommendation) -> pd.DataFrame:
    """The recommendation and what it is compared with: a row per design, headings with units."""
    rows = [_summary_row(label, choice, results.facts) for label, choice in compared(rec)]
    return pd.DataFrame(rows, columns=list(_summary_row("", None, results.facts)))


def compared(rec: Recommendation) -> list[tuple[str, Choice]]:
    """Designs that stand side by side at the top of a report, with their labels; absent ones are left out."""
    named = [
        ("Cheapest non-inferior", rec.cheapest),
        ("Cheapest at the resolvable margin", rec.cheapest_at_resolvable),
        ("Knee of the front", rec.knee),
        ("int32 (Q31) baseline", rec.int32),
        ("int32, fine-tuned (control)", rec.control),
        (f"Best uniform: {uniform_name(rec.best_uniform)}" if rec.best_uniform else "", rec.best_uniform),
        ("All absorb, 1 bit", rec.all_absorb),
    ]
    return [(label, choice) for label, choice in named if choice is not None]


def _summary_row(label: str, choice: Choice | None, facts: StudyFacts) -> dict[str, object]:
    def value(name: str) -> object:
        return None if choice is None else getattr(choice, name)

    return {
        "Design": label,
        "Trial": value("trial"),
        "Multiplier widths (bits)": _text.widths(choice.multiplier_bits) if choice else "",
        "Methods": _text.methods(choice.methods) if choice else "",
        "Fine-tuning": value("finetune"),
        f"{facts.costed.capitalize()} area (µm²)": value("area_um2"),
        "Area, times less than int32": value("area_ratio"),
        f"{facts.costed.capitalize()} energy per inference (nJ)": value("energy_nj"),
        "Energy, times less than int32": value("energy_ratio"),
        "Rescalers' share of the accelerator's area": value("accelerator_area_share"),
        "Rescalers' share of the accelerator's energy": value("accelerator_energy_share"),
        "Validation accuracy drop (pp)": value("val_drop_pp"),
        "Validation accuracy drop against the fine-tuned int32 (pp)": value("val_drop_vs_control_pp"),
        "Test accuracy drop (pp)": value("test_drop_pp"),
        "95% interval, lower end (pp)": value("ci_low"),
        "95% interval, upper end (pp)": value("ci_high"),
        "Evidence": choice.evidence.value if choice else "",
    }


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)


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
    frame = _naive_times(frame.head(_EXCEL_ROWS))
    frame.to_excel(writer, sheet_name=name, index=False)
    sheet = writer.sheets[name]
    sheet.freeze_panes(1, 1)
    if len(frame.columns):
        sheet.autofilter(0, 0, max(1, len(frame)), len(frame.columns) - 1)
    for column, heading in enumerate(frame.columns):
        sheet.set_column(column, column, min(_WIDEST, max(10, len(str(heading)) + 2)))


def _naive_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Spreadsheets know no time zones; all times here are UTC and headed so."""
    zoned = frame.select_dtypes(include=["datetimetz"]).columns
    return frame.assign(**{name: frame[name].dt.tz_convert("UTC").dt.tz_localize(None) for name in zoned})


def _about(results: StudyResults, rec: Recommendation) -> pd.DataFrame:
    facts = results.facts
    rows = [
        ("Study", facts.study),
        ("Recommendation", rec.text),
        *(("Caution", caution) for caution in rec.cautions),
        ("Network", facts.network),
        ("Data", facts.dataset),
        *((f"Samples, {split}", f"{amount:,}") for split, amount in facts.samples.items()),
        ("Contract", facts.contract),
        ("Accelerator style", f"{facts.style}, {_text.count(facts.lanes, 'lane')}, {facts.architecture} rescalers"),
        ("Objective's cost model", _text.cost_source(facts.objective_cost)),
        ("Other cost model", _text.cost_source(facts.other_cost)),
        *facts.provenance.items(),
    ]
    return pd.DataFrame(rows, columns=["What", "Value"])
