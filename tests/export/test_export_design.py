"""``dse export`` on a real run: its files, and its test bench under Verilator."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from dse.errors import StudyError
from dse.export import DesignDocument, export_design
from dse.run import run_study
from dse.store.collection import results_of
from dse.store.run_folder import RunFolder
from dse.study.loading import load_study
from tests.conftest import Cli
from tests.export.benches import build_bench
from tests.hwmodels.hw_workloads import needs_verilator, needs_yosys
from tests.small_studies import write_study


@pytest.fixture(scope="session")
def run(
    trained_once: None,  # noqa: ARG001 -- a fixture requires another one only as an argument
    tmp_path_factory: pytest.TempPathFactory,
) -> RunFolder:
    """A small study, run for real; the last trials are of the search, with a width of its own at every rescaler."""
    folder = tmp_path_factory.mktemp("study")
    run_study(load_study(write_study(folder, search__trials=9)), RunFolder(folder / "run"))
    return RunFolder(folder / "run")


@pytest.fixture(scope="session")
def varied(run: RunFolder) -> int:
    """The trial with the most different widths among those of the search."""
    trials = results_of(run).trials
    searched = trials[(trials["role"] == "search") & (trials["state"] == "COMPLETE")].set_index("trial")
    widths = searched[[name for name in searched.columns if name.endswith(".multiplier_bits")]]
    return int(widths.nunique(axis=1).idxmax())


@pytest.fixture(scope="session")
def exported(run: RunFolder, varied: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_design(run.path, varied, tmp_path_factory.mktemp("out") / "design", rows=300, samples=8).parent


def test_document_obeys_its_schema_and_hashes_every_file(exported: Path, varied: int) -> None:
    text = (exported / "design.json").read_text(encoding="utf-8")
    jsonschema.validate(json.loads(text), json.loads((exported / "design.schema.json").read_text(encoding="utf-8")))
    document = DesignDocument.model_validate_json(text)
    assert document.trial == varied
    files = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    assert files == {*document.files, "README.md", "design.json"}
    for name, digest in document.files.items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == digest, name


def test_document_tells_the_trials_figures(exported: Path, run: RunFolder, varied: int) -> None:
    document = DesignDocument.model_validate_json((exported / "design.json").read_text(encoding="utf-8"))
    row = results_of(run).trials.set_index("trial").loc[varied]
    assert document.accuracy.val_accuracy_drop_pp == row["val_accuracy_drop_pp"]
    assert document.cost.rescaler_area_um2 == row["rescaler_area_um2"]
    for rescaler in document.rescalers:
        assert rescaler.stages[-1].multiplier_bits == row[f"{rescaler.name}.multiplier_bits"]
        assert rescaler.method == row[f"{rescaler.name}.method"]


def test_readme_names_every_rescaler_and_only_files_that_exist(exported: Path) -> None:
    text = (exported / "README.md").read_text(encoding="utf-8")
    assert "of MACs and rescalers" in text
    assert "with buffers (16 MACs to 1 rescaler in each layer; int32's first)" in text
    document = DesignDocument.model_validate_json((exported / "design.json").read_text(encoding="utf-8"))
    assert all(f"`{rescaler.module}`" in text for rescaler in document.rescalers)
    for name in re.findall(r"`(\w[\w.]*\.(?:json|h))`", text):
        assert (exported / name).is_file(), name
    assert "nan" not in text.lower().split()


def test_same_trial_gives_the_same_files(exported: Path, run: RunFolder, varied: int, tmp_path: Path) -> None:
    again = export_design(run.path, varied, tmp_path / "again", rows=300, samples=8).parent
    for path in again.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (exported / path.relative_to(again)).read_bytes(), path


def test_a_folder_with_files_is_left_alone(run: RunFolder, varied: int, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StudyError, match="is not empty"):
        export_design(run.path, varied, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(run: RunFolder, varied: int, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert export_design(run.path, varied, tmp_path / "empty", rows=50, samples=2).is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_unknown_trial_is_one_clear_line(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"trial 999 is not a complete trial of .*; it has \d+ complete ones, 0 to"):
        export_design(run.path, 999, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_architecture_without_export_is_one_clear_line(run: RunFolder, varied: int, tmp_path: Path) -> None:
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copied.path)
    manifest = copied.manifest()
    hardware = manifest.spec.hardware.model_copy(update={"architecture": "fractured"})
    other = manifest.model_copy(update={"spec": manifest.spec.model_copy(update={"hardware": hardware})})
    copied.manifest_path.write_text(other.to_json(), encoding="utf-8")
    with pytest.raises(
        StudyError, match=r"hardware\.architecture = 'fractured' cannot be exported; only the array, serial can"
    ):
        export_design(copied.path, varied, tmp_path / "out")


def test_weights_that_were_changed_are_noticed(run: RunFolder, tmp_path: Path) -> None:
    trials = results_of(run).trials
    tuned = trials[(trials["fidelity"] == "short_finetune") & trials["state"].eq("COMPLETE")]["trial"]
    first, second = (int(trial) for trial in tuned[:2])
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copied.path)
    shutil.copy(run.path / "weights" / f"{second}.safetensors", copied.path / "weights" / f"{first}.safetensors")
    with pytest.raises(
        StudyError, match=rf"{first}\.safetensors: not the weights that were scored; dse repair --train"
    ):
        export_design(copied.path, first, tmp_path / "out")


@pytest.fixture(scope="session")
def simulation(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test bench, built by the command that the README gives, warnings being errors."""
    folder = tmp_path_factory.mktemp("simulation") / "design"
    shutil.copytree(exported, folder)
    build_bench(folder)
    return folder


