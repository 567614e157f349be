"""Lowering and evaluation of real designs of the digits network."""

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.metrics import value_of
from dse.design.point import DesignPoint, Finetune
from dse.design.space import SearchSpace, weights_key
from dse.errors import StudyError
from dse.evaluate import parts
from dse.evaluate.costing import check_objectives, cost_models
from dse.evaluate.designs import narrowed, shipped
from dse.evaluate.evaluator import Evaluator, start_evaluator
from dse.evaluate.lowering import lower
from dse.run import run_study
from dse.store.records import record_of
from dse.store.run_folder import RunFolder
from dse.study.prepared import PreparedStudy, correct_answers, outputs_of, prepare
from dse.study.space import space_over
from hwmodels import network_cost
from nets.execute.executor import IntegerExecutor
from nets.narrow.certificates import certify
from nets.narrow.narrowing import RescalerChoice
from nets.network.fingerprints import fingerprint
from nets.network.operators import Method, Weighted
from tests.fakes import values
from tests.small_studies import small_spec


@pytest.fixture(scope="module")
def space(digits: PreparedStudy) -> SearchSpace:
    return space_over(digits.operators, digits.spec.search, Finetune.SHORT)


@pytest.fixture(scope="module")
def evaluator(digits: PreparedStudy) -> Evaluator:
    return Evaluator(digits)


def evaluated(evaluator: Evaluator, point: DesignPoint, level: Level = Level.INTEGER) -> Evaluation:
    evaluation = evaluator.run(Job(0, point, level))
    assert isinstance(evaluation, Evaluation)
    return evaluation


def test_workloads_are_those_of_the_network(digits: PreparedStudy, space: SearchSpace) -> None:
    network = narrowed(digits.members[0], space.uniform(5, Method.ROUND, Finetune.NONE))
    workloads = {w.name: w for w in lower(network)}
    assert list(workloads) == [v.name for v in space.rescalers]
    conv = workloads["conv_0"]
    assert (conv.channels, conv.rescales_per_inference, conv.weight_bits) == (8, 8 * 8 * 8, 4)
    assert conv.macs_per_inference == 8 * 8 * 8 * 9  # one input channel, 3x3
    assert workloads["depthwise_1"].macs_per_inference == 8 * 8 * 8 * 9  # one channel a filter
    assert workloads["conv_4"].macs_per_inference == 16 * 4 * 4 * 9 * 8
    assert workloads["fc_7"].macs_per_inference == 16 * 10
    add = workloads["add_3"]
    assert (add.channels, add.macs_per_inference, add.weight_bits, len(add.stages)) == (1, 0, 0, 2)
    assert all(stage.multiplier_bits == 5 for w in workloads.values() for stage in w.stages)


def test_accumulator_bits_hold_everything_that_the_layer_can_reach(digits: PreparedStudy) -> None:
    """Real inputs stay within the certified interval, and one bit less would not hold the interval."""
    certificate = certify(digits.members[0].network)
    for workload in lower(digits.members[0].network):
        operator = digits.members[0].network.operator(workload.name)
        interval = certificate.accumulators[workload.name]
        bits = workload.stages[-1].operand_bits
        low, high = interval.hull()
        assert -(2 ** (bits - 1)) <= low
        assert high < 2 ** (bits - 1)
        assert low < -(2 ** (bits - 2)) or high >= 2 ** (bits - 2)
        assert bits < 32
        if isinstance(operator, Weighted):
            assert workload.stages[-1].right_shift_max >= int(operator.rescaler.right_shift.min())


def test_accuracy_is_that_of_the_integer_network(
    digits: PreparedStudy, space: SearchSpace, evaluator: Evaluator
) -> None:
    point = space.uniform(2, Method.ROUND, Finetune.NONE)
    evaluation = evaluated(evaluator, point)
    validation = digits.members[0].splits.validation
    logits = (
        IntegerExecutor(narrowed(digits.members[0], point)).outputs(validation.inputs)[0].reshape(len(validation), -1)
    )
    hits = [int(np.argmax(row)) == label for row, label in zip(logits, validation.labels, strict=True)]
    assert evaluation.val_accuracy == pytest.approx(100 * sum(hits) / len(hits), abs=1e-9)
    assert evaluation.val_accuracy_drop_pp == pytest.approx(
        digits.members[0].baseline_val_accuracy - evaluation.val_accuracy
    )
    assert evaluation.weights is None
    assert evaluation.network_sha256 == fingerprint(narrowed(digits.members[0], point))


def test_the_baseline_drops_nothing(digits: PreparedStudy, space: SearchSpace, evaluator: Evaluator) -> None:
    evaluation = evaluated(evaluator, space.uniform(31, Method.ROUND, Finetune.NONE))
    assert evaluation.val_accuracy_drop_pp == 0
    assert evaluation.network_sha256 == fingerprint(digits.members[0].network)


