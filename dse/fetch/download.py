"""One download over HTTP: bounded in size and time, resumable, and never from https to http."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests

_CHUNK: Final = 1 << 16  # bytes
_MOST_REDIRECTS: Final = 5
_ATTEMPTS: Final = 3  # as long as each of them brings something
_PARTIAL, _PAST_THE_END = 206, 416
_HEADERS: Final = {"Accept-Encoding": "identity"}  # sizes are those of the file

OnBytes = Callable[[int], None]
"""Called with the number of bytes that are there."""


class DownloadError(Exception):
    """A download that failed; the message says why."""


def download(url: str, partial: Path, size_bytes: int, *, timeout_s: float, on_bytes: OnBytes) -> None:
    """Downloads a file of a known size, or the rest of it if a part is there.

    Args:
        url: http or https address.
        partial: file to write; what a broken download left there is continued.
        size_bytes: size of the file; no more than that is ever written.
        timeout_s: longest wait for the connection, and for every further part.
        on_bytes: told the progress.

    Raises:
        DownloadError: it failed; ``partial`` holds what came, unless that was too much.
        OSError: it could not be written.
    """
    for _ in range(_ATTEMPTS):
        before = _size(partial)
        if before < size_bytes:
            try:
                _continue(url, partial, size_bytes, timeout_s, on_bytes)
                problem = "the server sent no more"
            except requests.RequestException as error:
                problem = _reason(error)
        after = _size(partial)
        if after == size_bytes:
            return
        if after <= before:
            break
    if after > size_bytes:
        partial.unlink()
        raise DownloadError(f"it is larger than {size_bytes:,} bytes")
    raise DownloadError(f"{problem}, after {after:,} of {size_bytes:,} bytes")


def small(session: requests.Session, url: str, most_bytes: int, *, timeout_s: float) -> bytes:
    """Returns the content of a small file, one of many that come over one connection.

    Raises:
        DownloadError: it failed, or is larger than ``most_bytes``.
    """
    try:
        with _response(session, url, {}, timeout_s) as response:
            content = bytearray()
            while len(content) <= most_bytes and (chunk := response.raw.read(_CHUNK)):
                content += chunk
    except requests.RequestException as error:
        raise DownloadError(_reason(error)) from None
    if len(content) > most_bytes:
        raise DownloadError(f"{url} is larger than {most_bytes:,} bytes")
    return bytes(content)


def _continue(url: str, partial: Path, size_bytes: int, timeout_s: float, on_bytes: OnBytes) -> None:
    """Appends to a part what is missing, but for at most one chunk no more than that."""
    present = _size(partial)
    asked = {"Range": f"bytes={present}-"} if present else {}
    with requests.Session() as session, _response(session, url, asked, timeout_s) as response:
        if response.status_code == _PARTIAL and not _begins_at(response, present):
            raise DownloadError(f"the server sent another range than the one asked for, from byte {present:,}")
        with partial.open("ab" if response.status_code == _PARTIAL else "wb") as opened:
            while chunk := response.raw.read(_CHUNK):
                opened.write(chunk)
                on_bytes(opened.tell())
                if opened.tell() > size_bytes:
                    return


@contextmanager
def _response(
    session: requests.Session, url: str, headers: dict[str, str], timeout_s: float
) -> Iterator[requests.Response]:
    """Provides the response behind all redirections.

    Raises:
        DownloadError: the server refused, or redirects too often, or to an address that is less safe.
        requests.RequestException: it cannot be reached; while the response is read, too.
    """
    for _ in range(_MOST_REDIRECTS + 1):
        with session.get(
            url, headers=_HEADERS | headers, timeout=timeout_s, stream=True, allow_redirects=False
        ) as response:
            if not response.is_redirect:
                _check_status(response)
                with _as_request_errors():
                    yield response
                return
            url = _redirected(url, response.headers["Location"])
    raise DownloadError(f"it is redirected more than {_MOST_REDIRECTS} times")


@contextmanager
def _as_request_errors() -> Iterator[None]:
    """Raises what urllib3 raises while a body is read as what requests raises before."""
    from urllib3.exceptions import HTTPError

    try:
        yield
    except HTTPError as error:
        raise requests.ConnectionError(error) from None


def _redirected(url: str, location: str) -> str:
    target = urljoin(url, location)
    schemes = urlsplit(url).scheme, urlsplit(target).scheme
    if schemes[1] not in ("http", "https") or schemes == ("https", "http"):
        raise DownloadError(f"it is redirected to {target}, which is refused")
    return target


def _check_status(response: requests.Response) -> None:
    if response.status_code == _PAST_THE_END:
        raise DownloadError("the server's file is shorter than the part that is there")
    if not response.ok:
        raise DownloadError(f"the server says {response.status_code} {response.reason}")


def _begins_at(response: requests.Response, position: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {position}-")


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "the server does not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not accepted"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed or broke off"
    return str(error)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
