"""Reports for people: one page, pictures for slides, tables for spreadsheets, a table in the terminal."""

from dse.report.compare_page import compare
from dse.report.page import write_report
from dse.report.recommendations import Recommendation, recommendation
from dse.report.tables import write_tables
from dse.report.terminal import front_table, show
from dse.verdict import Choice, Evidence

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
