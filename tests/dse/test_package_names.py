"""A package of another project that bears one of our names is found at once, and named."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["nets", "hwmodels"])
@pytest.mark.parametrize("file", ["__init__.py", "other.py"])
def test_a_foreign_package_of_the_same_name_is_named(tmp_path: Path, name: str, file: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / file).touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import dse"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    if file == "__init__.py":
        assert done.stderr.splitlines()[-1].endswith(f"but import finds {tmp_path / name}")
        assert f"own package {name}" in done.stderr
    elif done.returncode:  # a folder without __init__.py comes before a package only in an editable installation
        assert done.stderr.splitlines()[-1].endswith("import finds nothing, or a folder without __init__.py")
