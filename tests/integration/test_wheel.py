"""The distributions: an outside study runs from an installed wheel, without source tree and without compiler."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.small_studies import write_study

ROOT = Path(__file__).parents[2]
WITHOUT_COMPILER = {"CC": "/nonexistent/cc", "CXX": "/nonexistent/c++"}
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="needs the source tree")]


def built(kind: str, source: Path, into: Path) -> Path:
    """Returns the wheel or sdist that setuptools builds of a source tree, without a compiler."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD.format(kind=kind), str(into)],
        cwd=source,
        env={**os.environ, **WITHOUT_COMPILER},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return into / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution of the files that the project consists of."""
    copy, into = tmp_path_factory.mktemp("tree") / "rescale-dse", tmp_path_factory.mktemp("sdist")
    copy.mkdir()
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "dse", "hwmodels", "nets"):
        (copy / name).symlink_to(ROOT / name)
    return built("sdist", copy, into)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that is built from the source distribution alone."""
    unpacked, into = tmp_path_factory.mktemp("unpacked"), tmp_path_factory.mktemp("wheel")
    shutil.unpack_archive(sdist, unpacked, filter="data")
    return built("wheel", next(unpacked.iterdir()), into)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``dse`` command of an environment with the wheel, which sees the packages that the project needs."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
    python = home / "venv" / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home / "venv")}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)  # noqa: S202 -- the wheel made above
    others = [
        path for path in sys.path if path.endswith("site-packages")
    ]  # as paths: their own .pth files are not read
    (packages / "others.pth").write_text("\n".join(others), encoding="utf-8")
    command = home / "venv" / "bin" / "dse"
    command.write_text(f"#!{python}\nfrom dse.cli.entry import main\nmain()\n", encoding="utf-8")
    command.chmod(0o755)
    return command


def run(command: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run([command, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_source_distribution_holds_packages_and_no_tests(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"nets/execute/native/kernels.cpp", "hwmodels/rtl/rescaler.v", "LICENSE", "README.md"} <= names
    assert not [name for name in names if name.split("/")[0] in ("tests", "studies", "docs")]


def test_an_outside_study_runs_from_the_wheel_without_compiler(installed: Path, tmp_path: Path) -> None:
    kernels = json.loads(run(installed, tmp_path, "doctor", "--json"))["native kernels"]
    assert not kernels["found"]
    assert "C++ compiler" in kernels["without"]
    study = write_study(tmp_path, search__trials=4, fidelity__finetune="none", fidelity__epochs=None)
    run(installed, tmp_path, "run", str(study))
    assert json.loads(run(installed, tmp_path, "show", "runs/small", "--json"))["front"]
    run(installed, tmp_path, "export", "runs/small", "--trial", "1", "--out", "chip")
    assert (tmp_path / "chip" / "design.json").is_file()
