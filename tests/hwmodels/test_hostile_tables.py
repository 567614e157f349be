"""Cell libraries, traces and technology tables that would fill memory or pass off wrong figures."""

import dataclasses
import gzip
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_liberty import HEAD, INPUTS, library

from hwmodels import HardwareError, load_technology
from hwmodels.synthesis import liberty_syntax
from hwmodels.synthesis.liberty import load_liberty
from hwmodels.synthesis.sweep import Measurement, append_measurement, read_measurements, run_sweep
from hwmodels.traces import load_recording

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "hardware"
CPU_S = 30.0  # no test below takes a hundredth of it

TABLE = """
name = "mine"
node_nm = 28
voltage_v = 0.9
conditions = "typical"
source = "a test"
activity = "uniform"
[components.adder]
area_um2 = { terms = { bits = 2.0, unit = 1.0 }, error = 0.1, source = "a test" }
"""


def pins(functions: dict[str, str]) -> str:
    return "".join(f'pin({name}) {{ direction : output; function : "{text}"; }}' for name, text in functions.items())


def reading_twice() -> str:
    """Describe pins, each of which reads two that read the same two."""
    functions = {"P0": "A", "Q0": "B"} | {f"{p}{n}": f"P{n - 1} ^ Q{n - 1}" for n in range(1, 60) for p in "PQ"}
    return pins(functions) + 'leakage_power() { when : "P59"; value : 1; }'


def cell(body: str) -> str:
    return f"{HEAD} cell (X) {{ area : 1; {INPUTS} {body} }}\n}}\n"


