"""Several networks on one bank of rescalers: every accuracy is a member's own, every cost is of all together."""

import shlex
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tomli_w
from pydantic import TypeAdapter

from dse.cli.results import print_export
from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.metrics import value_of
from dse.design.point import DesignPoint, Finetune
from dse.design.space import SearchSpace
from dse.errors import StudyError
from dse.evaluate.costing import cost_models, costs_of
from dse.evaluate.designs import member_job
from dse.evaluate.evaluator import Evaluator, weakest
from dse.export import export_design
from dse.export.scored_design import load_design
from dse.run import run_study
from dse.store.collection import results_of
from dse.store.records import record_of
from dse.store.run_folder import RunFolder
from dse.study.loading import load_study, validated
from dse.study.prepared import PreparedMember, PreparedStudy, prepare
from dse.study.spec import Study
from dse.verdict import choices, verdict_of
from nets.narrow.narrowing import RescalerChoice
from nets.network.operators import Method
from tests.small_studies import document, small_spec

MEMBERS = [
    {"name": "wide", "weight": 3.0, **{key: document(network__weight_bits=8)[key] for key in ("network", "data")}},
    {"name": "tight", "inferences": 5, **{key: document(network__weight_bits=3)[key] for key in ("network", "data")}},
]


def portfolio_document(**changes: object) -> dict[str, Any]:
    return document(**{"network": None, "data": None, "members": MEMBERS, "hardware__style": "shared", **changes})


def portfolio_spec(**changes: object) -> Study:
    return validated(portfolio_document(**changes))


@pytest.fixture(scope="module")
def portfolio(trained_once: None) -> PreparedStudy:  # noqa: ARG001 -- a fixture requires another one only as an argument
    return prepare(portfolio_spec())


@pytest.fixture(scope="module")
def space(portfolio: PreparedStudy) -> SearchSpace:
    return portfolio.space


def alone(portfolio: PreparedStudy, member: PreparedMember) -> Evaluator:
    """The evaluator of a study of this member alone, which has no name then."""
    unnamed = member.spec.model_copy(update={"name": "", "weight": 1.0, "inferences": 1})
    return Evaluator(PreparedStudy(portfolio.spec, (replace(member, spec=unnamed),)))


def mixed(space: SearchSpace) -> DesignPoint:
    chosen = {v.name: RescalerChoice(1 if v.name.startswith("wide/") else 3, Method.ROUND) for v in space.rescalers}
    return space.design(chosen, Finetune.SHORT)


@pytest.mark.parametrize("level", [Level.INTEGER, Level.SHORT_FINETUNE])
def test_members_are_what_they_are_alone(portfolio: PreparedStudy, space: SearchSpace, level: Level) -> None:
    job = Job(0, mixed(space), level)
    evaluation = Evaluator(portfolio).run(job)
    assert isinstance(evaluation, Evaluation)
    single = {m.name: alone(portfolio, m).run(member_job(job, m)) for m in portfolio.members}
    for score in evaluation.members:
        one = single[score.name]
        assert isinstance(one, Evaluation)
        assert (score.val_accuracy, score.val_accuracy_drop_pp) == (one.val_accuracy, one.val_accuracy_drop_pp)
    assert evaluation.val_accuracy_drop_pp == max(score.val_accuracy_drop_pp for score in evaluation.members)
    assert evaluation.val_accuracy + evaluation.val_accuracy_drop_pp == pytest.approx(portfolio.baseline_val_accuracy)


