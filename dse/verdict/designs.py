"""Designs as a reader judges them: cost against int32, accuracy with its interval, and what that interval shows."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
import pandas as pd

from dse import formats
from dse.design import DIVERGENCE, DROP, Figure, Role, figure_named, metrics
from dse.store import StudyFacts, StudyResults, trial_columns
from nets.network import FULL_MULTIPLIER_BITS

_Value = TypeVar("_Value", int, str)

ROLE_NAMES = {
    Role.INT32: "int32 (Q31)",
    Role.INT16: "int16 (Q15)",
    Role.CONTROL: "int32, fine-tuned",
    Role.UNIFORM_ROUND: "uniform round",
    Role.UNIFORM_ABSORB: "uniform absorb",
    Role.UNIFORM_WINDOW: "uniform window",
    Role.UNIFORM_WEIGHTS: "uniform weights",
    Role.SEARCH: "search",
}


class Evidence(StrEnum):
    """What one design's 95% interval of the loss on test says about the margin: a description, not the verdict.

    It is not corrected for the number of designs, and compares with the deployed int32 alone.
    """

    WITHIN = "interval within the margin"
    WORSE = "interval beyond the margin"
    UNDECIDED = "interval holds the margin"
    UNTESTED = "not scored on test"
    WITHOUT_MARGIN = "a loss that has no margin"


def evidence(ci_low: float, ci_high: float, margin_pp: float) -> Evidence:
    """Reads an interval (pp) against the margin (pp)."""
    if not (math.isfinite(ci_low) and math.isfinite(ci_high)):
        return Evidence.UNTESTED
    if ci_high <= margin_pp:
        return Evidence.WITHIN
    return Evidence.WORSE if ci_low > margin_pp else Evidence.UNDECIDED


@dataclass(frozen=True)
class Shares:
    """Parts that the rescalers have in the accelerator's area or energy; NaN if they are not known.

    Attributes:
        int32, design: the part in MACs, rescalers, and memory of parameters and biases, for int32 and for the design.
        int32_whole, design_whole: the part if buffers of weights and activations count too.
    """

    int32: float
    design: float
    int32_whole: float
    design_whole: float

    @property
    def in_words(self) -> str:
        """The shares in a phrase; empty if they are not known."""
        if not (math.isfinite(self.int32) and math.isfinite(self.design)):
            return ""
        array = f"from {formats.share(self.int32)} to {formats.share(self.design)} of MACs and rescalers"
        if not (math.isfinite(self.int32_whole) and math.isfinite(self.design_whole)):
            return f"{array}, buffers not counted"
        return f"{array}, {formats.share(self.int32_whole)} to {formats.share(self.design_whole)} with buffers"


@dataclass(frozen=True)
class Choice:
    """One design, with what a reader needs to judge it.

    Attributes:
        trial: number of the trial.
        role: why the trial is in the study.
        finetune: how far its weights were trained.
        fidelity: fidelity of its accuracy, in words.
        figures: every number of its row in ``StudyResults.trials`` by column; NaN if it is not known.
        int32: the same of the int32 baseline; empty before that is complete.
        int16: the same of the int16 baseline.
        loss: what designs lose against int32: the study's first objective.
        area: the area that the report shows.
        energy: the energy of one inference that the report shows.
        evidence: the test interval against the margin.
        multiplier_bits: width of every rescaler.
        methods: method of every rescaler.
        shift_bits: shift window of every rescaler, in bits; None for natural shifts.
        weight_bits: width of the weights of every layer, in bits; empty if the study fixes them.
        also: what else the design chose and is judged by, in words: weight widths, contract, style, lanes, objectives.
    """

    trial: int
    role: Role
    finetune: str
    fidelity: str
    figures: Mapping[str, float]
    int32: Mapping[str, float]
    int16: Mapping[str, float]
    loss: Figure
    area: Figure
    energy: Figure
    evidence: Evidence
    multiplier_bits: tuple[int, ...]
    methods: tuple[str, ...]
    shift_bits: tuple[int | None, ...]
    weight_bits: tuple[int, ...]
    also: str

    @property
    def rescalers(self) -> tuple[str, ...]:
        """Width and shift window of every rescaler in short: ``4``, ``1s2``."""
        return tuple(map(formats.rescaler, self.multiplier_bits, self.shift_bits))

    @property
    def cells(self) -> tuple[str, ...]:
        """Width, first letter of the method and shift window of every rescaler: ``4r``, ``1as2``."""
        parts = zip(self.multiplier_bits, self.methods, self.rescalers, strict=True)
        return tuple(f"{bits}{method[:1]}{short.removeprefix(str(bits))}" for bits, method, short in parts)

    def value(self, figure: Figure) -> float:
        """Returns a figure of the design in its unit; NaN if it is not known."""
        return self.figures[figure.name]

    @property
    def area_um2(self) -> float:
        """The area shown, by the objective's cost model."""
        return self.value(self.area)

    @property
    def energy_nj(self) -> float:
        """The energy of one inference shown, by the objective's cost model."""
        return self.value(self.energy)

    @property
    def area_ratio(self) -> float:
        """Area of int32 over this one's; NaN without an int32 baseline."""
        return _quotient(self.int32.get(self.area.name, math.nan), self.area_um2)

    @property
    def energy_ratio(self) -> float:
        """Energy of int32 over this one's; NaN without an int32 baseline."""
        return _quotient(self.int32.get(self.energy.name, math.nan), self.energy_nj)

    @property
    def area_ratio_int16(self) -> float:
        """Area of int16 over this one's; NaN without an int16 baseline."""
        return _quotient(self.int16.get(self.area.name, math.nan), self.area_um2)

    @property
    def energy_ratio_int16(self) -> float:
        """Energy of int16 over this one's; NaN without an int16 baseline."""
        return _quotient(self.int16.get(self.energy.name, math.nan), self.energy_nj)

    @property
    def area_shares(self) -> Shares:
        """Shares of the rescalers in the accelerator's area."""
        return _shares(self, metrics.RESCALER_AREA, metrics.ACCELERATOR_AREA, metrics.MEMORY_AREA)

    @property
    def energy_shares(self) -> Shares:
        """Shares of the rescalers in the accelerator's energy."""
        return _shares(self, metrics.RESCALER_ENERGY, metrics.ACCELERATOR_ENERGY, metrics.MEMORY_ENERGY)

    @property
    def val_loss(self) -> float:
        """The study's loss on the validation split, in its unit."""
        return self.value(self.loss)

    @property
    def val_drop_vs_control_pp(self) -> float:
        """Accuracy drop on validation against int32 with the same fine-tuning; NaN if the design was not trained."""
        return self.figures["val_accuracy_drop_vs_control_pp"]

    @property
    def test_loss(self) -> float:
        """The study's loss on the test split; NaN if it was not scored."""
        return self.figures[self.loss.on_test[0]]

    @property
    def ci_low(self) -> float:
        """Lower end of the 95% interval of the loss on test."""
        return self.figures[self.loss.on_test[1]]

    @property
    def ci_high(self) -> float:
        """Upper end of the 95% interval of the loss on test."""
        return self.figures[self.loss.on_test[2]]

    def amount(self, loss: float) -> str:
        """Formats a loss of the study with its unit."""
        return loss_amount(self.loss, loss)

    @property
    def interval(self) -> str:
        """The 95% interval of the loss on test, without its unit."""
        return formats.interval(self.ci_low, self.ci_high, loss_digits(self.loss))

    @property
    def objectives(self) -> tuple[float, float, float]:
        """What designs are compared by: loss on validation, area and energy."""
        return self.val_loss, self.area_um2, self.energy_nj

    @property
    def is_finetuned(self) -> bool:
        """Whether the weights were trained after narrowing."""
        return self.finetune not in {"", "none"}


