"""What searches learn from: continuous losses, of one level of the fidelity ladder for every trial."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from dse.design.evaluation import Level
from dse.design.metrics import CROSS_ENTROPY, DISAGREEMENT, DIVERGENCE, DROP, RESCALER_AREA, search_objectives
from dse.design.observation import Observation
from dse.design.point import DesignPoint
from dse.design.roles import Role
from dse.evaluate.outputs import compared, cross_entropies, real_outputs
from dse.search.driver import Driver
from dse.search.observations import expected_losses
from dse.search.sampler import make_sampler
from dse.store.run_folder import RunFolder
from dse.store.trials import observation_in, record_in, role_of
from dse.study.prepared import PreparedStudy, outputs_of
from dse.study.space import space_over
from dse.workers import SerialPool
from nets.datasets import Samples
from nets.narrow import narrow
from nets.narrow.narrowing import RescalerChoice
from nets.network.operators import Method
from tests import stores
from tests.fakes import ClosedForm

REFERENCE = CROSS_ENTROPY.reference
LOSS = st.floats(-0.1, 3.0)


def stopped(loss: float) -> Observation:
    return Observation(Level.SHORT_FINETUNE, {Level.INTEGER: loss})


def trained(before: float, after: float) -> Observation:
    return Observation(Level.SHORT_FINETUNE, {Level.INTEGER: before, Level.SHORT_FINETUNE: after})


def test_the_search_has_a_continuous_loss_and_the_costs_of_the_study() -> None:
    assert search_objectives((DROP.name, RESCALER_AREA.name)) == (CROSS_ENTROPY.name, RESCALER_AREA.name)
    assert search_objectives((DISAGREEMENT.name, RESCALER_AREA.name)) == (DIVERGENCE.name, RESCALER_AREA.name)
    assert search_objectives((DIVERGENCE.name, RESCALER_AREA.name)) == (DIVERGENCE.name, RESCALER_AREA.name)


def test_cross_entropies_are_those_of_torch_in_real_units(digits: PreparedStudy) -> None:
    member = digits.members[0]
    validation = member.splits.validation
    logits = real_outputs(member.network, member.baseline_outputs)
    wanted = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(validation.labels), reduction="none"
    )
    assert cross_entropies(logits, validation.labels) == pytest.approx(wanted.numpy())
    assert cross_entropies(logits + 7.0, validation.labels) == pytest.approx(wanted.numpy())


def test_int32_loses_nothing_and_a_design_what_its_outputs_lose(digits: PreparedStudy) -> None:
    member = digits.members[0]
    validation = member.splits.validation
    names = [operator.name for operator in member.network.narrowable_operators()]
    coarse = narrow(member.network, dict.fromkeys(names, RescalerChoice(1, Method.ROUND)))
    same, worse = (
        compared(
            member, network, validation, outputs_of(network, validation), member.baseline_outputs
        ).validation_score("")
        for network in (member.network, coarse)
    )
    assert same.val_cross_entropy_increase == 0
    ours, theirs = (
        cross_entropies(real_outputs(network, outputs_of(network, validation)), validation.labels).mean()
        for network in (coarse, member.network)
    )
    assert worse.val_cross_entropy_increase == pytest.approx(ours - theirs)
    assert ours > theirs
    unlabelled = replace(member, splits=replace(member.splits, validation=Samples(validation.inputs)))
    outputs = outputs_of(coarse, validation)
    given = Samples(validation.inputs)
    score = compared(unlabelled, coarse, given, outputs, member.baseline_outputs).validation_score("")
    assert score.val_cross_entropy_increase is None
    assert score.val_divergence == worse.val_divergence


def test_a_measured_loss_is_itself_and_observations_round_trip() -> None:
    seen = [trained(0.5, 0.1), trained(1.0, 0.2), Observation(Level.INTEGER, {Level.PART: 0.3, Level.INTEGER: 0.25})]
    expected = expected_losses(seen, REFERENCE)
    assert expected.values.tolist() == [0.1, 0.2, 0.25]
    assert expected.deviations.tolist() == [0, 0, 0]
    assert [Observation.of_document(each.document()) for each in seen] == seen
    assert [(each.reached, each.is_whole) for each in (seen[2], stopped(1.0))] == [
        (Level.INTEGER, True),
        (Level.INTEGER, False),
    ]


@given(st.lists(LOSS, min_size=1, max_size=6))
def test_levels_are_taken_to_agree_until_a_trial_shows_otherwise(losses: list[float]) -> None:
    expected = expected_losses([stopped(loss) for loss in losses], REFERENCE)
    assert expected.values == pytest.approx(np.array(losses))
    assert (expected.deviations > 0).all()


@given(st.lists(st.tuples(LOSS, LOSS), max_size=8), LOSS, LOSS)
def test_a_design_that_is_worse_untrained_is_never_expected_to_be_better(
    pairs: list[tuple[float, float]], one: float, other: float
) -> None:
    seen = [*(trained(before, after) for before, after in pairs), stopped(one), stopped(other)]
    *_, low, high = expected_losses(seen, REFERENCE).values
    assert low <= high + 1e-9 or one > other
    assert high <= low + 1e-9 or other > one


def test_untrained_losses_are_converted_to_trained_ones() -> None:
    """Training takes most of a loss away; untrained figures beside trained ones would rank the untrained last."""
    rng = np.random.default_rng(3)
    before = rng.uniform(0.05, 2.0, 60)
    after = 0.1 * before * np.exp(rng.normal(0, 0.2, 60))
    reached = rng.permutation(60) < 20
    seen = [trained(b, a) if top else stopped(b) for b, a, top in zip(before, after, reached, strict=True)]
    expected = expected_losses(seen, REFERENCE)
    told = np.where(reached, after, before)  # what the last level of every trial would say
    assert spearmanr(expected.values, after)[0] > 0.9 > 0.7 > spearmanr(told, after)[0]
    assert np.abs(expected.values - after)[~reached].mean() < 0.3 * after[~reached].mean()
    assert (expected.deviations[~reached] > 0).all()
    certain = expected_losses([*seen, *seen], REFERENCE).deviations[~np.tile(reached, 2)]
    assert certain.max() < expected.deviations.max()  # more pairs, less doubt


def test_what_was_not_trained_is_recorded_as_such_and_told_as_expected(digits: PreparedStudy, tmp_path: Path) -> None:
    space = space_over(digits.operators, digits.spec.search, digits.spec.fidelity.finetune)
    folder = RunFolder(tmp_path)
    store = stores.opened(stores.journal_for_driver(folder.journal_path), "study")
    store.use(make_sampler(digits.spec.search, space, 0), space)
    Driver(digits.spec, store, space, folder, SerialPool(ClosedForm)).run(60)
    seen, stopped_early = [], 0
    for trial in store.complete():
        record, observation = record_in(trial), observation_in(trial)
        assert record is not None
        assert observation is not None
        seen.append(observation)
        design, asked = DesignPoint.from_json(record.design), space.point(trial.params)
        assert design.finetune.value == ("short" if record.is_trained else "none")
        assert replace(asked, finetune=design.finetune) == design
        assert list(observation.levels) == [level.level for level in record.levels]
        if observation.is_whole:
            assert trial.values[0] == record.figures[CROSS_ENTROPY.name] == observation.levels[observation.asked]
            assert asked == design
            continue
        stopped_early += 1
        assert role_of(trial) is Role.SEARCH
        assert trial.values[0] == expected_losses(seen, REFERENCE).values[-1]
        assert trial.values[0] < 0.8 * observation.levels[Level.INTEGER]
    assert stopped_early > 5
