"""Holds the parsing package against yosys on folders of other people's Verilog, module by module.

    python tests/hwmodels/compare_designs.py OUT.csv NAME=FOLDER ...

NAME is what the table calls a folder. Test benches (with delays, waits or initial stimulus and no ports) are not
synthesizable and left out. A module is equal, or refused by one side with its reason, or differs in named operators.
"""

import csv
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from yosys_oracle import parsed_operators, yosys_netlist, yosys_operators

from hwmodels import HardwareError
from hwmodels.parsing import parse_files

_MODULE = re.compile(r"^\s*module\s+(\w+)", re.MULTILINE)
_NO_PORTS = re.compile(_MODULE.pattern + r"\s*(?:\(\s*\))?\s*;", re.MULTILINE)


def compare(path: Path, top: str) -> tuple[str, int, str]:
    """Return (outcome, operators, detail) of one module. yosys ends its process on errors, so it gets its own."""
    try:
        design = parse_files((path,), top, {})
    except HardwareError as error:
        return "refused", 0, str(error).replace(str(path), path.name)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--one", str(path), top, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    if not last.startswith("RESULT|"):
        errors = re.findall(r"ERROR: (.*)", done.stdout + done.stderr)
        return "refused by yosys", len(design.operators), (errors or [last])[-1].replace(str(path), path.name)[:120]
    outcome = "equal" if last == "RESULT|" else "differs"
    return outcome, len(design.operators), last.removeprefix("RESULT|")


def one(path: Path, top: str, folder: Path) -> str:
    """Return what differs, '' if nothing does."""
    ours, our_bits = parsed_operators(parse_files((path,), top, {}))
    netlist = yosys_netlist((path,), top, {}, folder)
    if any("latch" in cell["type"] for cell in netlist["cells"].values()):
        return "latches: yosys adds the logic of their enables, which is no operator of the source"
    theirs, their_bits = yosys_operators(netlist)
    differences = [f"yosys only: {key} x{count}" for key, count in (theirs - ours).items()]
    differences += [f"ours only: {key} x{count}" for key, count in (ours - theirs).items()]
    if our_bits != their_bits:
        differences.append(f"flip-flops: {our_bits} here, {their_bits} in yosys")
    return "; ".join(differences)


def modules(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield every module with ports of every Verilog file."""
    for path in sorted(folder.rglob("*.v")):
        text = path.read_text(errors="replace")
        benches = set(_NO_PORTS.findall(text))
        yield from ((path, name) for name in _MODULE.findall(text) if name not in benches)


def main() -> None:
    with Path(sys.argv[1]).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("source", "file", "module", "outcome", "operators", "detail"))
        for argument in sys.argv[2:]:
            name, _, folder = argument.partition("=")
            for path, top in modules(Path(folder)):
                outcome, operators, detail = compare(path, top)
                writer.writerow((name, path.relative_to(folder), top, outcome, operators, detail))
                print(f"{outcome:18} {operators:5} {name} {path.name} {top} {detail}", flush=True)  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print("RESULT|" + one(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])))  # noqa: T201
    else:
        main()