def test_energy_counts_the_mix_and_area_the_widest(portfolio: PreparedStudy, space: SearchSpace) -> None:
    point = mixed(space)
    evaluation = Evaluator(portfolio).run(Job(0, point, Level.INTEGER))
    assert isinstance(evaluation, Evaluation)
    rescales = {w.name: w.rescales_per_inference for w in evaluation.workloads}
    for member in portfolio.members:
        for workload in alone(portfolio, member).run(member_job(Job(0, point, Level.INTEGER), member)).workloads:  # type: ignore[union-attr]
            times = member.spec.inferences
            assert rescales[f"{member.name}/{workload.name}"] == times * workload.rescales_per_inference
    hardware = portfolio.spec.hardware
    costs = costs_of(evaluation.workloads, cost_models(hardware), hardware, point.surroundings)
    assert evaluation.accelerator.rescalers == costs.accelerator.rescalers
    narrow = space.design({v.name: RescalerChoice(1, Method.ROUND) for v in space.rescalers}, Finetune.NONE)
    cheaper = Evaluator(portfolio).run(Job(1, narrow, Level.INTEGER))
    assert isinstance(cheaper, Evaluation)
    assert value_of(cheaper, "rescaler_area_um2") < value_of(evaluation, "rescaler_area_um2"), (
        "one member at 3 bits widens the bank"
    )


@pytest.mark.usefixtures("trained_once")
def test_the_mean_drop_is_weighted(space: SearchSpace) -> None:
    evaluation = Evaluator(prepare(portfolio_spec(accuracy="mean"))).run(Job(0, mixed(space), Level.INTEGER))
    assert isinstance(evaluation, Evaluation)
    wide, tight = (score.val_accuracy_drop_pp for score in evaluation.members)
    assert evaluation.val_accuracy_drop_pp == pytest.approx((3 * wide + tight) / 4)


def test_scores_name_every_member_and_show_the_weakest(portfolio: PreparedStudy, space: SearchSpace) -> None:
    evaluator, point = Evaluator(portfolio), mixed(space)
    trained = evaluator.run(Job(0, point, Level.SHORT_FINETUNE))
    assert isinstance(trained, Evaluation)
    score = evaluator.run(Job(0, point, Level.TEST, trained.weights, trained.network_sha256))
    assert isinstance(score, TestScore)
    assert [name for name, _ in score.members] == ["wide", "tight"]
    assert weakest([each for _, each in score.members]) in [each for _, each in score.members]
    scores = TypeAdapter(TestScore)
    stored = scores.validate_json(scores.dump_json(score))
    assert stored == score
    assert [(name, each.lost) for name, each in stored.members] == [(name, each.lost) for name, each in score.members]
    looked = evaluator.run(Job(0, point, Level.INTEGER))
    assert isinstance(looked, Evaluation)
    assert {m.name for m in record_of(point.to_json(), [looked, trained]).members} == {"wide", "tight"}
    with pytest.raises(ValueError, match="not those that were validated"):
        evaluator.run(Job(0, point, Level.TEST, None, trained.network_sha256))


def test_the_weakest_evidence_is_the_highest_interval() -> None:
    scores = [TestScore(1000, 900, 10, 10), TestScore(100, 90, 1, 1), TestScore(1000, 900, 10, 20)]
    assert weakest(scores) is scores[1], "few samples are weak evidence, whatever the drop"


