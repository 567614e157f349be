"""The seal of a run: it tells whether this user, on this machine, made a run that names a database.

A run folder may come from a stranger. The database that it names is opened only if the user names it too, or if the
folder bears the seal of this user's key: opening a database sends credentials from the environment to it.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from platformdirs import user_state_path

_KEY_BYTES = 32


def seal(run: str, storage: str) -> str:
    """Returns the seal of a run and the database of its trials, hexadecimal; empty if the key cannot be kept."""
    key = _key(make=True)
    return _sealed(key, run, storage) if key else ""


def is_sealed(run: str, storage: str, given: str) -> bool:
    """Returns whether a seal is that of this user's key."""
    key = _key(make=False)
    return key is not None and hmac.compare_digest(_sealed(key, run, storage).encode(), given.encode())


def _sealed(key: bytes, run: str, storage: str) -> str:
    return hmac.new(key, f"{run} {storage}".encode(), hashlib.sha256).hexdigest()


def _key(*, make: bool) -> bytes | None:
    """Returns the key that this user keeps on this machine, readable by nobody else; None if there is none."""
    path = user_state_path("rescale-dse") / "key"
    if make:
        _make(path)
    try:
        key = path.read_bytes()
    except OSError:
        return None
    return key if len(key) == _KEY_BYTES else None


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError:  # it is there already, or cannot be kept
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
