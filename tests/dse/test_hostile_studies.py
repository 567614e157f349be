"""Study files that would keep the parser busy, or fill a terminal: refused in one short line."""

from pathlib import Path

import pytest

from dse.errors import StudyError
from dse.study import load_study


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"seed = {'9' * 5000}", "not a readable TOML file: Exceeds the limit"),
        (f"seed = {'9' * 4000}", r"seed"),
        (f"seed = {'[' * 20_000}", "not a readable TOML file: tables or arrays are nested too deeply"),
        (f"seed = {'{a=' * 20_000}", "not a readable TOML file: tables or arrays are nested too deeply"),
        (f"{'a.' * 200_000}a = 1", "not a readable TOML file: line 1: a key has 64 parts or more"),
        (f"[{'a.' * 200_000}a]", "not a readable TOML file: line 1: a key has 64 parts or more"),
        (f"name = '{'x' * 100_000}/'", "name: "),
        (f"seed = [{'1,' * 100_000}]", "seed: "),
        (f"# {'x' * 1_000_000}", "not a readable TOML file: it has more than 1000000 bytes"),
        ("seed = 1e999", "seed: "),
        ("name = '\\udcff'", "."),
    ],
)
def test_hostile_study_files_are_refused_in_one_short_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(StudyError, match=message) as caught:
        load_study(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_a_study_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(b'name = "\xff\xfe"')
    with pytest.raises(StudyError, match="not a readable TOML file: 'utf-8' codec"):
        load_study(path)
