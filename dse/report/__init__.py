"""Reports for people: one page, pictures for slides, tables for spreadsheets, a table in the terminal."""

from typing import TYPE_CHECKING

from dse.report.recommendations import Recommendation, recommendation
from dse.report.terminal import front_table, show
from dse.verdict import Choice, Evidence
from nets.lazy import names_on_demand

if TYPE_CHECKING:
    from dse.report.compare_page import compare
    from dse.report.page import write_report
    from dse.report.tables import write_tables
else:
    __getattr__ = names_on_demand(__name__, "tables", "page", "compare_page")  # templates, pictures, scipy

__all__ = [
    "Choice",
    "Evidence",
    "Recommendation",
    "compare",
    "front_table",
    "recommendation",
    "show",
    "write_report",
    "write_tables",
]
