"""What a study is about, one network or a portfolio, as the study itself sees it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dse.design.evaluation import Job
from dse.evaluate.evaluator import Evaluator
from dse.evaluate.lowering import lower
from dse.evaluate.portfolio import (
    Portfolio,
    PortfolioEvaluator,
    fingerprint_of,
    member_job,
    member_operators,
    member_workloads,
    prepare_portfolio,
)
from dse.store.cache_key import CacheKeys
from dse.study.problem import Problem, prepare
from dse.study.spec import PortfolioSpec, Study
from dse.workers.pool import EvaluatorFactory
from hwmodels.workload import RescalerWorkload
from nets.datasets import Splits
from nets.network.fingerprint import fingerprint
from nets.network.operators import NarrowableOperator


@dataclass(frozen=True)
class Subject:
    """A study's networks and data, prepared.

    Attributes:
        spec: the study.
        network: name of the network, or of all.
        network_sha256: fingerprint of the baseline, or of all.
        dataset: name of the data, or of all.
        data_sha256: hash of the data, or of all.
        samples: samples of each split; of a portfolio the fewest that a member has.
        baseline_val_accuracy: percent; of a portfolio the members' weighted mean.
        operators: every rescaling operator, named as in designs.
        workloads: of the baseline's rescalers.
        make_evaluator: makes an evaluator; it travels to workers.
        key: of a job in the cache of evaluations.
    """

    spec: Study
    network: str
    network_sha256: str
    dataset: str
    data_sha256: str
    samples: dict[str, int]
    baseline_val_accuracy: float
    operators: tuple[NarrowableOperator, ...]
    workloads: tuple[RescalerWorkload, ...]
    make_evaluator: EvaluatorFactory
    key: Callable[[Job], str]


def subject_of(spec: Study) -> Subject:
    """Load networks and data and check that they fit.

    Raises:
        StudyError: network and data do not fit each other.
        NetworkError: one of them cannot be used.
    """
    return _portfolio(prepare_portfolio(spec)) if isinstance(spec, PortfolioSpec) else network_subject(prepare(spec))


def network_subject(problem: Problem) -> Subject:
    """A study of one network, prepared already."""
    return Subject(
        spec=problem.spec,
        network=problem.network.name,
        network_sha256=fingerprint(problem.network),
        dataset=problem.dataset,
        data_sha256=problem.data_sha256,
        samples=_samples(problem.splits),
        baseline_val_accuracy=100.0 * float(problem.baseline_correct.mean()),
        operators=tuple(problem.network.narrowable_operators()),
        workloads=lower(problem.network),
        make_evaluator=partial(Evaluator, problem),
        key=CacheKeys(problem),
    )


def _portfolio(portfolio: Portfolio) -> Subject:
    members = portfolio.members
    samples = [_samples(member.problem.splits) for member in members]
    return Subject(
        spec=portfolio.spec,
        network=", ".join(f"{member.name} ({member.problem.network.name})" for member in members),
        network_sha256=fingerprint_of({member.name: member.problem.network for member in members}),
        dataset=", ".join(dict.fromkeys(member.problem.dataset for member in members)),
        data_sha256=_digest(*(member.problem.data_sha256 for member in members)),
        samples={split: min(each[split] for each in samples) for split in samples[0]},
        baseline_val_accuracy=portfolio.baseline_val_accuracy,
        operators=tuple(member_operators(portfolio)),
        workloads=tuple(w for member in members for w in member_workloads(member, member.problem.network)),
        make_evaluator=partial(PortfolioEvaluator, portfolio),
        key=_portfolio_key(portfolio),
    )


def _portfolio_key(portfolio: Portfolio) -> Callable[[Job], str]:
    """Every member's own key, and what the mix adds to them."""
    keys = {member.name: CacheKeys(member.problem) for member in portfolio.members}
    mix = repr([portfolio.spec.accuracy, *((m.name, m.weight, m.inferences) for m in portfolio.members)])
    return lambda job: _digest(mix, *(key(member_job(job, name)) for name, key in keys.items()))


def _samples(splits: Splits) -> dict[str, int]:
    return {"finetune": len(splits.finetune), "validation": len(splits.validation), "test": len(splits.test)}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
