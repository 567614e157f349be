"""The throughput experiment: simulated studies are complete, and workers count as busy while they evaluate."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from optuna.trial import FrozenTrial, TrialState

from dse.design.point import DesignPoint
from dse.store.records import record_of
from dse.study.prepared import PreparedStudy
from dse.workers import EvaluatorPool, SerialPool
from studies.experiments.throughput import Formula, SleepingPool, busy, simulated
from tests.fakes import evaluation


@pytest.mark.parametrize("pool", [SerialPool(Formula), SleepingPool(workers=3, seconds=0.0)], ids=["serial", "threads"])
def test_a_simulated_study_is_complete_and_measured(digits: PreparedStudy, pool: EvaluatorPool) -> None:
    run = simulated(digits, pool, 30)
    assert [trial.state for trial in run.trials] == [TrialState.COMPLETE] * 30
    assert 0 < run.sampling < run.wall
    assert run.processor > 0


def trial(number: int, asked: float, ended: float, seconds: float) -> FrozenTrial:
    """A complete trial that was evaluated for ``seconds`` until ``ended``."""
    start = datetime(2026, 1, 1)
    record = record_of("{}", [replace(evaluation(DesignPoint(())), seconds=seconds)])
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState.COMPLETE,
        value=None,
        values=[0.0, 0.0, 0.0],
        datetime_start=start + timedelta(seconds=asked),
        datetime_complete=start + timedelta(seconds=ended),
        params={},
        distributions={},
        user_attrs={"record": record.model_dump_json()},
        system_attrs={},
        intermediate_values={},
    )


def test_workers_are_busy_while_they_evaluate() -> None:
    """Two workers, six seconds from the first evaluation to the last record, nine seconds of work."""
    trials = [trial(0, asked=0, ended=6, seconds=4), trial(1, asked=1, ended=5, seconds=2), trial(2, 2, 8, 3)]
    assert busy(trials, workers=2) == pytest.approx((9 / 12, 2.0))
