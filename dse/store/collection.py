"""From storage to tables: everything that reports show, read back from the storage."""

import math
from dataclasses import asdict
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from dse import formats
from dse.design import (
    LOSSES,
    RESCALER_AREA,
    VAL_ACCURACY,
    DesignPoint,
    Level,
    Role,
    TestScore,
    bits_key,
    method_key,
    shift_key,
    weights_key,
)
from dse.errors import StudyError
from dse.store.columns import TrialRow, losses_against, losses_on_test, trial_columns
from dse.store.front import front_of, is_feasible
from dse.store.manifest import Manifest
from dse.store.records import TrialRecord
from dse.store.results import SHIFT_WINDOWS, StudyFacts, StudyResults
from dse.store.run_folder import RunFolder
from dse.store.shrinkage import expected_drops
from dse.store.trials import StudyStore, record_in, role_of
from dse.study import HardwareSpec, SearchSpec, Study


def results_of(folder: RunFolder, storage: str = "") -> StudyResults:
    """Reads all results of a run from its folder, also while it is running.

    Args:
        folder: the run's folder.
        storage: URL of the run's database with the password, if the password is configured nowhere else.

    Raises:
        StudyError: the folder holds no run, or its storage cannot be read.
    """
    manifest = folder.manifest()
    return collect(manifest, StudyStore.of_run(folder, manifest, storage))


def collect(manifest: Manifest, store: StudyStore) -> StudyResults:
    """Makes the tables of a study."""
    trials, tests = store.trials(), store.tests()
    records = {
        trial.number: record for trial in trials if trial.state is TrialState.COMPLETE and (record := record_in(trial))
    }
    return StudyResults(
        facts=_facts(manifest, len(records)),
        rescalers=manifest.rescalers,
        trials=_trial_table(trials, records, tests, manifest),
        layers=_layer_table(records),
        records=records,
        scores=tests,
        looks=store.looks(),
    )


def _trial_table(
    trials: list[FrozenTrial], records: dict[int, TrialRecord], tests: dict[int, TestScore], manifest: Manifest
) -> pd.DataFrame:
    columns = trial_columns()
    rows = [
        {column.name: column.value(row) for column in columns}
        | _members(row.record, row.test)
        | _choices(row.record, manifest.rescalers)
        for row in _rows(trials, records, tests, manifest.spec.search)
    ]
    table = pd.DataFrame(rows, columns=None if rows else [column.name for column in columns])
    return with_regret(table.astype({"on_front": bool, "feasible": bool}), manifest.spec)  # without rows: object


def _rows(
    trials: list[FrozenTrial], records: dict[int, TrialRecord], tests: dict[int, TestScore], search: SearchSpec
) -> list[TrialRow]:
    int32 = next((records[t.number] for t in trials if role_of(t) is Role.INT32 and t.number in records), None)
    front, expected = front_of(records, search, int32), expected_drops(records, int32)
    controls = {records[t.number].fidelity: t.number for t in trials if t.number in records and _is_control(t)}
    return [
        TrialRow(
            trial=trial,
            record=(record := records.get(trial.number)),
            test=(test := tests.get(trial.number)),
            on_test=losses_on_test(test) if test else {},
            control=records.get(number := _control_of(record, controls)),
            on_test_alike=losses_against(tests.get(number), test),
            on_front=trial.number in front,
            expected_drop=expected.get(trial.number, math.nan),
            feasible=record is not None and is_feasible(record, search.constraints),
        )
        for trial in trials
    ]


def _is_control(trial: FrozenTrial) -> bool:
    return role_of(trial) is Role.CONTROL


def _control_of(record: TrialRecord | None, controls: dict[Level, int]) -> int:
    """Returns the number of int32 that was trained like a design; -1 if the design was not trained, or none is."""
    return controls.get(record.fidelity, -1) if record and record.is_trained else -1


def with_regret(trials: pd.DataFrame, spec: Study) -> pd.DataFrame:
    """Adds how much every network of a portfolio loses to its own best choice, in the unit of the study's loss.

    The regret is its loss on validation minus the smallest one of all complete designs of at most the same rescaler
    area. A study of one network has no such columns.
    """
    if not spec.is_portfolio:
        return trials
    complete = trials[trials["state"] == TrialState.COMPLETE.name].sort_values(RESCALER_AREA.name)
    areas = complete[RESCALER_AREA.name]
    regrets = {}
    for member in spec.members:
        losses = complete[member_key(member.name, spec.search.objectives[0])]
        best = losses.groupby(areas).min().cummin()
        regrets[member_key(member.name, "regret_pp")] = losses - areas.map(best)
    return trials.assign(**regrets)


