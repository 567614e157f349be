"""``dse show --json`` and ``dse compare --json``: the same as in the tables, for programs."""

import json
import math

import pytest
from synthetic_study import Maker

from dse.report import comparison_document, results_document
from dse.store.results import StudyResults
from dse.verdict import choices, verdict_of


def test_every_study_is_a_json_object(any_study: StudyResults) -> None:
    """Without NaN, which is no JSON: unknown figures are null."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(results_document(any_study).model_dump_json(), parse_constant=refuse)
    assert [design["trial"] for design in document["front"]] == any_study.front["trial"].tolist()
    assert len(document["baselines"]) == len(any_study.baselines)


def test_figures_are_those_of_the_table(make: Maker) -> None:
    results = make(trials=30)
    document = results_document(results)
    front = choices(results, results.front)
    for design, choice in zip(document.front, front, strict=True):
        assert design.on_front
        assert design.figures["rescaler_area_um2"] == choice.area_um2
        assert design.figures["ci_high"] == (choice.ci_high if math.isfinite(choice.ci_high) else None)
        assert tuple(rescaler.multiplier_bits for rescaler in design.rescalers) == choice.multiplier_bits
        assert [rescaler.name for rescaler in design.rescalers] == list(results.rescalers)
    assert document.int32 is not None
    assert {rescaler.multiplier_bits for rescaler in document.int32.rescalers} == {31}


def test_the_verdict_is_the_one_of_the_study(any_study: StudyResults) -> None:
    whole = results_document(any_study)
    verdict, document = verdict_of(any_study), whole.verdict
    assert document.margin_pp == verdict.margin_pp
    assert (whole.recommended.trial if whole.recommended else None) == document.recommended
    assert document.outcome == verdict.outcome
    assert (document.headline, document.text, document.cautions) == (verdict.headline, verdict.text, verdict.cautions)
    assert document.recommended == (None if verdict.recommended is None else verdict.recommended.trial)
    assert [test.trial for test in document.tested] == [test.choice.trial for test in verdict.tested]
    assert [test.comparisons[0].high for test in document.tested] == [t.comparisons[0].high for t in verdict.tested]


def test_a_study_before_its_first_trial_has_no_int32(make: Maker) -> None:
    results = make(trials=0, roles=(), failed=0, complete=False)
    document = results_document(results)
    assert (document.int32, document.front, document.verdict.recommended) == (None, (), None)


def test_a_comparison_is_a_json_object(make: Maker) -> None:
    studies = [make(trials=30, study="a"), make(trials=30, study="b", seed=1)]
    document = json.loads(comparison_document(studies).model_dump_json())
    assert [run["label"] for run in document["runs"]] == ["a", "b"]
    assert document["runs"][0]["front"] == studies[0].front["trial"].tolist()
    assert document["coverage"][0][0] == pytest.approx(1.0)
    assert {document["verdicts"][0]["first"], document["verdicts"][0]["second"]} == {"a", "b"}
