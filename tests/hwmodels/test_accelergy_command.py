from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dse.cli.accelergy import accelergy
from hwmodels import HardwareError

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(accelergy)


def run(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--out", str(folder), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_it_writes_every_file_into_a_new_folder(tmp_path: Path) -> None:
    widths = ("--multiplier-bits", "8,1,8", "--accumulator-bits", "20", "--shift-bits", "0")
    assert "2 rescalers by the analytic model, table aladdin40" in run(
        tmp_path / "out", "--technology", "aladdin40", *widths
    )
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert written == {
        "rescaler.csv",
        "rescaler.lib.yaml",
        "tables/rescaler.table.yaml",
        "tables/data/rescaler.csv",
    }


def test_files_state_the_order_of_outputs_that_their_energies_hold_for(tmp_path: Path) -> None:
    widths = ("--multiplier-bits", "8", "--accumulator-bits", "20", "--shift-bits", "0")
    for order in ("channel_innermost", "channel_outermost"):
        run(tmp_path / order, "--technology", "osu018", "--output-order", order, *widths)
        for name in ("rescaler.csv", "tables/rescaler.table.yaml"):
            assert f"outputs in {order} order" in (tmp_path / order / name).read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--multiplier-bits", "0,8"), "--multiplier-bits is '0,8'; values from 1 to 31 are possible"),
        (("--accumulator-bits", "x"), "--accumulator-bits is 'x'; expected whole numbers"),
        (("--shift-bits", "6"), "--shift-bits is '6'; values from 0 to 5"),
        (("--technology", "horowitz45"), "horowitz45 has no cost of a rescaler"),
        (("--technology", "nowhere"), "unknown technology 'nowhere'"),
        (("--contract", "banker"), "banker"),
    ],
)
def test_bad_options_are_refused_and_nothing_is_written(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(HardwareError) as caught:
        run(tmp_path / "out", *arguments)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(HardwareError, match="is not an empty folder"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