def simulated(folder: Path) -> tuple[int, str]:
    done = subprocess.run(["obj_dir/Vtestbench"], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout


@needs_verilator
@pytest.mark.slow
def test_bench_passes_on_every_vector(simulation: Path) -> None:
    status, shown = simulated(simulation)
    assert status == 0, shown
    assert "PASS" in shown
    for path in (simulation / "test").glob("*.hex"):
        count = len(path.read_text().split())
        assert f"{path.stem}: {count} vectors, 0 errors" in shown


@needs_verilator
@pytest.mark.slow
def test_bench_fails_on_a_single_wrong_bit_of_an_expected_output(simulation: Path) -> None:
    document = DesignDocument.model_validate_json((simulation / "design.json").read_text(encoding="utf-8"))
    path = simulation / "test" / f"{document.rescalers[0].module.removeprefix('unit_')}.hex"
    kept = path.read_text()
    first, rest = kept.split("\n", 1)
    path.write_text(f"{int(first, 16) ^ 1:0{len(first)}x}\n{rest}")
    try:
        status, shown = simulated(simulation)
    finally:
        path.write_text(kept)
    assert status != 0
    assert "FAIL" in shown
    assert "PASS" not in shown


@needs_yosys
def test_every_unit_of_a_design_is_proven_by_a_command(run: RunFolder, varied: int, cli: Cli) -> None:
    done = cli("prove", run.path, "--trial", varied, "--json")
    proofs = json.loads(done.out)
    assert done.status == 0
    assert {proof["outcome"] for proof in proofs} == {"proven"}
    assert {"conv_0", "add_3", "fc_7"} <= {proof["layer"] for proof in proofs}


def test_a_shared_study_exports_its_banks(run: RunFolder, varied: int, tmp_path: Path) -> None:
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copied.path)
    manifest = copied.manifest()
    hardware = manifest.spec.hardware.model_copy(update={"style": "shared", "lanes": 2})
    other = manifest.model_copy(update={"spec": manifest.spec.model_copy(update={"hardware": hardware})})
    copied.manifest_path.write_text(other.to_json(), encoding="utf-8")
    readme = export_design(copied.path, varied, tmp_path / "out", rows=20, samples=2)
    document = DesignDocument.model_validate_json((tmp_path / "out" / "design.json").read_text(encoding="utf-8"))
    assert {each.module for each in document.rescalers} <= {"unit_bank", "unit_add_bank"}
    for module in ("unit_bank", "unit_add_bank"):
        layers = [each for each in document.rescalers if each.module == module]
        assert [each.layer for each in layers] == list(range(len(layers)))
        assert all(f"`{module}`, layer {each.layer} |" in readme.read_text(encoding="utf-8") for each in layers)
    channels = [each.channels for each in document.rescalers if each.module == "unit_bank"]
    firsts = [each.first_word for each in document.rescalers if each.module == "unit_bank"]
    assert firsts == [sum(channels[:number]) for number in range(len(channels))]
    assert "2 lanes, lane 0 lowest" in readme.read_text(encoding="utf-8")