def test_costs_are_those_of_both_sources(digits: PreparedStudy, space: SearchSpace, evaluator: Evaluator) -> None:
    point = space.uniform(4, Method.ROUND, Finetune.NONE)
    evaluation = evaluated(evaluator, point)
    objective, other = cost_models(digits.spec.hardware)
    assert (objective.name, other.name) == ("analytic", "rtl")
    for cost, model in ((evaluation.accelerator.rescalers, objective), (evaluation.other_cost, other)):
        assert cost == network_cost(lower(narrowed(digits.members[0], point)), model, style="streaming", lanes=1)
    cost = evaluation.accelerator.rescalers
    assert values(evaluation)[1:] == (cost.rescaler_area_um2, cost.rescaler_energy_nj)
    swapped = dataclasses.replace(digits, spec=small_spec(hardware__cost_source="rtl"))
    assert evaluated(Evaluator(swapped), point).accelerator.rescalers == evaluation.other_cost


def test_narrower_is_cheaper(space: SearchSpace, evaluator: Evaluator) -> None:
    costs = [values(evaluated(evaluator, space.uniform(k, Method.ROUND, Finetune.NONE)))[1:] for k in (1, 4, 8, 16, 31)]
    assert costs == sorted(costs)
    assert all(one[1] < other[1] for one, other in itertools.pairwise(costs))


def test_shared_style_costs_the_widest_layer(digits: PreparedStudy, space: SearchSpace) -> None:
    shared = Evaluator(dataclasses.replace(digits, spec=small_spec(hardware__style="shared")))
    narrow = space.uniform(2, Method.ROUND, Finetune.NONE)
    one_wide = DesignPoint.of(
        {**dict(narrow.choices), "conv_4": dict(space.uniform(16, Method.ROUND, Finetune.NONE).choices)["conv_4"]},
        Finetune.NONE,
    )
    areas = [value_of(evaluated(shared, point), "rescaler_area_um2") for point in (narrow, one_wide)]
    streaming = value_of(evaluated(Evaluator(digits), narrow), "rescaler_area_um2")
    assert areas[0] < streaming
    assert areas[0] < areas[1]


def test_a_fine_tune_is_repeatable_and_ships_its_weights(
    digits: PreparedStudy, space: SearchSpace, evaluator: Evaluator
) -> None:
    point = space.uniform(2, Method.ROUND, Finetune.SHORT)
    first, again = (evaluated(evaluator, point, Level.SHORT_FINETUNE) for _ in range(2))
    assert first.network_sha256 == again.network_sha256
    assert values(first) == values(again)
    network = shipped(digits.members[0], point, first.weights)
    assert fingerprint(network) == first.network_sha256
    assert 100 * correct_answers(network, digits.members[0].splits.validation).mean() == first.val_accuracy
    assert first.network_sha256 != evaluated(evaluator, point).network_sha256


def test_test_scores_are_paired_and_refuse_other_weights(
    digits: PreparedStudy, space: SearchSpace, evaluator: Evaluator
) -> None:
    point = space.uniform(1, Method.ROUND, Finetune.NONE)
    evaluation = evaluated(evaluator, point)
    score = evaluator.run(Job(3, point, Level.TEST, None, evaluation.network_sha256))
    assert isinstance(score, TestScore)
    test = digits.members[0].splits.test
    baseline, design = (
        correct_answers(n, test) for n in (digits.members[0].network, narrowed(digits.members[0], point))
    )
    assert score.samples == len(test)
    assert score.baseline_correct - score.lost + score.gained == int(design.sum())
    assert (score.lost, score.gained) == (int((baseline & ~design).sum()), int((design & ~baseline).sum()))
    with pytest.raises(ValueError, match="weights of trial 3 are not those that were validated"):
        evaluator.run(Job(3, point, Level.TEST, None, "0" * 64))


def test_a_record_keeps_every_layer(space: SearchSpace, evaluator: Evaluator) -> None:
    point = space.uniform(3, Method.ABSORB, Finetune.NONE)
    record = record_of(point.to_json(), [evaluated(evaluator, point)])
    assert [layer.rescaler for layer in record.layers] == [v.name for v in space.rescalers]
    assert sum(layer.area_um2 or math.nan for layer in record.layers) == pytest.approx(
        value_of(record, "rescaler_area_um2")
    )
    assert sum(layer.energy_nj or math.nan for layer in record.layers) == pytest.approx(
        value_of(record, "rescaler_energy_nj")
    )


