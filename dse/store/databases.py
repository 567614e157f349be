"""Relational databases that hold a study's trials: opened by URL, remembered without the password."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from dse.errors import StorageFailedError, StudyError

_SECRETS = ("password", "passwd", "sslpassword")  # query options of URLs for libpq and MySQL's drivers
_EXAMPLE = "give a URL such as sqlite:///study.db"


def database(url: str) -> BaseStorage:
    """Opens a relational database by SQLAlchemy's URL for writing; makes Optuna's tables if they are missing.

    If the URL has no password, the driver looks in its usual places: libpq reads PGPASSWORD and ~/.pgpass.

    Raises:
        StudyError: it cannot be opened.
    """
    # Reopens a connection that the server has closed since it was last used.
    return _opened(url, lambda: RDBStorage(url, engine_kwargs={"pool_pre_ping": True}))


def database_to_read(url: str) -> BaseStorage:
    """Opens a relational database that a driver has made, for reading: nothing in it is made or changed.

    SQLite and PostgreSQL refuse every change by themselves.

    Raises:
        StudyError: it cannot be opened, or holds no studies.
    """
    engine: dict[str, Any] = {"pool_pre_ping": True}

    def opened() -> BaseStorage:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database and not parsed.database.startswith("file:"):
            parsed = parsed.set(database=f"file:{quote(str(Path(parsed.database).absolute()))}")
            parsed = parsed.update_query_dict({"mode": "ro", "uri": "true"})
        if parsed.get_backend_name() == "postgresql":
            engine["connect_args"] = {"options": "-c default_transaction_read_only=on"}
        shown = parsed.render_as_string(hide_password=False)
        return RDBStorage(shown, engine_kwargs=engine, skip_compatibility_check=True, skip_table_creation=True)

    return _opened(url, opened)


def _opened(url: str, opened: Callable[[], BaseStorage]) -> BaseStorage:
    public, advice = without_password(url), _EXAMPLE
    try:
        return opened()
    except ImportError:
        reason, advice = "its driver is not installed", "PostgreSQL's comes with pip install 'psycopg[binary]'"
    except (SQLAlchemyError, StorageInternalError) as failed:
        error = failed.__cause__ if isinstance(failed, StorageInternalError) and failed.__cause__ else failed
        reason = _reason(error, url)
        if not isinstance(error, ArgumentError) and not url.startswith("sqlite"):
            advice = "a password goes into --storage, PGPASSWORD or ~/.pgpass"
    raise StudyError(f"storage {public}: {reason}; {advice}") from None


@contextmanager
def reporting_storage_failures(url: str, folder: Path) -> Iterator[None]:
    """Turns failures of a study's storage in this block into one line that says how to continue.

    Args:
        url: URL of the database that holds the trials; empty for the journal in the run folder.
        folder: the run folder.

    Raises:
        StorageFailedError: the database or the run folder's disk failed; all recorded trials are kept.
    """
    try:
        yield
        return
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        failure = f"storage {without_password(url)}: {_reason(cause, url)}"
    except OSError as error:
        failure = f"{error.filename or folder}: {error.strerror or error}"
    raise StorageFailedError(f"{failure}; all recorded trials are kept: run the same command again once this is fixed")


def without_password(url: str) -> str:
    """Returns the URL as a file may keep it: without any password, and with a SQLite file's absolute path.

    Raises:
        StudyError: it is not a URL.
    """
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):  # neither is shown: it may quote a part of the password
        raise StudyError(f"storage: not a URL; {_EXAMPLE}") from None
    name = parsed.database
    if parsed.get_backend_name() == "sqlite" and name and name != ":memory:" and not name.startswith("file:"):
        name = str(Path(name).absolute())
    public = parsed.difference_update_query(_SECRETS)
    kept = URL.create(parsed.drivername, parsed.username, None, parsed.host, parsed.port, name, public.query)
    return kept.render_as_string()


def _reason(error: BaseException, url: str) -> str:
    """Returns the first line of a database's error, which leaves out the SQL statement, with passwords masked."""
    parsed, text = make_url(url), (str(error).strip().splitlines() or [type(error).__name__])[0]
    for secret in (parsed.password, *(parsed.query.get(key) for key in _SECRETS)):
        text = text.replace(str(secret), "***") if secret else text
    return text