def _shares(choice: Choice, part: Figure, whole: Figure, memory: Figure) -> Shares:
    before, after = choice.int32, choice.figures
    return Shares(*(_share(each, part, whole, extra) for extra in (None, memory) for each in (before, after)))


def _share(figures: Mapping[str, float], part: Figure, whole: Figure, memory: Figure | None) -> float:
    extra = 0.0 if memory is None else figures.get(memory.name, math.nan)
    return _quotient(figures.get(part.name, math.nan), figures.get(whole.name, math.nan) + extra)


def choices(results: StudyResults, rows: pd.DataFrame) -> list[Choice]:
    """Returns rows of ``trials`` as designs."""
    int32 = _figures(results.int32_row) if results.int32_row else {}
    int16 = _figures(results.int16_row) if results.int16_row else {}
    return [_choice(results, row, int32, int16) for row in rows.to_dict(orient="records")]


def _choice(
    results: StudyResults, row: Mapping[Hashable, object], int32: Mapping[str, float], int16: Mapping[str, float]
) -> Choice:
    facts, figures = results.facts, _figures(row)
    return Choice(
        trial=int(figures["trial"]),
        role=Role(str(row["role"])),
        finetune=str(row["finetune"]),
        fidelity=str(row["fidelity"]).replace("_finetune", " fine-tune"),
        figures=figures,
        int32=int32,
        int16=int16,
        loss=facts.loss,
        area=facts.area,
        energy=facts.energy,
        evidence=_evidence(figures, facts),
        multiplier_bits=tuple(int(_float(row, name)) for name in results.bits_columns),
        methods=tuple(str(row[name]) for name in results.method_columns),
        shift_bits=tuple(_window(_float(row, name)) for name in results.shift_columns),
        weight_bits=_weights(row) if "weight bits" in facts.varying else (),
        also=_also(row, facts),
    )


