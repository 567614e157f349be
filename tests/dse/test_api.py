"""What ``import dse`` offers: bad input is one line, tables are escaped, trackers get every trial."""

import re
import sys
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Self

import pytest

import dse
import dse.run
from dse import html
from hwmodels import VerilogCost
from nets.errors import NetworkError
from tests.small_studies import document, write_study

PAGE = Path(__file__).parents[2] / "docs" / "running.md"
FAST = {"search__trials": 4, "fidelity__finetune": "none", "search__uniform_multiplier_bits": [4]}


@pytest.fixture
def fast(trained_once: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 -- as in the other fixtures
    """Reports without content: pictures take longer than all the rest."""
    monkeypatch.setattr(dse.run, "write_report", lambda _, folder: (folder / "report.html").touch())


class Client:
    """The calls of MLflow and of a run of Weights & Biases that the page shows, with their parameters."""

    def __init__(self) -> None:
        self.steps: list[int | None] = []
        self.metrics: list[dict[str, float]] = []
        self.summary: dict[str, object] = {}
        self.artifacts: list[str] = []

    def start_run(self, run_id: str | None = None, *, run_name: str | None = None) -> Self:
        assert run_id is None
        assert run_name
        return self

    def init(self, entity: str | None = None, project: str | None = None, *, name: str | None = None) -> Self:
        assert entity is None
        assert project
        assert name
        return self

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.metrics.append(metrics)
        self.steps.append(step)

    def log(self, data: dict[str, float], step: int | None = None) -> None:
        self.log_metrics(data, step)

    def set_tag(self, key: str, value: object) -> None:
        self.summary[key] = value

    def log_artifact(self, local_path: str) -> None:
        self.artifacts.append(local_path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert error is None


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_a_tracker_gets_every_trial(tracker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = (
        block
        for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        if f"import {tracker}" in block
    )
    write_study(tmp_path, **FAST)
    client, module = Client(), ModuleType(tracker)
    for name in ("start_run", "log_metrics", "set_tag", "log_artifact", "init"):
        setattr(module, name, getattr(client, name))
    monkeypatch.setitem(sys.modules, tracker, module)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), scope)  # noqa: S102 -- a page of this project
    assert set(range(1, 5)) <= set(client.steps)
    assert client.metrics[-1]["front"] >= 1
    assert all(Path(file).is_file() for file in client.artifacts)
    run = scope["run"]
    assert isinstance(run, dse.Run)
    assert client.summary["verdict"] == run.verdict.headline
    check_run(run)


def check_run(run: dse.Run) -> None:
    """What is stored is what the call returned; tables are copies."""
    again = dse.open_run(run.folder)
    assert again.trials.equals(run.trials)
    copy = run.trials
    copy["trial"] = -1
    assert set(run.front["trial"]) <= set(run.trials["trial"]) == set(range(4))
    assert set(run.layers["trial"]) == set(range(4))
    with pytest.raises(dse.StudyError, match="99"):
        run.export(run.folder / "chip", 99)


@pytest.mark.usefixtures("fast")
def test_a_check_of_few_trials_does_not_read_the_test_split(tmp_path: Path) -> None:
    run = dse.launch(document(**FAST), tmp_path / "run", trials=2)
    assert len(run.results.complete) >= 2
    assert run.results.scores == {}
    assert (run.recommended, run.verdict.headline in run._repr_html_()) == (None, True)
    with pytest.raises(dse.StudyError, match="recommends no design"):
        run.prove()


@pytest.mark.parametrize("changes", [{"search__trails": 4}, {"network": {"model": "nowhere.tflite"}}])
def test_bad_tables_make_no_folder(changes: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(dse.StudyError, match=r"^study: .*(trails|nowhere[.]tflite)"):
        dse.launch(document(**FAST, **changes))
    assert list(tmp_path.iterdir()) == []


def test_bad_options_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_text("no model", encoding="utf-8")
    with pytest.raises(dse.StudyError, match="method is 'guess'; use absorb or round"):
        dse.narrow(tmp_path / "bad.tflite", tmp_path / "out.tflite", method="guess")
    with pytest.raises(NetworkError, match=r"bad[.]tflite"):
        dse.narrow(tmp_path / "bad.tflite", tmp_path / "out.tflite")
    with pytest.raises(dse.StudyError, match="no_such_file"):
        dse.fetch_file("no_such_file")
    with pytest.raises(dse.StudyError, match=r"no such|no run"):
        dse.open_run(tmp_path / "nowhere")


def test_a_module_is_costed_and_shown(tmp_path: Path) -> None:
    """Names come from files: HTML shows them as text."""
    file = tmp_path / "<b>.v"
    text = "module two(input [7:0] a, b, output [15:0] y); assign y = a * b; endmodule"
    file.write_text(text, encoding="utf-8")
    result = dse.cost(str(file), "two", technology="osu018")
    assert isinstance(result, VerilogCost)
    shown = result._repr_html_()
    assert "8 x 8" in shown
    assert "&lt;b&gt;.v:1" in shown
    assert "<b>" not in shown


def test_a_module_is_proven_or_refuted(tmp_path: Path) -> None:
    pytest.importorskip("bitwuzla", reason="pip install bitwuzla")
    pytest.importorskip("pyosys", reason="pip install pyosys")
    file = tmp_path / "shift.v"
    file.write_text(
        "module shift(input signed [9:0] acc, output signed [7:0] q); wire signed [9:0] s = (acc + 2) >>> 2;"
        " assign q = s > 127 ? 127 : s; endmodule",
        encoding="utf-8",
    )
    claim = {"values": {"multiplier": 1, "shift": 2}}
    assert dse.prove(file, "shift", "half_up", **claim).proof.outcome == "proven"  # type: ignore[arg-type]
    assert dse.prove(file, "shift", "floor", **claim).proof.outcome == "refuted"  # type: ignore[arg-type]


def test_names_in_tables_of_a_run_are_text() -> None:
    assert html.table("<i>", ["<b>"], [["<s>"]]).count("&lt;") == 3
    assert html.paragraphs(["a < b", ""]) == "<p>a &lt; b</p>"
