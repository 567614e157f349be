"""Reports for people: one page, pictures for slides, tables for spreadsheets, a table in the terminal."""

from typing import TYPE_CHECKING

from dse.report.documents import ResultsDocument, results_document
from dse.report.recommendations import Recommendation, recommendation
from dse.report.terminal import FrontText, TextRow, complete_trial, front_table, front_text, notes, show
from dse.verdict import Choice, Evidence
from nets.lazy import names_on_demand

if TYPE_CHECKING:
    from dse.report.compare_documents import ComparisonDocument, comparison_document
    from dse.report.compare_page import compare
    from dse.report.page import write_report
    from dse.report.tables import write_tables
else:
    _HEAVY = ("tables", "compare_documents", "page", "compare_page")  # templates, pictures, SciPy
    __getattr__ = names_on_demand(__name__, *_HEAVY)

__all__ = [
    "Choice",
    "ComparisonDocument",
    "Evidence",
    "FrontText",
    "Recommendation",
    "ResultsDocument",
    "TextRow",
    "compare",
    "comparison_document",
    "complete_trial",
    "front_table",
    "front_text",
    "notes",
    "recommendation",
    "results_document",
    "show",
    "write_report",
    "write_tables",
]