def _weights(row: Mapping[Hashable, object]) -> tuple[int, ...]:
    return tuple(int(_float(row, name)) for name in map(str, row) if name.endswith(".weight_bits"))


def _window(value: float) -> int | None:
    return int(value) if math.isfinite(value) else None


def _evidence(figures: Mapping[str, float], facts: StudyFacts) -> Evidence:
    _, low, high = (figures[name] for name in facts.loss.on_test)
    if facts.margin is None:
        return Evidence.WITHOUT_MARGIN if math.isfinite(high) else Evidence.UNTESTED
    return evidence(low, high, facts.margin)


def loss_amount(loss: Figure, value: float) -> str:
    """Formats a loss with its unit: percentage points, or a divergence, whose unit its heading gives."""
    return formats.points(value) if loss.has_margin else formats.signed(value, loss_digits(loss))


def loss_digits(loss: Figure) -> int:
    """Returns the number of decimals that a loss is shown with."""
    return 4 if loss is DIVERGENCE else 2


def uniform_name(choice: Choice) -> str:
    """Returns a uniform baseline in words: ``all 4 bits, absorb``, or ``all 1 bit, absorb, 8 shifts a layer``.

    The width of its weights stands first if the study varies that. Rules for some of the rescalers may keep these from
    the common width, method or window.
    """
    if choice.role is Role.INT16:
        return ROLE_NAMES[choice.role]
    width, method = _commonest(choice.multiplier_bits, 0), _commonest(choice.methods, "")
    words = ["int32" if width == FULL_MULTIPLIER_BITS else f"all {formats.count(width, 'bit')}, {method}"]
    if choice.weight_bits:
        words.insert(0, f"weights of {formats.count(_commonest(choice.weight_bits, 0), 'bit')}")
    if windows := [window for window in choice.shift_bits if window is not None]:
        words.append(f"{formats.count(2 ** _commonest(windows, 0), 'shift')} a layer")
    return ", ".join(words)


def _commonest(values: Sequence[_Value], otherwise: _Value) -> _Value:
    return max(values, key=values.count, default=otherwise)


def _also(row: Mapping[Hashable, object], facts: StudyFacts) -> str:
    weights = _weights(row) if "weight bits" in facts.varying else ()
    words = [f"weights {' '.join(map(str, weights))}"] if weights else []
    words += [str(row[key]) for key in ("contract", "style") if key in facts.varying]
    if "lanes" in facts.varying:
        words.append(formats.count(int(_float(row, "lanes")), "lane"))
    for figure in map(figure_named, facts.objectives):
        if figure not in (facts.loss, facts.area, facts.energy):
            words.append(f"{figure.title.lower()} {formats.number(_float(row, figure.name))} {figure.unit}")
    drop, low, high = (_float(row, name) for name in DROP.on_test)
    if facts.loss is not DROP and math.isfinite(drop):
        words.append(f"test {DROP.in_words} {formats.points(drop)} {formats.interval(low, high)}")
    return "; ".join(words)


def _figures(row: Mapping[Hashable, object]) -> dict[str, float]:
    return {column.name: _float(row, column.name) for column in trial_columns()}


def _float(row: Mapping[Hashable, object], name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, (int, float, np.number)) else math.nan


def _quotient(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
