"""A portfolio: several networks that one bank of rescalers serves, evaluated together, each on its own data.

A design names its rescalers ``member/rescaler``. Accuracies stay the members' own; costs are those of all rescalers
together, each member's work counted as often as its inferences are in the mix.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from dse.design.evaluation import Evaluation, Job, Level, MemberScore, TestScore
from dse.design.point import DesignPoint
from dse.design.statistics import paired_interval
from dse.evaluate.costing import Costing
from dse.evaluate.evaluator import Assessment, Evaluator, check_validated, shipped
from dse.evaluate.lowering import lower
from dse.study.problem import Problem, prepare
from dse.study.spec import PortfolioSpec
from hwmodels.workload import RescalerWorkload
from nets.network.fingerprint import fingerprint
from nets.network.operators import NarrowableOperator
from nets.network.quantized_network import QuantizedNetwork

_SEPARATOR = "/"

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Member:
    """One network of a portfolio, prepared.

    Attributes:
        name: stands before the names of its rescalers.
        weight: share in the mean drop.
        inferences: of this network in the mix.
        problem: network and data.
    """

    name: str
    weight: float
    inferences: int
    problem: Problem


@dataclass(frozen=True, eq=False)
class Portfolio:
    """All that an evaluation of a portfolio needs; plain data, so that it travels to workers once.

    Attributes:
        spec: the study.
        members: its networks.
    """

    spec: PortfolioSpec
    members: tuple[Member, ...]

    @property
    def baseline_val_accuracy(self) -> float:
        """The members' weighted mean, percent."""
        accuracies = [100.0 * float(member.problem.baseline_correct.mean()) for member in self.members]
        return float(np.average(accuracies, weights=[member.weight for member in self.members]))


def prepare_portfolio(spec: PortfolioSpec) -> Portfolio:
    """Load every member's network and data and check that they fit.

    Raises:
        StudyError: network and data of a member do not fit each other.
        NetworkError: one of them cannot be used.
    """
    members = (
        Member(member.name, member.weight, member.inferences, prepare(spec.member_study(member)))
        for member in spec.members
    )
    return Portfolio(spec, tuple(members))


def member_operators(portfolio: Portfolio) -> list[NarrowableOperator]:
    """Every rescaling operator of every member, under the name that it has in designs."""
    return [
        replace(operator, name=_named(member.name, operator.name))
        for member in portfolio.members
        for operator in member.problem.network.narrowable_operators()
    ]


def member_workloads(member: Member, network: QuantizedNetwork) -> tuple[RescalerWorkload, ...]:
    """Workloads of a member's rescalers, times its inferences in the mix."""
    return tuple(
        replace(
            workload,
            name=_named(member.name, workload.name),
            rescales_per_inference=workload.rescales_per_inference * member.inferences,
            macs_per_inference=workload.macs_per_inference * member.inferences,
        )
        for workload in lower(network)
    )


def fingerprint_of(networks: Mapping[str, QuantizedNetwork]) -> str:
    """One fingerprint of several networks, by member."""
    found = hashlib.sha256()
    for name, network in networks.items():
        found.update(f"{name} {fingerprint(network)}\n".encode())
    return found.hexdigest()


def member_job(job: Job, member: str) -> Job:
    """The part of a job that is about one member."""
    return replace(
        job,
        point=_member_point(job.point, member),
        weights=None if job.weights is None else _member_part(job.weights, member),
        heir_of=None if job.heir_of is None else _member_point(job.heir_of, member),
    )


def member_networks(problems: Mapping[str, Problem], job: Job) -> dict[str, QuantizedNetwork]:
    """Every member's network of a job's design, as it ships."""
    parts = {name: member_job(job, name) for name in problems}
    return {name: shipped(problem, parts[name].point, parts[name].weights) for name, problem in problems.items()}


class PortfolioEvaluator:
    """Evaluates design points of a portfolio; stateless but for what it was built from."""

    def __init__(self, portfolio: Portfolio) -> None:
        self._portfolio = portfolio
        self._evaluators = {member.name: Evaluator(member.problem) for member in portfolio.members}
        self._costing = Costing(portfolio.spec.hardware)

    def run(self, job: Job) -> Evaluation | TestScore:
        """Do a job: an :class:`Evaluation` for a fidelity, :class:`TestScore` for a test score.

        Raises:
            TrainingDivergedError: a fine-tune failed; the design has no accuracy.
        """
        return self._test(job) if job.level is Level.TEST else self._evaluate(job)

    def _evaluate(self, job: Job) -> Evaluation:
        started = time.perf_counter()
        members = self._portfolio.members
        found = {member.name: self._evaluators[member.name].assess(member_job(job, member.name)) for member in members}
        workloads = tuple(w for member in members for w in member_workloads(member, found[member.name].network))
        costs = self._costing.costs(workloads, job.point.surroundings)
        drop = _drop(self._portfolio, found)
        weights = {
            _named(name, key): array for name, each in found.items() for key, array in (each.weights or {}).items()
        }
        return Evaluation(
            level=job.level,
            val_accuracy=self._portfolio.baseline_val_accuracy - drop,
            val_accuracy_drop_pp=drop,
            objective_cost=costs.accelerator.rescalers,
            other_cost=costs.other,
            workloads=workloads,
            network_sha256=fingerprint_of({name: each.network for name, each in found.items()}),
            weights=weights or None,
            seconds=time.perf_counter() - started,
            accelerator=costs.accelerator,
            other_style_area_um2=costs.other_style_area_um2,
            members=tuple(MemberScore(n, each.val_accuracy, each.val_accuracy_drop_pp) for n, each in found.items()),
        )

    def _test(self, job: Job) -> TestScore:
        networks = member_networks({m.name: m.problem for m in self._portfolio.members}, job)
        check_validated(job, fingerprint_of(networks))
        scores = [(name, self._evaluators[name].score(network)) for name, network in networks.items()]
        return replace(weakest([score for _, score in scores]), members=tuple(scores))


def weakest(scores: list[TestScore]) -> TestScore:
    """The score whose 95% interval of the drop reaches highest: all are within a margin where this one is."""
    return max(scores, key=lambda score: paired_interval(score.counts)[1])


def _drop(portfolio: Portfolio, found: Mapping[str, Assessment]) -> float:
    drops = [found[member.name].val_accuracy_drop_pp for member in portfolio.members]
    if portfolio.spec.accuracy == "worst":
        return max(drops)
    return float(np.average(drops, weights=[member.weight for member in portfolio.members]))


def _named(member: str, name: str) -> str:
    return f"{member}{_SEPARATOR}{name}"


def _member_part(named: Mapping[str, T], member: str) -> dict[str, T]:
    prefix = _named(member, "")
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


def _member_point(point: DesignPoint, member: str) -> DesignPoint:
    return replace(
        point,
        choices=tuple(_member_part(dict(point.choices), member).items()),
        weight_bits=tuple(_member_part(dict(point.weight_bits), member).items()),
    )
