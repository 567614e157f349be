"""Reports for people: one page, pictures for slides, tables for spreadsheets, a table in the terminal."""

from dse.report._choices import Choice, Evidence
from dse.report._recommendation import recommendation
from dse.report._selection import Recommendation
from dse.report._tables import write_tables
from dse.report._terminal import front_table, show
from dse.report.compare_page import compare
from dse.report.page import write_report

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
