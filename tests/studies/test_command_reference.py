"""docs/command-line.md agrees with the commands."""

from pathlib import Path

import pytest

from dse.cli.entry import app
from studies.reference.write_command_line import reference
from tests.conftest import Cli

PAGE = reference()


def test_the_reference_is_up_to_date() -> None:
    """``python -m studies.reference.write_command_line`` writes it."""
    page = Path(__file__).parents[2] / "docs" / "command-line.md"
    assert page.read_text(encoding="utf-8") == PAGE


def test_every_command_is_in_it() -> None:
    names = [command.callback.__name__ for command in app.registered_commands if command.callback is not None]
    assert [line[8:-1] for line in PAGE.splitlines() if line.startswith("## `dse ")] == names
    assert "None" not in PAGE, "everything is described"


@pytest.mark.parametrize(
    "row",
    [
        "| `STUDY` | path | required | study file (.toml) |",
        "| `--out` | path | `runs/<name>` | run folder |",
        "| `--fresh` | flag | off | start over; the run in the folder is moved into a folder inside of it |",
        "| `--json` | flag | off | print one JSON object |",
        "| `-P`, `--parameter` | `NAME=VALUE`, any number | none | a parameter of the top module; repeatable |",
        "| `--node-nm` | number | required | feature size in nm, which Liberty does not state |",
    ],
)
def test_rows(row: str) -> None:
    assert row in PAGE.splitlines()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("doctor", "--json"), 0), (("show",), 2), (("show", "nowhere"), 2), (("doctor", "--nonsense"), 2)],
)
def test_exit_statuses_of_the_page(cli: Cli, arguments: tuple[str, ...], status: int) -> None:
    assert cli(*arguments).status == status
