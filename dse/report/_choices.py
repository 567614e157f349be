"""Designs as a reader judges them: cost against int32, accuracy with its interval, and what that interval shows."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from dse.design.metrics import Metric
from dse.report import _text
from dse.report._columns import bits_columns, method_columns
from dse.store.results import StudyFacts, StudyResults


class Evidence(StrEnum):
    """What the paired 95% interval of the test drop says about the margin."""

    NON_INFERIOR = "non-inferior"  # the upper end is within the margin
    WORSE = "worse than the margin"  # the lower end is beyond the margin
    UNDECIDED = "undecided"  # the interval holds the margin
    UNTESTED = "not scored on test"


def evidence(ci_low: float, ci_high: float, margin_pp: float) -> Evidence:
    """Judge an interval (pp) against the non-inferiority margin (pp)."""
    if not (math.isfinite(ci_low) and math.isfinite(ci_high)):
        return Evidence.UNTESTED
    if ci_high <= margin_pp:
        return Evidence.NON_INFERIOR
    return Evidence.WORSE if ci_low > margin_pp else Evidence.UNDECIDED


@dataclass(frozen=True)
class Choice:
    """One design, with what a reader needs to judge it.

    Attributes:
        trial: number of the trial.
        role: of the trial, as in ``StudyResults.trials``.
        finetune: how far its weights were trained.
        fidelity: of its accuracy.
        area_um2: area by the objective's cost model, of the rescalers or the accelerator (``StudyFacts.costed``).
        energy_nj: energy of one inference by the objective's cost model, likewise.
        area_ratio: int32's area over this one's (NaN without an int32 baseline).
        energy_ratio: int32's energy over this one's.
        val_drop_pp: accuracy drop on the validation split.
        val_drop_vs_control_pp: accuracy drop on validation against int32 with the same fine-tuning (NaN if not tuned).
        test_drop_pp: accuracy drop on the test split (NaN if not scored).
        ci_low: lower end of its paired 95% interval, pp.
        ci_high: upper end, pp.
        evidence: the interval against the margin.
        accelerator_area_share: rescalers' share of the accelerator's area (NaN where the study does not know it).
        accelerator_energy_share: rescalers' share of the accelerator's energy.
        other_area_um2: rescaler area by the other cost model.
        other_energy_nj: rescaler energy of one inference by the other cost model.
        other_style_area_um2: rescaler area in the other accelerator style (NaN where the study does not know it).
        multiplier_bits: width of every rescaler.
        methods: method of every rescaler.
        also: what else the design chose and is judged by, in words: weight widths, contract, style, lanes, latency.
    """

    trial: int
    role: str
    finetune: str
    fidelity: str
    area_um2: float
    energy_nj: float
    area_ratio: float
    energy_ratio: float
    val_drop_pp: float
    val_drop_vs_control_pp: float
    test_drop_pp: float
    ci_low: float
    ci_high: float
    evidence: Evidence
    accelerator_area_share: float
    accelerator_energy_share: float
    other_area_um2: float
    other_energy_nj: float
    other_style_area_um2: float
    multiplier_bits: tuple[int, ...]
    methods: tuple[str, ...]
    also: str = ""

    @property
    def is_finetuned(self) -> bool:
        """Whether the weights were trained after narrowing."""
        return self.finetune not in {"", "none", "nan"}

    @property
    def is_uniform(self) -> bool:
        """Whether every rescaler has the same width."""
        return len(set(self.multiplier_bits)) == 1


def choices(results: StudyResults, rows: pd.DataFrame) -> list[Choice]:
    """Rows of ``trials`` as designs."""
    reference = _int32_row(results)
    bits, methods = bits_columns(results.rescalers), method_columns(results.rescalers)
    return [_choice(record, reference, bits, methods, results.facts) for record in rows.to_dict(orient="records")]


def _choice(
    record: Mapping[Hashable, object],
    reference: tuple[float, float],
    bits: list[str],
    methods: list[str],
    facts: StudyFacts,
) -> Choice:
    area, energy = _float(record, facts.area.value), _float(record, facts.energy.value)
    ci_low, ci_high = _float(record, "ci_low"), _float(record, "ci_high")
    return Choice(
        trial=int(_float(record, "trial")),
        role=str(record.get("role", "search")),
        finetune=str(record.get("finetune", "")),
        fidelity=str(record.get("fidelity", "")),
        area_um2=area,
        energy_nj=energy,
        area_ratio=_quotient(reference[0], area),
        energy_ratio=_quotient(reference[1], energy),
        val_drop_pp=_float(record, "val_accuracy_drop_pp"),
        val_drop_vs_control_pp=_float(record, "val_accuracy_drop_vs_control_pp"),
        test_drop_pp=_float(record, "test_accuracy_drop_pp"),
        ci_low=ci_low,
        ci_high=ci_high,
        evidence=evidence(ci_low, ci_high, facts.margin_pp),
        accelerator_area_share=_share(record, "area_um2"),
        accelerator_energy_share=_share(record, "energy_nj"),
        other_area_um2=_float(record, "other_rescaler_area_um2"),
        other_energy_nj=_float(record, "other_rescaler_energy_nj"),
        other_style_area_um2=_float(record, "other_style_rescaler_area_um2"),
        multiplier_bits=tuple(int(_float(record, name)) for name in bits),
        methods=tuple(str(record.get(name, "")) for name in methods),
        also=_also(record, facts),
    )


def _also(record: Mapping[Hashable, object], facts: StudyFacts) -> str:
    weights = [str(int(_float(record, name))) for name in map(str, record) if name.endswith(".weight_bits")]
    words = [f"weights {' '.join(weights)}"] if weights and "weight bits" in facts.varying else []
    words += [str(record[key]) for key in ("contract", "style") if key in facts.varying]
    if "lanes" in facts.varying:
        words.append(_text.count(int(_float(record, "lanes")), "lane"))
    for metric, unit in ((Metric.LATENCY, "cycles"), (Metric.PARAMETER_BITS, "parameter bits")):
        if metric in facts.objectives:
            words.append(f"{_text.number(_float(record, metric.value))} {unit}")
    return "; ".join(words)


def _int32_row(results: StudyResults) -> tuple[float, float]:
    """Area (µm²) and energy (nJ) of the int32 baseline; NaN while it is not complete."""
    rows = results.baselines
    rows = rows[rows["role"] == "int32"]
    if rows.empty:
        return math.nan, math.nan
    return float(rows[results.facts.area.value].iloc[0]), float(rows[results.facts.energy.value].iloc[0])


def _share(record: Mapping[Hashable, object], figure: str) -> float:
    """The rescalers' part of the accelerator's figure."""
    return _quotient(_float(record, f"rescaler_{figure}"), _float(record, f"accelerator_{figure}"))


def _float(record: Mapping[Hashable, object], name: str) -> float:
    value = record.get(name)
    return float(value) if isinstance(value, (int, float, np.number)) else math.nan


def _quotient(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
