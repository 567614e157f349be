"""Public files: nothing unverified is used, whatever a server, a mirror or a cache holds."""

import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import requests

from dse.errors import StudyError
from dse.fetch import download as downloads
from dse.fetch import recipes
from dse.fetch.catalogue import CatalogueEntry, public_files
from dse.fetch.content import arrays_sha256, digest_of, matches
from dse.fetch.download import DownloadError
from dse.fetch.fetcher import Fetcher
from dse.study.loading import load_study
from studies.reference.write_fetch import page
from tests.conftest import Cli

CONTENT = bytes(range(256)) * 1200
STUDIES = Path(__file__).parents[2] / "studies"
SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the public files are not part of the project")


def entry(url: str | None, content: bytes = CONTENT) -> CatalogueEntry:
    return CatalogueEntry(
        name="a.bin",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        url=url,
        licence="none",
        source="a test",
    )


class Server(ThreadingHTTPServer):
    """A server on loopback whose paths behave well or badly."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []  # that it was asked for
        self.released = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        wanted = self.headers["Range"]
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        half = len(CONTENT) // 2
        bodies = {  # what is sent, from where on, and after how many bytes the connection breaks off
            "/good": (CONTENT, start, None),
            "/without-ranges": (CONTENT, 0, None),
            "/breaks-off": (CONTENT, start, half),
            "/stops": (CONTENT, start, max(0, half - start)),
            "/other-file": (CONTENT[::-1], 0, None),
            "/larger": (CONTENT * 3, 0, None),
            "/other-range": (CONTENT, start + 1 if start else 0, half),
        }
        moved = {"/moved": "/good", "/circle": "/circle", "/file": "file:///etc/hostname"}
        if self.path in bodies:
            self._send(*bodies[self.path])
        elif self.path in moved:
            self.send_response(302)
            self.send_header("Location", moved[self.path])
            self.end_headers()
        elif self.path == "/silent":
            self.server.released.wait(10)
        else:
            self.send_error(404)

    def _send(self, content: bytes, start: int, most: int | None) -> None:
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        with suppress(ConnectionError):  # a client may have enough
            self.wfile.write(content[start:][:most])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield listening
        listening.released.set()
        listening.shutdown()
        thread.join()


@pytest.fixture
def fetcher(tmp_path: Path, server: Server) -> Callable[[str], Fetcher]:
    def of(path: str) -> Fetcher:
        entries = {"a.bin": entry(f"{server.address}{path}")}
        return Fetcher(folder=tmp_path / "cache", entries=entries, timeout_s=0.5)

    return of


@pytest.mark.parametrize("path", ["/good", "/moved", "/without-ranges"])
def test_a_file_is_downloaded_once(fetcher: Callable[[str], Fetcher], server: Server, path: str) -> None:
    own, shown = fetcher(path), []
    own = Fetcher(folder=own.folder, entries=own.entries, on_progress=lambda *step: shown.append(step))
    assert not own.has("a.bin")
    assert own.bring("a.bin").read_bytes() == CONTENT
    asked = len(server.ranges)
    assert own.bring("a.bin").read_bytes() == CONTENT
    assert own.has("a.bin")
    assert len(server.ranges) == asked
    assert shown[-1] == ("a.bin", len(CONTENT), len(CONTENT))


def test_a_download_that_breaks_off_is_continued(fetcher: Callable[[str], Fetcher], server: Server) -> None:
    assert fetcher("/breaks-off").bring("a.bin").read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-"]


def test_a_later_run_continues_where_an_earlier_one_stopped(fetcher: Callable[[str], Fetcher], server: Server) -> None:
    with pytest.raises(StudyError, match=f"after {len(CONTENT) // 2:,} of {len(CONTENT):,} bytes"):
        fetcher("/stops").bring("a.bin")
    server.ranges.clear()
    assert fetcher("/good").bring("a.bin").read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) // 2}-"]


def test_a_part_is_downloaded_again_if_the_server_knows_no_ranges(fetcher: Callable[[str], Fetcher]) -> None:
    with pytest.raises(StudyError):
        fetcher("/stops").bring("a.bin")
    assert fetcher("/without-ranges").bring("a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/other-file", "sent is another file"),
        ("/larger", "larger than"),
        ("/other-range", "another range"),
        ("/silent", "does not answer in time"),
        ("/circle", "redirected more than 5 times"),
        ("/file", "redirected to file:///etc/hostname, which is refused"),
        ("/nowhere", "404"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(
    fetcher: Callable[[str], Fetcher], tmp_path: Path, path: str, said: str
) -> None:
    with pytest.raises(StudyError, match=said) as caught:
        fetcher(path).bring("a.bin")
    for helpful in ("fetch:a.bin", f"{path} and save as {tmp_path}", entry(None).sha256 or "", "--mirror"):
        assert helpful in str(caught.value)
    assert not (tmp_path / "cache" / "a.bin").exists()


def test_a_small_file_is_bounded(server: Server) -> None:
    with requests.Session() as session:
        assert downloads.small(session, f"{server.address}/good", len(CONTENT), timeout_s=1) == CONTENT
        with pytest.raises(DownloadError, match="larger than 490 bytes"):
            downloads.small(session, f"{server.address}/good", 490, timeout_s=1)
        with pytest.raises(DownloadError, match="broke off"):
            downloads.small(session, f"{server.address}/stops", len(CONTENT), timeout_s=1)


def test_without_a_network_the_message_says_which_file_to_put_where(tmp_path: Path) -> None:
    unreachable = Fetcher(folder=tmp_path, entries={"a.bin": entry("http://127.0.0.1:9/a")})
    with pytest.raises(StudyError, match=re.escape(f"download http://127.0.0.1:9/a and save as {tmp_path / 'a.bin'}")):
        unreachable.bring("a.bin")
    (tmp_path / "a.bin").write_bytes(CONTENT)
    assert unreachable.bring("a.bin") == tmp_path / "a.bin"


def test_an_encrypted_connection_is_never_left() -> None:
    with pytest.raises(DownloadError, match="redirected to http://b/c, which is refused"):
        downloads._redirected("https://a/b", "http://b/c")  # noqa: SLF001 -- loopback has no certificate
    assert downloads._redirected("https://a/b", "/c") == "https://a/c"  # noqa: SLF001


def test_a_damaged_cached_file_is_brought_again(fetcher: Callable[[str], Fetcher]) -> None:
    own = fetcher("/good")
    place = own.bring("a.bin")
    place.write_bytes(CONTENT[:-1] + b"x")
    assert not own.has("a.bin")
    assert own.bring("a.bin").read_bytes() == CONTENT


def test_a_mirror_serves_files_by_content_not_by_name(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "deep").mkdir(parents=True)
    (mirror / "a.bin").write_bytes(CONTENT[::-1])  # the right name and size
    own = Fetcher(mirror, tmp_path / "cache", {"a.bin": entry(None)})
    with pytest.raises(StudyError, match="it has no address; put the file"):
        own.bring("a.bin")
    (mirror / "deep" / "other name").write_bytes(CONTENT)
    assert own.bring("a.bin").read_bytes() == CONTENT
    with pytest.raises(StudyError, match="no such folder"):
        Fetcher(tmp_path / "nowhere")


def test_samples_are_the_same_whatever_wrote_them(tmp_path: Path) -> None:
    arrays = {"x": np.arange(6, dtype=np.int8).reshape(2, 3), "y": np.array([1, 0])}
    np.savez(tmp_path / "plain.npz", **arrays)
    np.savez_compressed(tmp_path / "small.npz", **dict(reversed(arrays.items())))
    assert arrays_sha256(tmp_path / "plain.npz") == arrays_sha256(tmp_path / "small.npz") == digest_of(arrays)
    own = CatalogueEntry(name="s.npz", size_bytes=1, arrays_sha256=digest_of(arrays), licence="", source="")
    assert matches(own, tmp_path / "plain.npz")
    for other in ({**arrays, "y": np.array([1, 1])}, {**arrays, "x": arrays["x"].T}, {"x": arrays["x"]}):
        np.savez(tmp_path / "other.npz", **other)
        assert not matches(own, tmp_path / "other.npz")
    (tmp_path / "other.npz").write_bytes(b"no archive")
    assert not matches(own, tmp_path / "other.npz")


@dataclass
class Given:
    """Sources of a recipe that are at hand."""

    archive: Path
    content: bytes = b""
    asked: list[str] = field(default_factory=list)

    def bring(self, _name: str) -> Path:
        return self.archive

    def small(self, url: str, _most_bytes: int) -> bytes:
        self.asked.append(url)
        return self.content

    def report(self, _done: int, _total: int) -> None:
        pass


def test_the_subset_of_cifar_10_is_the_first_records_of_every_batch(tmp_path: Path) -> None:
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    values = np.arange(950 * 3073).reshape(950, 3073)
    batches = {name: (values * (number + 2) % 253).astype(np.uint8) for number, name in enumerate(names)}
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz", compresslevel=1) as archive:
        for name in reversed(names):  # in whatever order
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = batches[name].size
            archive.addfile(info, io.BytesIO(batches[name].tobytes()))
    arrays = recipes.cifar10_subset(Given(tmp_path / "c.tar.gz"))
    assert {name: array.shape for name, array in arrays.items()} == {
        "x_train": (4660, 32, 32, 3), "y_train": (4660,), "x_test": (846, 32, 32, 3), "y_test": (846,),
    }  # fmt: skip
    assert (arrays["y_train"][932:942] == batches["data_batch_2.bin"][:10, 0]).all()
    third = batches["data_batch_3.bin"][5]
    assert arrays["x_train"][2 * 932 + 5, 3, 7, 1] == third[1 + 1024 + 3 * 32 + 7]  # green, row 3, column 7
    assert (arrays["x_test"][845, :, :, 0].ravel() == batches["test_batch.bin"][845, 1:1025]).all()


def test_keyword_inputs_are_put_together_in_the_order_of_their_names(tmp_path: Path) -> None:
    sources = Given(tmp_path, content=bytes(range(245)) * 2)
    arrays = recipes.kws01(sources)
    assert arrays["x"].shape == (1000, 49, 10, 1)
    assert arrays["x"].dtype == np.int8
    assert sources.asked[0].endswith("/datasets/kws01/tst_000000_Stop_7.bin")
    assert sources.asked[14].endswith("/tst_000014_Silence_10.bin")
    assert len(set(sources.asked)) == 1000
    with pytest.raises(DownloadError, match=r"tst_000000_Stop_7\.bin has 3 bytes instead of 490"):
        recipes.kws01(Given(tmp_path, content=b"abc"))


def test_a_recipe_that_gives_other_samples_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {"x": np.zeros((2, 3), np.int8)}
    own = CatalogueEntry(
        name="s.npz", size_bytes=9, arrays_sha256=digest_of(arrays), recipe="kws01", licence="", source="tests"
    )
    monkeypatch.setitem(recipes.RECIPES, "kws01", lambda _: arrays)
    made = Fetcher(folder=tmp_path, entries={"s.npz": own}).bring("s.npz")
    assert matches(own, made)
    made.unlink()
    monkeypatch.setitem(recipes.RECIPES, "kws01", lambda _: {"x": np.ones((2, 3), np.int8)})
    with pytest.raises(StudyError, match="other samples"):
        Fetcher(folder=tmp_path, entries={"s.npz": own}).bring("s.npz")
    assert not made.exists()


def test_the_catalogue_names_secure_addresses_and_says_how_else_to_get_a_file() -> None:
    for each in public_files().values():
        assert each.url is None or each.url.startswith("https://")
        assert each.url or each.recipe or each.note
        assert each.licence
        assert each.source


def test_the_page_of_the_files_is_up_to_date() -> None:
    """``python -m studies.reference.write_fetch`` writes it."""
    assert (STUDIES.parent / "docs" / "fetch.md").read_text(encoding="utf-8") == page()


@needs_shared
def test_a_mirror_has_what_the_shipped_studies_name(tmp_path: Path) -> None:
    fetcher = Fetcher(SHARED, tmp_path)
    texts = [study.read_text(encoding="utf-8") for study in STUDIES.glob("*.toml")]
    named = {name for text in texts for name in re.findall(r'"fetch:(.+)"', text)}
    assert len(named) >= 6
    for name in named:
        if public_files()[name].size_bytes < 10**6:  # the others take seconds
            assert fetcher.bring(name).parent == tmp_path


def test_a_study_that_names_an_unknown_file_is_refused(cli: Cli, tmp_path: Path) -> None:
    text = (STUDIES / "kws.toml").read_text(encoding="utf-8").replace("kws_ref_model.tflite", "kws_ref_modl.tflite")
    (tmp_path / "kws.toml").write_text(text, encoding="utf-8")
    result = cli("run", tmp_path / "kws.toml")
    assert result.status == 2
    assert (
        "network.model: no public file is named 'kws_ref_modl.tflite'; did you mean kws_ref_model.tflite?" in result.err
    )
    assert result.err.count("\n") == 1


@needs_shared
def test_a_study_is_loaded_with_the_files_of_a_mirror(tmp_path: Path) -> None:
    fetcher = Fetcher(SHARED, tmp_path)
    (member,) = load_study(STUDIES / "kws.toml", fetcher).members
    assert member.network.model == tmp_path / "kws_ref_model.tflite"
    assert member.data.samples == tmp_path / "kws01.npz"


@needs_shared
def test_the_command_brings_files_and_lists_them(cli: Cli, own_cache: Path) -> None:
    assert not json.loads(cli("fetch", "--json").out)["ad01_int8.tflite"]["verified"]
    brought = cli("fetch", "ad01_int8.tflite", "--mirror", SHARED)
    assert brought.status == 0
    place = Path(brought.out.strip())
    assert place.is_relative_to(own_cache)
    assert place.read_bytes() == (SHARED / "models" / "ad01_int8.tflite").read_bytes()
    listed = json.loads(cli("fetch", "--json").out)
    assert listed["ad01_int8.tflite"]["verified"]
    assert listed["ad01_int8.tflite"]["path"] == str(place)
    assert "ad01_int8.tflite" in cli("fetch").out
    wrong = cli("fetch", "ad01", "--mirror", SHARED)
    assert wrong.status == 2
    assert "no public file is named 'ad01'" in wrong.err