def _members(record: TrialRecord | None, test: TestScore | None) -> dict[str, float]:
    """Returns the accuracies and losses of every network of a portfolio, by column."""
    cells: dict[str, float] = {}
    for member in record.members if record else ():
        for figure in (VAL_ACCURACY, *LOSSES):
            value = getattr(member, figure.name)
            cells[member_key(member.name, figure.name)] = math.nan if value is None else value
    for name, score in test.members if test else ():
        cells |= {member_key(name, key): value for key, value in losses_on_test(score).items()}
    return cells


def member_key(member: str, quantity: str) -> str:
    """Returns the name of a column about one network of a portfolio."""
    return f"{member}.{quantity}"


def _choices(record: TrialRecord | None, rescalers: tuple[str, ...]) -> dict[str, Any]:
    if record is None:
        return {key(name): None for name in rescalers for key in (bits_key, method_key)}
    point = DesignPoint.from_json(record.design)
    cells: dict[str, Any] = {weights_key(name): bits for name, bits in point.weight_bits}
    if point.calibration:
        cells["calibration"] = point.calibration
    cells |= {key: value for key, value in asdict(point.surroundings).items() if value is not None}
    for name, choice in point.choices:
        cells[bits_key(name)] = choice.multiplier_bits
        cells[method_key(name)] = choice.method.value
        if choice.shift_bits is not None:
            cells[shift_key(name)] = choice.shift_bits
    return cells


def _layer_table(records: dict[int, TrialRecord]) -> pd.DataFrame:
    rows = []
    for number, record in records.items():
        chosen = dict(DesignPoint.from_json(record.design).choices)
        if unknown := [layer.rescaler for layer in record.layers if layer.rescaler not in chosen]:
            raise StudyError(f"trial {number}: the stored record is damaged: its design has no {unknown[0]!r}")
        for layer in record.layers:
            choice = chosen[layer.rescaler]
            chose = {"multiplier_bits": choice.multiplier_bits, "method": choice.method.value}
            if choice.shift_bits is not None:
                chose["shift_bits"] = choice.shift_bits
            rows.append({"trial": number, "rescaler": layer.rescaler, **chose, **layer.model_dump()})
    return pd.DataFrame(rows)


def _facts(manifest: Manifest, complete: int) -> StudyFacts:
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
        complete=complete >= spec.search.trials,
        provenance=_provenance(manifest),
        objectives=spec.search.objectives,
        architecture="the user's own" if spec.hardware.rtl else spec.hardware.architecture,
        varying=_varying(spec.search),
        members=tuple(member.name for member in spec.members if member.name),
        calibration=spec.fidelity.calibration,
        accelerator=_accelerator(spec.hardware),
        output_order=spec.hardware.order,
        looks_before=manifest.looks_before,
        clock_mhz=None if spec.hardware.clock is None else spec.hardware.clock.mhz,
        clock_gating=None if spec.hardware.clock is None else spec.hardware.clock.gating,
    )


def _accelerator(hardware: HardwareSpec) -> str:
    """Returns the shape of the accelerator in words: which one it resembles, or MACs and rescalers of the user's."""
    shape = hardware.accelerator.shape
    lanes = f"{formats.count(hardware.mac_lanes, 'MAC')} to {formats.count(hardware.lanes, 'rescaler')}"
    place = " in each layer" if hardware.style == "streaming" else ""
    return f"{shape.title}, {lanes}{place}" if shape else f"{lanes}{place}"


def _varying(search: SearchSpec) -> tuple[str, ...]:
    choices = (
        (SHIFT_WINDOWS, search.has_windows),
        ("weight bits", search.weights_vary),
        ("contract", search.contracts),
        ("style", search.styles),
        ("lanes", search.lanes),
    )
    return tuple(words for words, varies in choices if varies)


def _buffers(hardware: HardwareSpec) -> str:
    memory = hardware.accelerator.memory
    shape = hardware.accelerator.shape
    return f"table {memory}" + (f"; {shape.source}; assumed: {shape.assumed}" if shape else "")


_SPLITS = {
    True: "stratified by class",
    False: "at random: without labels, or with too few samples of each class to cut the classes one by one",
}


def _provenance(manifest: Manifest) -> dict[str, str]:
    return {
        "seed": str(manifest.spec.seed),
        "started": manifest.created,
        "splits": _SPLITS[manifest.stratified],
        "accelerator": f"{_accelerator(manifest.spec.hardware)}; buffers: {_buffers(manifest.spec.hardware)}",
        "git revision": manifest.git_revision or "not a repository",
        "run": manifest.id,
        "processor": manifest.processor,
        **({"resumed with": "; ".join(manifest.resumed_with)} if manifest.resumed_with else {}),
        "data SHA-256": manifest.data_sha256,
        "baseline network SHA-256": manifest.network_sha256,
        **{f"{key} SHA-256": digest for key, digest in manifest.contents.items()},
        **{f"{package} version": number for package, number in manifest.versions.items()},
    }