def test_a_table_without_area_cannot_be_an_area_objective(digits: PreparedStudy) -> None:
    with pytest.raises(StudyError, match="cannot give rescaler_area_um2: "):
        check_objectives(dataclasses.replace(digits, spec=small_spec(hardware__technology="horowitz45")))
    objectives = ["val_accuracy_drop_pp", "rescaler_energy_nj", "latency_cycles"]
    spec = small_spec(hardware__technology="horowitz45", search__objectives=objectives)
    check_objectives(dataclasses.replace(digits, spec=spec))


@pytest.mark.usefixtures("trained_once")
def test_bad_input_is_rejected_before_anything_is_written(tmp_path: Path) -> None:
    for changes, message in (
        ({"search__rescalers": [{"names": "dense_*"}]}, "no rescaler is named"),
        ({"hardware__technology": "horowitz45"}, "cannot give rescaler_area_um2"),
    ):
        with pytest.raises(StudyError, match=message):
            run_study(small_spec(**changes), RunFolder(tmp_path / "run"))
        assert not (tmp_path / "run").exists()


def test_workers_train_with_one_thread(digits: PreparedStudy) -> None:
    torch.set_num_threads(2)
    Evaluator(digits)
    assert torch.get_num_threads() == 2, "making an evaluator changes nothing outside it"
    start_evaluator(digits)
    assert torch.get_num_threads() == 1


def test_topology_and_data_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "wrong.npz"
    np.savez(path, x=np.zeros((40, 4, 4, 1), np.int8), y=np.arange(40) % 10)
    spec = small_spec(data__dataset=None, data__samples=str(path))
    with pytest.raises(StudyError, match=r"network\.topology = 'digits_cnn' is trained on real inputs \[8, 8, 1\]"):
        prepare(spec)


def test_weights_contract_and_lanes_of_a_design_are_those_that_are_evaluated(digits: PreparedStudy) -> None:
    spec = small_spec(
        search__objectives=["val_accuracy_drop_pp", "accelerator_area_um2", "latency_cycles"],
        search__weight_bits=[3, 8],
        search__contracts=["floor"],
        search__lanes=[4],
        hardware__mac_lanes=256,
        fidelity__finetune="none",
    )
    study = prepare(spec)
    space = space_over(study.operators, spec.search, Finetune.NONE, spec.hardware)
    int32 = space.uniform(31, Method.ROUND, Finetune.NONE)
    layers = [name for name, _ in int32.weight_bits]
    others = {"contract": "floor", "lanes": 4, **{weights_key(name): 8 for name in layers}, weights_key(layers[0]): 3}
    point = space.design({v.name: RescalerChoice(4, Method.ABSORB) for v in space.rescalers}, Finetune.NONE, others)
    network = narrowed(study.members[0], point)
    for operator in network.narrowable_operators():
        assert operator.rescaler.contract.name == "floor"
        if isinstance(operator, Weighted):
            assert operator.weight_bits == (3 if operator.name == layers[0] else 8)
            assert abs(operator.weights).max() <= 2 ** (operator.weight_bits - 1) - 1
    baseline, evaluation = (evaluated(Evaluator(study), each) for each in (int32, point))
    assert baseline.network_sha256 == fingerprint(digits.members[0].network), "the baseline is the study's own network"
    assert value_of(evaluation, "latency_cycles") < value_of(baseline, "latency_cycles"), "more lanes take fewer cycles"
    assert value_of(evaluation, "accelerator_area_um2") != value_of(baseline, "accelerator_area_um2")
    stored = record_of(point.to_json(), [evaluation])
    assert DesignPoint.from_json(stored.design) == point
    assert fingerprint(narrowed(study.members[0], DesignPoint.from_json(stored.design))) == evaluation.network_sha256


def test_a_promoted_design_runs_only_on_the_samples_that_it_has_not_seen(
    digits: PreparedStudy, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[int] = []
    monkeypatch.setattr(
        parts, "outputs_of", lambda network, samples: run.append(len(samples)) or outputs_of(network, samples)
    )
    fidelity = digits.spec.fidelity.model_copy(update={"part": 0.3})
    study = dataclasses.replace(digits, spec=digits.spec.model_copy(update={"fidelity": fidelity}))
    total = len(digits.members[0].splits.validation)
    promoted, other = (space.uniform(k, Method.ROUND, Finetune.NONE) for k in (2, 3))
    again, fresh = Evaluator(study), Evaluator(study)
    for point in (promoted, other):  # of a batch all parts come first
        part = evaluated(again, point, Level.PART)
        whole = evaluated(fresh, point)
        assert part.val_divergence != whole.val_divergence
    assert run == [total, total]
    for point in (promoted, other):
        resumed = evaluated(again, point)
        assert dataclasses.replace(resumed, seconds=0.0) == dataclasses.replace(evaluated(fresh, point), seconds=0.0)
    assert run[2:] == [total - math.ceil(0.3 * total), total] * 2
