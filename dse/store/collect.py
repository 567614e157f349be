"""From storage to tables: everything that reports show, read back from what was told."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from dse.design.point import DesignPoint
from dse.design.space import bits_key, method_key, weights_key
from dse.design.statistics import paired_interval, resolvable_margin
from dse.search.driver import CONTROL
from dse.store.front import front_of, is_feasible
from dse.store.records import TestRecord, TrialRecord
from dse.store.results import StudyFacts, StudyResults
from dse.store.run_folder import Manifest, RunFolder
from dse.store.trials import StudyStore, error_in, record_in, role_of
from dse.study.spec import SearchSpec, Study

_NAN = math.nan


def results_of(folder: RunFolder, storage: str = "") -> StudyResults:
    """All results of a run, from its folder alone, also while it is running.

    Args:
        folder: of the run.
        storage: URL of its database with the password, where the driver finds that nowhere else.

    Raises:
        StudyError: the folder holds no run, or its storage cannot be read.
    """
    manifest = folder.manifest()
    return collect(manifest, StudyStore.of_run(folder, manifest, storage))


def collect(manifest: Manifest, store: StudyStore) -> StudyResults:
    """The tables of a study."""
    trials, tests = store.trials(), store.tests()
    records = {
        trial.number: record for trial in trials if trial.state is TrialState.COMPLETE and (record := record_in(trial))
    }
    return StudyResults(
        facts=_facts(manifest, len(records), tests),
        rescalers=manifest.rescalers,
        trials=_trial_table(trials, records, tests, manifest),
        layers=_layer_table(records),
    )


def _trial_table(
    trials: list[FrozenTrial],
    records: dict[int, TrialRecord],
    tests: dict[int, TestRecord],
    manifest: Manifest,
) -> pd.DataFrame:
    rescalers, search = manifest.rescalers, manifest.spec.search
    front = front_of(records, search)
    number = next((t.number for t in trials if role_of(t) == CONTROL and t.number in records), -1)
    control, control_test = records.get(number), tests.get(number)
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name,
            "role": role_of(trial),
            "on_front": trial.number in front,
            "feasible": (record := records.get(trial.number)) is not None and is_feasible(record, search.constraints),
            **_found(records.get(trial.number), control),
            **_tested(tests.get(trial.number), control_test if _trained_alike(record, control) else None),
            "finished": trial.datetime_complete.astimezone().isoformat() if trial.datetime_complete else "",
            "error": error_in(trial),
            **_members(records.get(trial.number), tests.get(trial.number)),
            **_choices(records.get(trial.number), rescalers),
        }
        for trial in trials
    ]
    return with_regret(pd.DataFrame(rows), manifest.spec)


def with_regret(trials: pd.DataFrame, spec: Study) -> pd.DataFrame:
    """How much every network of a portfolio loses to what it could have had for itself, in percentage points.

    That is its validation drop minus the smallest one that it has in any complete design of at most the same rescaler
    area. A study of one network has no such columns.
    """
    if not spec.is_portfolio:
        return trials
    complete = trials[trials["state"] == "COMPLETE"].sort_values("rescaler_area_um2")
    regrets = {}
    for member in spec.members:
        drops = complete[member_key(member.name, "val_accuracy_drop_pp")]
        best = drops.groupby(complete["rescaler_area_um2"]).min().cummin()
        regrets[member_key(member.name, "regret_pp")] = drops - complete["rescaler_area_um2"].map(best)
    return trials.assign(**regrets)


def _members(record: TrialRecord | None, test: TestRecord | None) -> dict[str, float]:
    """Accuracies of every network of a portfolio."""
    cells = {}
    for member in record.members if record else ():
        cells[member_key(member.name, "val_accuracy")] = member.val_accuracy
        cells[member_key(member.name, "val_accuracy_drop_pp")] = member.val_accuracy_drop_pp
    for name, score in test.members if test else ():
        cells |= {member_key(name, key): value for key, value in _paired(score).items()}
    return cells


def member_key(member: str, quantity: str) -> str:
    """Column of a portfolio's network."""
    return f"{member}.{quantity}"


def _found(record: TrialRecord | None, control: TrialRecord | None) -> dict[str, Any]:
    keys = (
        "val_accuracy", "val_accuracy_drop_pp", "val_accuracy_integer", "rescaler_area_um2", "rescaler_energy_nj",
        "other_rescaler_area_um2", "other_rescaler_energy_nj", "parameter_bits", "seconds",
        "accelerator_area_um2", "accelerator_energy_nj", "latency_cycles", "other_style_rescaler_area_um2",
    )  # fmt: skip
    if record is None:
        return {"finetune": "", "fidelity": "", "val_accuracy_drop_vs_control_pp": _NAN, **dict.fromkeys(keys, _NAN)}
    levels = control.levels if control and record.is_trained else ()
    control_accuracy = next((level.val_accuracy for level in levels if level.level == record.fidelity), _NAN)
    return {
        "finetune": DesignPoint.from_json(record.design).finetune.value,
        "fidelity": record.fidelity,
        "val_accuracy_drop_vs_control_pp": control_accuracy - record.val_accuracy,
        **{key: getattr(record, key) for key in keys},
    }


