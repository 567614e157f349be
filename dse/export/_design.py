"""The design that is exported: the network of a trial, made again exactly as it was scored."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dse.design.evaluation import Job, Level
from dse.design.point import DesignPoint
from dse.errors import StudyError
from dse.evaluate.evaluator import shipped
from dse.evaluate.portfolio import fingerprint_of, member_job, member_networks, prepare_portfolio
from dse.store.collect import member_key, results_of
from dse.store.records import TrialRecord
from dse.store.results import StudyResults
from dse.store.run_folder import RunFolder
from dse.store.trials import StudyStore, record_in
from dse.study.problem import Problem, prepare
from dse.study.spec import PortfolioSpec, Study
from hwmodels.architectures.registry import EXPORTED_CHOICES
from nets.network.fingerprint import Arrays, fingerprint
from nets.network.quantized_network import QuantizedNetwork

_MEMBERS_OWN = ("val_accuracy", "val_accuracy_drop_pp", "test_accuracy_drop_pp", "ci_low", "ci_high")


@dataclass(frozen=True, eq=False)
class Design:
    """What is exported.

    Attributes:
        network: integers as they ship.
        point: width and method of every rescaler.
        results: of the study.
        row: of the trial in ``results.trials``.
        samples: int8 validation inputs to make vectors from.
        seed: of the study.
        original: .tflite file that the network was imported from, or None.
        member: of a portfolio; empty in a study of one network.
    """

    network: QuantizedNetwork
    point: DesignPoint
    results: StudyResults
    row: pd.Series
    samples: npt.NDArray[np.int8]
    seed: int
    original: Path | None
    member: str = ""

    @property
    def title(self) -> str:
        """Study, trial and, in a portfolio, network."""
        title = f"{self.results.facts.study} trial {int(self.row['trial'])}"
        return f"{title}, {self.member}" if self.member else title


@dataclass(frozen=True, eq=False)
class _Made:
    """A trial's network, made again, and the fingerprint that the trial's record must have."""

    point: DesignPoint
    network: QuantizedNetwork
    problem: Problem
    sha256: str


def load_design(folder: RunFolder, trial: int, samples: int, member: str = "") -> Design:
    """The network of a trial, exactly as it was scored.

    Args:
        folder: of the run.
        trial: number of the trial.
        samples: validation samples to take along.
        member: network of a portfolio; empty for a study of one network.

    Raises:
        StudyError: the trial is not complete, its network cannot be made again, or there is no such member.
    """
    manifest = folder.manifest()
    spec = manifest.spec
    _check(spec, folder, member)
    record = _record(folder, trial)
    weights = folder.load_weights(trial) if record.is_trained else None
    point = DesignPoint.from_json(record.design)
    if isinstance(spec, PortfolioSpec):
        made = _member(spec, member, point, weights)
    else:
        problem = prepare(spec)
        network = shipped(problem, point, weights)
        made = _Made(point, network, problem, fingerprint(network))
    if made.sha256 != record.network_sha256:
        raise StudyError(
            f"trial {trial}: the network made from {folder.path} is not the one that was scored "
            f"({made.sha256[:12]} instead of {record.network_sha256[:12]}); another version, model or data?"
        )
    results = results_of(folder)
    row = results.trials[results.trials["trial"] == trial].iloc[0]
    if member:
        row = pd.concat(
            [row.drop(list(_MEMBERS_OWN)), pd.Series({k: row[member_key(member, k)] for k in _MEMBERS_OWN})]
        )
    inputs = made.problem.splits.validation.inputs[:samples].astype(np.int8, copy=False)
    original = made.problem.spec.network.model
    return Design(made.network, made.point, results, row, inputs, spec.seed, original, member)


def _check(spec: Study, folder: RunFolder, member: str) -> None:
    names = [each.name for each in spec.members] if isinstance(spec, PortfolioSpec) else []
    if member not in (names or [""]):
        wanted = f"one of {', '.join(names)} as --member" if names else "no --member: the study has one network"
        raise StudyError(f"{folder.path}: member {member!r}; give {wanted}")
    if (built := spec.hardware.architecture) not in EXPORTED_CHOICES:
        raise StudyError(
            f"{folder.path}: hardware.architecture = {built!r} cannot be exported; "
            f"only the {', '.join(EXPORTED_CHOICES)} can"
        )


def _record(folder: RunFolder, trial: int) -> TrialRecord:
    trials = {entry.number: entry for entry in StudyStore.of_run(folder).trials()}
    if trial in trials and (record := record_in(trials[trial])):
        return record
    complete = [number for number, entry in trials.items() if record_in(entry)]
    raise StudyError(f"trial {trial} is not a complete trial of {folder.path}; it has {_span(complete)}")


def _span(numbers: list[int]) -> str:
    return f"{len(numbers)} complete ones, {min(numbers)} to {max(numbers)}" if numbers else "none"


def _member(spec: PortfolioSpec, member: str, point: DesignPoint, weights: Arrays | None) -> _Made:
    """All networks of the portfolio, for the fingerprint; one of them to be exported."""
    problems = {each.name: each.problem for each in prepare_portfolio(spec).members}
    job = Job(0, point, Level.TEST, weights)
    networks = member_networks(problems, job)
    return _Made(member_job(job, member).point, networks[member], problems[member], fingerprint_of(networks))
