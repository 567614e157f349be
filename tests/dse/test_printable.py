"""Text from files on terminals and in spreadsheets: shown, never obeyed or computed."""

import csv
import io
import json
import re
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from dse.cli.console import PrintableConsole
from dse.cli.entry import main
from dse.cli.output import echo, report_failure
from dse.formats import printable
from dse.report.spreadsheets import as_text, write_csv

CLEAR, TITLE, C1, REORDER = "\x1b[2J", "\x1b]0;owned\x07", "\x9b2J", "\u202e"
STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # what rich itself writes


def test_what_a_terminal_obeys_is_escaped() -> None:
    assert printable(f"a{CLEAR}b{C1}c{REORDER}d\ne\udcff") == (r"a\u001b[2Jb\u009b2Jc\u202ed\u000ae\udcff")
    assert printable("µm² … 日本 \n", lines=True) == "µm² … 日本 \n"


@given(st.text())
def test_printable_text_has_nothing_to_obey_and_stays_itself(text: str) -> None:
    shown = printable(text)
    assert not re.search("[\\x00-\\x1f\\x7f-\\x9f]", shown)
    assert printable(shown) == shown
    assert json.loads(printable(json.dumps(text, ensure_ascii=False), lines=True)) == text


def test_tables_progress_and_markup_show_controls_and_keep_styles() -> None:
    stream = io.StringIO()
    console = PrintableConsole(file=stream, force_terminal=True, width=120)
    table = Table(title=f"title{CLEAR}")
    table.add_column(f"heading{TITLE}")
    table.add_row(escape(f"cell{C1}"))
    console.print(table)
    console.print(f"[bold]text{CLEAR}[/bold]")
    with Progress(console=console) as bar:
        bar.add_task(f"task{CLEAR}", total=1)
    shown = stream.getvalue()
    for word in ("title", "heading", "cell", "text"):
        assert re.search(rf"{word}\\u00(1b|9b)", shown), word
    assert CLEAR not in shown
    assert "\x1b]" not in shown
    assert not re.search("[\\x80-\\x9f]", shown)
    assert "\x1b[1mtext" in shown  # rich's own style
    assert "\x1b" not in STYLES.sub("", shown)


def test_plain_output_and_errors_show_controls(capsys: pytest.CaptureFixture[str]) -> None:
    echo(f"one{CLEAR}\ntwo")
    report_failure(f"three\ndse: forged{C1}")
    captured = capsys.readouterr()
    assert captured.out == "one\\u001b[2J\ntwo\n"
    assert captured.err == "dse: three\\u000adse: forged\\u009b2J\n"


def test_warnings_show_controls_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # which main replaces
    monkeypatch.setattr(sys, "argv", ["dse", "--version"])
    with pytest.raises(SystemExit):
        main()
    shown = warnings.formatwarning(f"a name{CLEAR}\ndse: forged", UserWarning, "place", 1)
    assert shown == "dse: a name\\u001b[2J\\u000adse: forged\n"


def test_a_hostile_file_commands_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"design{CLEAR}.v"
    path.write_text(f'module t(input a);\n`include "{TITLE}.vh"\nendmodule\n')
    monkeypatch.setattr(sys, "argv", ["dse", "cost", str(path), "--top", "t"])
    with pytest.raises(SystemExit) as ended:
        main()
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert "\x1b" not in error
    assert error.startswith("dse: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\n=1", '=HYPERLINK("http://x")', "-", "--1", "-1-1"],
)
def test_text_that_a_spreadsheet_would_compute_is_quoted(text: str, tmp_path: Path) -> None:
    assert as_text(text) == f"'{text}"
    path = tmp_path / "table.csv"
    write_csv(pd.DataFrame({text: [1.5], "name": [text], "value": [-3]}), path)
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [[f"'{text}", "name", "value"], ["1.5", f"'{text}", "-3"]]


def test_a_return_begins_no_row(tmp_path: Path) -> None:
    """Readers that take it for the end of a row would find a formula at the beginning of the next one."""
    path = tmp_path / "table.csv"
    write_csv(pd.DataFrame({"name": ["\r=1", "a\r\n=1\r=2"]}), path)
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["name"], ["'\n=1"], ["a\n=1\n=2"]]


@pytest.mark.parametrize("cell", ["-1.5", "+3", "-1e-9", "-1,234.5", "-.5", "conv_1", "a=b", "", "'", -2, -0.5, None])
def test_numbers_and_plain_text_stay_what_they_are(cell: object) -> None:
    assert as_text(cell) == cell