def _trained_alike(record: TrialRecord | None, control: TrialRecord | None) -> bool:
    return bool(record and control and record.is_trained and record.fidelity == control.fidelity)


def _tested(test: TestRecord | None, control: TestRecord | None) -> dict[str, float]:
    if test is None:
        keys = ("test_accuracy", "test_accuracy_drop_pp", "ci_low", "ci_high", "test_accuracy_drop_vs_control_pp")
        return dict.fromkeys(keys, _NAN)
    return {
        "test_accuracy": _accuracy(test),
        **_paired(test),
        "test_accuracy_drop_vs_control_pp": _accuracy(control) - _accuracy(test) if control else _NAN,
    }


def _paired(test: TestRecord) -> dict[str, float]:
    """The drop and its interval, percentage points."""
    counts = test.counts()
    low, high = paired_interval(counts)
    return {"test_accuracy_drop_pp": counts.drop_pp, "ci_low": low, "ci_high": high}


def _accuracy(test: TestRecord) -> float:
    return 100.0 * (test.baseline_correct - test.lost + test.gained) / test.samples


def _choices(record: TrialRecord | None, rescalers: tuple[str, ...]) -> dict[str, Any]:
    if record is None:
        return {key(name): None for name in rescalers for key in (bits_key, method_key)}
    point = DesignPoint.from_json(record.design)
    cells: dict[str, Any] = {weights_key(name): bits for name, bits in point.weight_bits}
    cells |= {key: value for key, value in asdict(point.surroundings).items() if value is not None}
    for name, choice in point.choices:
        cells[bits_key(name)] = choice.multiplier_bits
        cells[method_key(name)] = choice.method.value
    return cells


def _layer_table(records: dict[int, TrialRecord]) -> pd.DataFrame:
    rows = []
    for number, record in records.items():
        chosen = dict(DesignPoint.from_json(record.design).choices)
        for layer in record.layers:
            choice = chosen[layer.rescaler]
            found = layer.model_dump()
            found.pop("rescaler")
            rows.append(
                {
                    "trial": number,
                    "rescaler": layer.rescaler,
                    "multiplier_bits": choice.multiplier_bits,
                    "method": choice.method.value,
                    **found,
                }
            )
    return pd.DataFrame(rows)


def _facts(manifest: Manifest, complete: int, tests: dict[int, TestRecord]) -> StudyFacts:
    spec = manifest.spec
    objective, other = manifest.cost_sources
    widths = dict.fromkeys(str(member.network.weight_bits) for member in spec.members)
    return StudyFacts(
        study=spec.name,
        network=manifest.network,
        dataset=manifest.dataset,
        samples=dict(manifest.samples),
        contract=spec.contract,
        weight_bits="/".join(widths),
        style=spec.hardware.style,
        lanes=spec.hardware.lanes,
        objective_cost=objective,
        other_cost=other,
        margin_pp=spec.report.margin_pp,
        resolvable_margin_pp=_resolvable(tests),
        complete=complete >= spec.search.trials,
        provenance=_provenance(manifest),
        objectives=spec.search.objectives,
        architecture="the user's own" if spec.hardware.rtl else spec.hardware.architecture,
        varying=_varying(spec.search),
        members=tuple(member.name for member in spec.members if member.name),
    )


def _varying(search: SearchSpec) -> tuple[str, ...]:
    found = (
        ("weight bits", search.weights_vary),
        ("contract", search.contracts),
        ("style", search.styles),
        ("lanes", search.lanes),
    )
    return tuple(words for words, varies in found if varies)


def _resolvable(tests: dict[int, TestRecord]) -> float | None:
    """At the discordance with the baseline that scored designs typically (in the median) show."""
    discordant = [test.lost + test.gained for test in tests.values() if test.lost + test.gained > 0]
    if not tests:
        return None
    typical = float(np.median(discordant)) if discordant else 0.0
    return resolvable_margin(next(iter(tests.values())).samples, typical)


def _provenance(manifest: Manifest) -> dict[str, str]:
    return {
        "seed": str(manifest.spec.seed),
        "started": manifest.created,
        "accelerator": f"{manifest.spec.hardware.mac_lanes} MAC lanes; memories of weights and activations not counted",
        "git revision": manifest.git_revision or "not a repository",
        "data SHA-256": manifest.data_sha256,
        "baseline network SHA-256": manifest.network_sha256,
        **{f"{package} version": number for package, number in manifest.versions.items()},
    }