LIBRARIES = {
    "a negative area": (f"{HEAD} cell (X) {{ area : -1; }}\n}}", "area is -1; at least 0"),
    "an area in words": (f"{HEAD} cell (X) {{ area : one; }}\n}}", "area is 'one'; a number is needed"),
    "an area that is none": (f"{HEAD} cell (X) {{ area : nan; }}\n}}", "area is 'nan'; a number is needed"),
    "a negative leakage": (cell("cell_leakage_power : -2;"), "cell_leakage_power is -2; at least 0"),
    "comments without an end": (HEAD + "/* " * 200_000, "truncated"),
    "strings without an end": (HEAD + '" ' * 200_001, "truncated"),
    "groups in groups": (HEAD + "a() { " * 100_000, "truncated"),
    "parentheses": (
        cell(pins({"Y": "(" * 9000 + "A" + ")" * 9000}) + 'leakage_power() { when : "Y"; value : 1; }'), "too deeply"
    ),
    "many inversions": (cell(f"leakage_power() {{ when : \"A{chr(39) * 9000}\"; value : 1; }}"), "too deeply"),
    "a long sum": (cell(f'leakage_power() {{ when : "{"A|" * 9000}A"; value : 1; }}'), "too deeply"),
    "a very long sum": (cell(f'leakage_power() {{ when : "{"A|" * 90_000}A"; value : 1; }}'), "180001 characters"),
    "a chain of pins": (
        cell(pins({f"P{n}": f"P{n - 1}" for n in range(1, 900)}) + 'leakage_power() { when : "P899"; value : 1; }'),
        "reads others over more than 100 pins",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", LIBRARIES)
def test_hostile_libraries_are_refused_after_bounded_work(attack: str, tmp_path: Path) -> None:
    text, message = LIBRARIES[attack]
    before = time.process_time()
    with pytest.raises(HardwareError, match=message) as caught:
        library(tmp_path, text)
    assert time.process_time() - before < CPU_S
    assert "\n" not in str(caught.value)


def test_pins_that_read_the_same_pins_are_evaluated_once(tmp_path: Path) -> None:
    # P1 = A ^ B, and so are Q1 and all that follow them: P2 = P1 ^ Q1 = 0.
    assert library(tmp_path, cell(reading_twice())).cells["X"].leakage_uw == 0.0


def test_a_packed_library_is_unpacked_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liberty_syntax, "_MOST_BYTES", 1 << 20)
    path = tmp_path / "bomb.lib.gz"
    path.write_bytes(gzip.compress(bytes(1 << 24)))
    with pytest.raises(HardwareError, match="has more than 1048576 bytes unpacked"):
        load_liberty(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bits = 2.0", "bits = -2.0", r"terms\.bits: .* greater than or equal to 0 \(got -2\.0\)"),
        ("bits = 2.0", 'bits = "2.0"', r"terms\.bits: .* valid number \(got '2\.0'\)"),
        ("bits = 2.0", "bits = true", r"terms\.bits: .* valid number"),
        ("error = 0.1", 'error = "0.1"', r"error: .* valid number"),
        ("node_nm = 28", 'node_nm = "28"', r"node_nm: .* valid number"),
        ("node_nm = 28", "node_nm = -28", r"node_nm: .* greater than 0"),
        ("node_nm = 28", f"node_nm = {'9' * 5000}", "not valid TOML: Exceeds the limit"),
        ("node_nm = 28", f"node_nm = {'9' * 4000}", r"node_nm: .*\(got 9+\.\.\.9+\)"),
        ("node_nm = 28", f"node_nm = {'[' * 20_000}", "not valid TOML: tables or arrays are nested too deeply"),
        ("node_nm = 28", f"{'.'.join('a' * 20_000)} = 1", "line 3: a key has 64 parts or more"),
        ("node_nm = 28", "[" + '"a b".' * 100 + "c]", "line 3: a key has 64 parts or more"),
        ("node_nm = 28", f"node_nm = 28 # {'x' * 10_000_000}", "more than 10000000 bytes"),
    ],
)
def test_hostile_tables_are_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TABLE)
    assert load_technology(path).node_nm == 28
    path.write_text(TABLE.replace(old, new, 1))
    with pytest.raises(HardwareError, match=message) as caught:
        load_technology(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def packed_zeros(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("acc.npy", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("scale", "tiles"):
            archive.writestr(f"{name}.npy", b"")


def claims_of_memory(path: Path) -> None:
    header = repr({"descr": "<i4", "fortran_order": False, "shape": (1 << 60,)}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("acc", "scale", "tiles"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


def plain_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(200))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (packed_zeros, "its arrays have 314572800 bytes; at most 268435456"),
        (claims_of_memory, "not a trace"),
        (plain_array, "not a trace .File is not a zip file"),
    ],
)
def test_hostile_traces_are_refused(write: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.npz"
    write(path)
    with pytest.raises(HardwareError, match=message) as caught:
        load_recording(path)
    assert not re.search(r"\n", str(caught.value))


def measurement(**changes: object) -> Measurement:
    row = next(iter(read_measurements(RESULTS / "dataset_osu018.csv")))
    return dataclasses.replace(row, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("area_um2", -1.0),
        ("energy_channel_innermost_pj", float("nan")),
        ("delay_ns", float("inf")),
        ("leakage_uw", -0.5),
    ],
)
def test_measurements_that_cannot_be_are_refused(column: str, value: float, tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    append_measurement(path, measurement())
    assert read_measurements(path) == [measurement()]
    append_measurement(path, measurement(**{column: value}))
    with pytest.raises(HardwareError, match=f"sweep.csv: row 2: {column} is {value}; a number of at least 0"):
        read_measurements(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b'library\n"' + b"x" * 200_000])
def test_measurements_that_are_no_table_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    path.write_bytes(content)
    with pytest.raises(HardwareError, match=r"sweep\.csv: not a table of measurements"):
        read_measurements(path)


def test_a_library_whose_name_is_a_formula_is_not_measured(tmp_path: Path) -> None:
    named = library(tmp_path, cell("").replace("library(extra)", 'library("=cmd|x")'))
    assert named.name == "=cmd|x"
    with pytest.raises(HardwareError, match=r"'=cmd.x' would be a formula in a table of results"):
        next(run_sweep(tmp_path / "sweep.csv", named, load_recording()))
    assert not (tmp_path / "sweep.csv").exists()