@pytest.mark.usefixtures("trained_once")
def test_a_portfolio_runs_to_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = portfolio_spec(
        search__trials=14, search__rescalers=[{"names": "wide/*", "tied": True}, {"names": "tight/*", "tied": True}]
    )
    run_study(spec, folder := RunFolder(tmp_path / "run"))
    results = results_of(folder)
    complete = results.trials[results.trials["state"] == "COMPLETE"]
    assert len(complete) == 14
    for member in ("wide", "tight"):
        regret, drop = complete[f"{member}.regret_pp"], complete[f"{member}.val_accuracy_drop_pp"]
        for _, row in complete.iterrows():
            affordable = complete["rescaler_area_um2"] <= row["rescaler_area_um2"]
            assert row[f"{member}.regret_pp"] == pytest.approx(
                row[f"{member}.val_accuracy_drop_pp"] - drop[affordable].min()
            )
        assert (regret >= 0).all()
        assert results.front[f"{member}.ci_high"].notna().all()
    assert (
        complete["ci_high"].fillna(-99) >= complete[["wide.ci_high", "tight.ci_high"]].max(axis=1).fillna(-99)
    ).all()
    page = folder.report_path.read_text(encoding="utf-8")
    assert "Networks of the portfolio" in page
    assert (folder.path / "figures" / "portfolio.png").stat().st_size > 10_000
    assert isinstance(pd.read_csv(folder.path / "front.csv")["wide.regret_pp"].iloc[0], float)
    assert run_study(spec, folder).trials["trial"].tolist() == results.trials["trial"].tolist(), "nothing is left to do"
    capsys.readouterr()
    verdict = replace(verdict_of(results), recommended=choices(results, results.int32)[0])
    print_export(folder.path, verdict, results.facts.members)
    commands = [shlex.split(line.partition(": dse ")[2]) for line in capsys.readouterr().out.splitlines()]
    assert [command[command.index("--member") + 1] for command in commands] == list(results.facts.members)
    assert len({command[command.index("--out") + 1] for command in commands}) == len(commands)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"members": MEMBERS[:1]}, "members: .*at least 2"),
        ({"members": [MEMBERS[0], MEMBERS[0]]}, "wide, wide] names a network twice"),
        ({"members": [MEMBERS[0], {**MEMBERS[1], "name": ""}]}, "every network needs a name"),
        (
            {"members": [MEMBERS[0], {key: MEMBERS[1][key] for key in ("network", "data")}]},
            r"members\.1\.name is missing",
        ),
        ({"members": [MEMBERS[0], {**MEMBERS[1], "weight": 0}]}, r"members\.1\.weight: .*greater than 0, got 0"),
        ({"hardware__style": "streaming"}, 'use hardware.style = "shared"'),
        ({"network": {"topology": "digits_cnn"}}, "unknown key network"),
        (
            {"members": [MEMBERS[0], {**MEMBERS[1], "network": {"topology": "digits_cnn", "contract": "floor"}}]},
            "give every member the same contract",
        ),
    ],
)
def test_bad_portfolios_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        portfolio_spec(**changes)


def test_files_of_both_forms_are_read_and_written_in_their_form(tmp_path: Path) -> None:
    path = tmp_path / "portfolio.toml"
    path.write_text(tomli_w.dumps(portfolio_document()), encoding="utf-8")
    study = load_study(path)
    assert study == portfolio_spec()
    assert study.is_portfolio
    written = tomllib.loads(study.to_toml())
    assert written["accuracy"] == "worst"
    assert [member["name"] for member in written["members"]] == ["wide", "tight"]
    assert not {"network", "data"} & written.keys()
    assert validated(written) == study
    single = small_spec()
    assert not single.is_portfolio
    assert [member.name for member in single.members] == [""]
    written = tomllib.loads(single.to_toml())
    assert not {"members", "accuracy"} & written.keys()
    assert validated(written) == single
    missing = [{**MEMBERS[0], "network": {"model": "none.tflite"}}, MEMBERS[1]]
    path.write_text(tomli_w.dumps(portfolio_document(members=missing)), encoding="utf-8")
    with pytest.raises(StudyError, match=r"members\.wide\.network\.model: no such file"):
        load_study(path)


@pytest.mark.usefixtures("trained_once")
def test_a_member_is_exported_as_it_was_scored(tmp_path: Path) -> None:
    run_study(portfolio_spec(search__trials=8), folder := RunFolder(tmp_path / "run"))
    trials = results_of(folder).trials
    row = trials[(trials["role"] == "uniform_absorb") & trials["tight.ci_high"].notna()].iloc[0]
    design = load_design(folder, int(row["trial"]), 4, "tight")
    assert design.title == f"small trial {row['trial']}, tight"
    assert [name for name, _ in design.point.choices] == [op.name for op in design.network.narrowable_operators()]
    assert design.row["val_accuracy"] == row["tight.val_accuracy"]
    assert design.row["ci_high"] == row["tight.ci_high"]
    page = export_design(folder.path, int(row["trial"]), tmp_path / "out", rows=20, samples=2, member="tight")
    assert "bank that serves the whole portfolio" in page.read_text(encoding="utf-8")
    for member in ("", "third"):
        with pytest.raises(StudyError, match="give one of wide, tight as --member"):
            load_design(folder, int(row["trial"]), 4, member)
