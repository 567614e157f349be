"""One declaration per figure: a new one is seen in records, tables, reports and study files."""

import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from dse.design import metrics
from dse.design.cost_source import CostSource
from dse.design.metrics import FIGURES, Direction, Figure, Section, objective_names, value_of
from dse.design.point import Finetune
from dse.design.roles import Role
from dse.design.space import RescalerVariable, SearchSpace
from dse.errors import StudyError
from dse.report import compare, recommendation, show, write_report
from dse.store.collection import collect
from dse.store.columns import design_table, heading, trial_columns
from dse.store.manifest import Manifest
from dse.store.records import TrialRecord, record_of
from dse.store.results import StudyResults
from dse.store.trials import record_in
from nets.network.operators import Method
from studies.reference.write_study_file import reference
from tests import fakes, stores
from tests.fakes import evaluation
from tests.small_studies import small_spec

HEAT = Figure(
    name="heat_mk",
    title="Self-heating",
    unit="mK",
    section=Section.OTHER,
    direction=Direction.MINIMIZE,
    measured=lambda evaluation: 1234.0 + (evaluation.accelerator.rescalers.rescaler_area_um2 or 0.0),
)
OBJECTIVES = ["val_accuracy_drop_pp", "rescaler_area_um2", "heat_mk"]
SPACE = SearchSpace(
    (
        RescalerVariable("a", (1, 2, 4, 31), (Method.ROUND, Method.ABSORB)),
        RescalerVariable("b", (1, 31), (Method.ROUND,)),
    ),
    (Finetune.NONE,),
)
SOURCE = CostSource("analytic", "aladdin40", 40.0, "a paper", "unknown")


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FIGURES", (*FIGURES, HEAT))


def results(journal: Path, objectives: list[str]) -> StudyResults:
    spec = small_spec(search__objectives=objectives, search__trials=3)
    store = stores.opened(stores.journal_for_driver(journal), spec.name, spec.search.objectives)
    for role, bits in ((Role.INT32, 31), (Role.UNIFORM_ROUND, 4), (Role.UNIFORM_ROUND, 1)):
        point = SPACE.uniform(bits, Method.ROUND, Finetune.NONE)
        store.enqueue(SPACE, point, role)
        fakes.tell(store, store.ask(SPACE), record_of(point.to_json(), [evaluation(point)]))
    manifest = Manifest(
        id="0" * 32,
        spec=spec,
        folder="",
        processor="x86_64 AVX2",
        contents={},
        created="2026-11-21T04:00:00+00:00",
        versions={},
        git_revision="",
        dataset="digits",
        data_sha256="0",
        samples={"validation": 100, "test": 100},
        stratified=True,
        network="digits_cnn",
        network_sha256="1",
        rescalers=("a", "b"),
        baseline_val_accuracy=90.0,
        cost_sources=(SOURCE, SOURCE),
    )
    return collect(manifest, store)


@pytest.mark.usefixtures("declared")
def test_a_new_figure_is_stored_and_may_be_an_objective(tmp_path: Path) -> None:
    point = SPACE.uniform(4, Method.ROUND, Finetune.NONE)
    record = record_of(point.to_json(), [evaluation(point)])
    assert TrialRecord.model_validate_json(record.model_dump_json()).figures["heat_mk"] == 1234.0 + 800.0
    collected = results(tmp_path / "journal.log", OBJECTIVES)
    assert collected.facts.objectives == tuple(OBJECTIVES)
    assert collected.trials["heat_mk"].tolist() == (1234.0 + collected.trials["rescaler_area_um2"]).tolist()
    trials = stores.opened(stores.journal_for_driver(tmp_path / "journal.log"), "small", OBJECTIVES).trials()
    for trial in trials:
        stored = record_in(trial)
        assert stored is not None
        assert trial.values == [value_of(stored, name) for name in metrics.search_objectives(OBJECTIVES)]


@pytest.mark.usefixtures("declared")
def test_a_new_figure_is_in_every_file_and_on_the_screen(tmp_path: Path) -> None:
    collected = results(tmp_path / "journal.log", OBJECTIVES)
    page = write_report(collected, tmp_path / "report").read_text(encoding="utf-8")
    for name in ("front.csv", "baselines.csv", "trials.csv"):
        assert "heat_mk" in pd.read_csv(tmp_path / "report" / name).columns
    assert "heat_mk" in pd.read_parquet(tmp_path / "report" / "trials.parquet").columns
    with zipfile.ZipFile(tmp_path / "report" / "results.xlsx") as workbook:
        assert "Self-heating (mK)" in workbook.read("xl/sharedStrings.xml").decode()
    cheapest = collected.front["heat_mk"].iloc[0]
    assert f"self-heating {cheapest:,.0f} mK" in page
    screen = io.StringIO()
    show(collected, recommendation(collected), Console(width=200, file=screen))
    assert f"self-heating {cheapest:,.0f} mK" in screen.getvalue()


