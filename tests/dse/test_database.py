"""Databases by URL: what a file may keep of a URL, and the message if one cannot be opened."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL, make_url

from dse.errors import StudyError
from dse.store.databases import database, without_password

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)


@given(SECRETS, SECRETS)
def test_a_password_goes_and_the_rest_stays(password: str, other: str) -> None:
    query = {"password": other, "sslmode": "require"}
    url = URL.create("postgresql+psycopg", "me", password, "host", 5433, "trials", query)
    assert without_password(url.render_as_string(hide_password=False)) == (
        "postgresql+psycopg://me@host:5433/trials?sslmode=require"
    )


def test_a_file_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert make_url(without_password("sqlite:///here.db")).database == str(tmp_path / "here.db")
    assert without_password("sqlite:////there.db") == "sqlite:////there.db"
    assert without_password("sqlite://") == "sqlite://"


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        StudyError, match=r"postgresql://me@host/x: its driver is not installed; .*pip install"
    ) as raised:
        database("postgresql://me:secret@host/x")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["nonsense", "postgresql://me:8secret@host:9@host/x"])
def test_what_is_no_url_is_not_repeated(url: str) -> None:
    with pytest.raises(StudyError, match="not a URL; give a URL such as") as raised:
        database(url)
    assert "secret" not in str(raised.value)
