"""The design to export: one network of a trial, made again exactly as it was scored."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dse.design import DesignPoint
from dse.errors import StudyError
from dse.evaluate import located, shipped_networks
from dse.export.document import AccuracyDocument
from dse.store import Manifest, RunFolder, StudyResults, StudyStore, TrialRecord, collect, member_key, record_in
from dse.study import HardwareSpec, Study, fingerprint_of, prepare
from hwmodels import Style
from hwmodels.architectures import EXPORTED_CHOICES
from nets.datasets import integers
from nets.network import ActivationArray, QuantizedNetwork

MOST_COMPARED = 1000  # validation samples on which an exported file is compared with the design


@dataclass(frozen=True, eq=False)
class ScoredDesign:
    """A trial's design for one network, with all that its export needs.

    Attributes:
        network: the integers as they ship.
        baseline: the network with int32 (Q31) rescalers under the same contract.
        point: the network's own part of the design.
        results: the study's results.
        row: the trial's row of ``results.trials``, with the network's own accuracies.
        samples: integer validation inputs ``[samples, *shape]`` for test vectors.
        compared: integer validation inputs on which exported files are compared with the design; ``samples`` are first.
        seed: seed of the study.
        original: file that the network was imported from, or None.
        member: name of the network in a portfolio; empty for a study of one network.
        hardware: the study's accelerator.
    """

    network: QuantizedNetwork
    baseline: QuantizedNetwork
    point: DesignPoint
    results: StudyResults
    row: pd.Series
    samples: ActivationArray
    compared: ActivationArray
    seed: int
    original: Path | None
    member: str
    hardware: HardwareSpec

    @property
    def title(self) -> str:
        """Study, trial and, in a portfolio, network."""
        title = f"{self.results.facts.study} trial {int(self.row['trial'])}"
        return f"{title}, {self.member}" if self.member else title

    @property
    def style(self) -> Style:
        """Whether rescalers are shared."""
        return self.point.surroundings.style or self.hardware.style

    @property
    def lanes(self) -> int:
        """Rescaler lanes of every layer, or of a shared bank."""
        return self.point.surroundings.lanes or self.hardware.lanes

    @property
    def contract(self) -> str:
        """Rounding contract of every rescaler."""
        return self.point.surroundings.contract or self.results.facts.contract


def load_design(
    folder: RunFolder, trial: int, samples: int, member: str = "", *, study: Study | None = None, storage: str = ""
) -> ScoredDesign:
    """Returns the network of a trial, exactly as it was scored.

    Args:
        folder: the run's folder.
        trial: number of the trial.
        samples: number of validation samples for test vectors.
        member: name of the network in a portfolio; empty for a study of one network.
        study: the same study with the paths of its files today; None if they did not move, or moved with the run.
        storage: URL of the run's database, needed if this user did not make the run here, or for its password.

    Raises:
        StudyError: the trial is not complete, its network cannot be made again, or there is no such member.
    """
    manifest = folder.manifest()
    _check(manifest.spec, folder, member)
    store = StudyStore.of_run(folder, manifest, storage)
    record = _record(store, folder, trial)
    weights = folder.load_weights(trial, record.network_sha256) if record.is_trained else None
    point = DesignPoint.from_json(record.design)
    prepared_study = prepare(files_of(manifest, folder, study))
    networks = shipped_networks(prepared_study, point, weights)
    if (sha256 := fingerprint_of(networks)) != record.network_sha256:
        raise StudyError(
            f"trial {trial}: the network made from {folder.path} is not the one that was scored "
            f"({sha256[:12]} instead of {record.network_sha256[:12]}); another version, model or data?"
        )
    results = collect(manifest, store)
    prepared = next(each for each in prepared_study.members if each.name == member)
    own_point = prepared.own_point(point)
    inputs = integers(prepared.splits.validation.inputs[: max(samples, MOST_COMPARED)])
    return ScoredDesign(
        network=networks[member],
        baseline=prepared.variants.get(own_point.surroundings.contract or "", prepared.network),
        point=own_point,
        results=results,
        row=_row(results, trial, member),
        samples=inputs[:samples],
        compared=inputs,
        seed=manifest.spec.seed,
        original=prepared.spec.network.model,
        member=member,
        hardware=manifest.spec.hardware,
    )


def files_of(manifest: Manifest, folder: RunFolder, study: Study | None = None) -> Study:
    """Returns a run's study with the paths of its files today, which hold what they held when the run began.

    Raises:
        StudyError: a file is missing or changed, or the study given is another one.
    """
    if study is not None:
        manifest.check_same_study(study)
    return located(study or manifest.spec.without_own_code(), manifest.contents, Path(manifest.folder), folder.path)


def _check(spec: Study, folder: RunFolder, member: str) -> None:
    names = [each.name for each in spec.members]
    if member not in names:
        wanted = f"one of {', '.join(names)} as --member" if spec.is_portfolio else "no --member"
        reason = "" if spec.is_portfolio else ": the study has one network"
        raise StudyError(f"{folder.path}: member {member!r}; give {wanted}{reason}")
    if (architecture := spec.hardware.architecture) not in EXPORTED_CHOICES:
        raise StudyError(
            f"{folder.path}: hardware.architecture = {architecture!r} cannot be exported; "
            f"only the {', '.join(EXPORTED_CHOICES)} can"
        )


def _record(store: StudyStore, folder: RunFolder, trial: int) -> TrialRecord:
    records = {entry.number: record for entry in store.trials() if (record := record_in(entry))}
    if trial not in records:
        raise StudyError(f"trial {trial} is not a complete trial of {folder.path}; it has {_span(list(records))}")
    return records[trial]


def _span(numbers: list[int]) -> str:
    return f"{len(numbers)} complete ones, {min(numbers)} to {max(numbers)}" if numbers else "none"


def _row(results: StudyResults, trial: int, member: str) -> pd.Series:
    """Returns the trial's row; in a portfolio with the accuracies of one member instead of those of all together."""
    row: pd.Series = results.trials[results.trials["trial"] == trial].iloc[0]
    if not member:
        return row
    own = {name: row[member_key(member, name)] for name in AccuracyDocument.model_fields if name != "fidelity"}
    return pd.Series({**row, **own})