@pytest.mark.usefixtures("declared")
def test_a_new_figure_is_in_a_comparison(tmp_path: Path) -> None:
    studies = [results(tmp_path / "first.log", OBJECTIVES), results(tmp_path / "second.log", OBJECTIVES[:2])]
    page = compare(studies, tmp_path).read_text(encoding="utf-8")
    assert pd.read_csv(tmp_path / "compare.csv")["heat_mk"].notna().all()
    assert "rescaler_area_um2, heat_mk / val_accuracy_drop_pp" in page, "different objectives are an obstacle"


@pytest.mark.usefixtures("declared")
def test_study_files_and_their_page_name_a_new_figure() -> None:
    limited = small_spec(search__objectives=OBJECTIVES, search__constraints=[{"metric": "heat_mk", "at_most": 2000.0}])
    assert limited.search.constraints[0].metric == "heat_mk"
    assert '"heat_mk"' in reference()


def test_the_documentation_describes_every_objective() -> None:
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in objective_names())


def test_only_declared_figures_that_are_minimised_are_objectives() -> None:
    for name in ("heat_mk", "val_accuracy", "other_rescaler_area_um2"):
        with pytest.raises(StudyError, match=rf"search\.objectives\.2: should be one of .*latency_cycles.*'{name}'"):
            small_spec(search__objectives=[*OBJECTIVES[:2], name])


def test_every_figure_is_declared_once_and_has_a_column_and_a_heading() -> None:
    names = [figure.name for figure in FIGURES]
    assert len(set(names)) == len(names)
    columns = [column.name for column in trial_columns()]
    assert len(set(columns)) == len(columns)
    assert set(names) <= set(columns)
    assert all(heading(figure.name) == f"{figure.title} ({figure.unit})" for figure in FIGURES)
    point = SPACE.uniform(4, Method.ROUND, Finetune.NONE)
    assert list(evaluation(point).figures) == names


def test_columns_of_files_keep_their_names_and_order(tmp_path: Path) -> None:
    """Scripts of users read these files; a new column comes behind those that it follows in the declaration."""
    trials = results(tmp_path / "journal.log", OBJECTIVES[:2]).trials
    assert list(trials.columns) == [
        *("trial", "state", "role", "on_front", "feasible", "finetune", "fidelity", "val_accuracy_drop_vs_control_pp"),
        *("val_accuracy", "val_accuracy_drop_pp", "val_disagreement_pp", "val_divergence"),
        *("val_cross_entropy_increase", "val_metric", "val_metric_loss", "expected_accuracy_drop_pp"),
        "val_accuracy_integer",
        *("rescaler_area_um2", "rescaler_energy_nj"),
        *("other_rescaler_area_um2", "other_rescaler_energy_nj", "parameter_bits", "seconds", "accelerator_area_um2"),
        *("accelerator_energy_nj", "memory_area_um2", "memory_energy_nj", "memory_leakage_uw", "latency_cycles"),
        *("latency_ns", "period_ns", "other_style_rescaler_area_um2", "test_accuracy"),
        *("test_accuracy_drop_pp", "ci_low", "ci_high", "test_accuracy_drop_vs_control_pp"),
        *("test_accuracy_drop_vs_control_low_pp", "test_accuracy_drop_vs_control_high_pp", "test_disagreement_pp"),
        *("test_disagreement_low", "test_disagreement_high", "test_divergence", "test_divergence_low"),
        *("test_divergence_high", "test_metric_loss", "test_metric_loss_low", "test_metric_loss_high"),
        *("finished", "error"),
        *("a.multiplier_bits", "a.method", "b.multiplier_bits", "b.method"),
    ]
    assert list(design_table(trials, ("a", "b")).columns) == [
        *("trial", "role", "finetune", "fidelity", "val_accuracy", "val_accuracy_drop_pp", "val_disagreement_pp"),
        *("val_divergence", "val_cross_entropy_increase", "val_metric", "val_metric_loss"),
        "expected_accuracy_drop_pp",
        *("val_accuracy_drop_vs_control_pp", "test_accuracy", "test_accuracy_drop_pp", "ci_low", "ci_high"),
        *("test_accuracy_drop_vs_control_pp", "test_accuracy_drop_vs_control_low_pp"),
        *("test_accuracy_drop_vs_control_high_pp", "test_disagreement_pp", "test_disagreement_low"),
        *("test_disagreement_high", "test_divergence", "test_divergence_low", "test_divergence_high"),
        *("test_metric_loss", "test_metric_loss_low", "test_metric_loss_high"),
        *("rescaler_area_um2", "rescaler_energy_nj", "other_rescaler_area_um2"),
        *("other_rescaler_energy_nj", "accelerator_area_um2", "accelerator_energy_nj"),
        *("memory_area_um2", "memory_energy_nj", "memory_leakage_uw", "latency_cycles", "latency_ns", "period_ns"),
        *("parameter_bits", "a.multiplier_bits", "b.multiplier_bits", "a.method", "b.method", "feasible"),
        *("val_accuracy_integer", "other_style_rescaler_area_um2"),
    ]
