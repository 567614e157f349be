"""What a study file says of the search: its length and sampler, its objectives and limits, what designs may choose."""

from typing import Literal, Self

from pydantic import Field, model_validator

from dse.design import metrics
from dse.study.values import (
    DEFAULT_MULTIPLIER_BITS,
    NATURAL_SHIFTS,
    Lanes,
    MultiplierBits,
    Objective,
    Sampler,
    Section,
    ShiftBits,
    WeightBits,
    WindowBits,
)
from hwmodels import Style
from nets.network import CONTRACTS, Method


class RescalerRule(Section):
    """A rule for some rescalers; if several rules set a key for one rescaler, the last one counts."""

    names: str = Field(description="name or pattern of rescalers, such as conv_4 or conv_*")
    multiplier_bits: tuple[MultiplierBits, ...] | None = Field(
        None, min_length=1, description="multiplier widths in bits; one alone freezes them"
    )
    methods: tuple[Method, ...] | None = Field(None, min_length=1, description="narrowing methods")
    shift_bits: tuple[ShiftBits, ...] | None = Field(
        None, min_length=1, description="shift windows of their layers, bits; one alone freezes them"
    )
    weight_bits: tuple[WeightBits, ...] | None = Field(
        None, min_length=1, description="widths of their layers' weights, bits"
    )
    tied: bool = Field(False, description="whether all of them have the same width, method and window, as one choice")


class Constraint(Section):
    """A limit on a figure; designs that exceed it join the front only if no design keeps all limits."""

    metric: Objective = Field(description="what is limited")
    at_most: float = Field(description="the limit, in the metric's unit")


class SearchSpec(Section):
    """The search: its length, its sampler, its objectives, and what the designs may choose."""

    trials: int = Field(120, ge=1, description="number of complete trials in the study, baselines included")
    sampler: Sampler = Field("surrogate", description="the built-in surrogate model, or one of Optuna's samplers")
    objectives: tuple[Objective, ...] = Field(
        metrics.DEFAULT_OBJECTIVES,
        min_length=2,
        description="figures to minimise; the first one is the "
        "accuracy drop, or without labels the disagreement or the divergence",
    )
    starts: int = Field(0, ge=0, description="first trials chosen from the sensitivity of rescalers")
    start_groups: Literal["rescaler", "kind"] = Field(
        "rescaler",
        description="what is narrowed alone to measure the sensitivity: each rescaler, or all of a kind (conv, "
        "depthwise, add, fc), which takes far fewer evaluations",
    )
    batch: int | None = Field(
        None,
        ge=1,
        description="trials proposed and recorded together, which makes results independent of the number of workers; "
        "none: a trial is proposed whenever a worker is free",
    )
    multiplier_bits: tuple[MultiplierBits, ...] = Field(
        DEFAULT_MULTIPLIER_BITS, min_length=1, description="multiplier widths to choose from, bits"
    )
    methods: tuple[Method, ...] = Field(
        (Method.ROUND, Method.ABSORB), min_length=1, description="narrowing methods to choose from"
    )
    shift_bits: tuple[ShiftBits, ...] = Field(
        (NATURAL_SHIFTS,),
        min_length=1,
        description="shift windows to choose from, bits: the channels of a layer share a window of 2^S right shifts, "
        "0 is one constant shift; only absorb changes the natural shifts",
    )
    weight_bits: tuple[WeightBits, ...] = Field(
        (), description="widths of each layer's weights to choose from, bits; none: network.weight_bits for all"
    )
    contracts: tuple[str, ...] = Field((), description="rounding contracts to choose from; none: network.contract")
    styles: tuple[Style, ...] = Field((), description="accelerator styles to choose from; none: hardware.style")
    lanes: tuple[Lanes, ...] = Field((), description="numbers of rescaler lanes to choose from; none: hardware.lanes")
    uniform_multiplier_bits: tuple[MultiplierBits, ...] = Field(
        (1, 2, 3, 4, 6, 8, 12, 16),
        description="multiplier widths of the uniform baselines, in bits; those that no rescaler may have are left out",
    )
    uniform_shift_bits: tuple[WindowBits, ...] = Field(
        (),
        description="shift windows of the uniform baselines with one-bit multipliers, in bits; those that no layer may "
        "have are left out",
    )
    rescalers: tuple[RescalerRule, ...] = Field((), description="rules for some of the rescalers")
    constraints: tuple[Constraint, ...] = Field((), description="limits on figures of a design")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for key, values in self:
            repeats = isinstance(values, tuple) and len(set(values)) < len(values)
            if repeats and not isinstance(values[0], Section):
                raise ValueError(f"{key} = [{', '.join(map(str, values))}] names a value twice")
        losses = [loss.name for loss in metrics.LOSSES]
        if self.objectives[0] not in losses or set(losses) & set(self.objectives[1:]):
            raise ValueError(
                f"objectives = [{', '.join(self.objectives)}]: the first one, and no other, is {losses[0]}; without "
                f"labels {' or '.join(losses[1:])}"
            )
        for contract in self.contracts:
            if contract not in CONTRACTS:
                raise ValueError(f"contracts: {contract!r} is unknown; use one of {', '.join(CONTRACTS)}")
        return self

    @property
    def figures(self) -> frozenset[str]:
        """The figures that the study minimises or limits."""
        return frozenset((*self.objectives, *(constraint.metric for constraint in self.constraints)))

    @property
    def weights_vary(self) -> bool:
        """Whether some layer's weights may have several widths."""
        return bool(self.weight_bits) or any(rule.weight_bits for rule in self.rescalers)

    @property
    def has_windows(self) -> bool:
        """Whether some design, a baseline perhaps, has other shifts than the natural ones."""
        chosen = (self.shift_bits, *(rule.shift_bits for rule in self.rescalers if rule.shift_bits))
        return bool(self.uniform_shift_bits) or any(window != NATURAL_SHIFTS for each in chosen for window in each)

    @model_validator(mode="after")
    def _worth_choosing(self) -> Self:
        """Rejects variables that no objective or constraint depends on: the search has no reason to vary them."""
        seen = self.figures
        totals = {metrics.ACCELERATOR_AREA.name, metrics.ACCELERATOR_ENERGY.name}
        for key, varies, rewarding in (
            ("weight_bits", self.weights_vary, totals),
            ("lanes", bool(self.lanes), {metrics.LATENCY.name, metrics.LATENCY_NS.name}),
        ):
            if varies and not rewarding & seen:
                named = " or ".join(sorted(rewarding))
                raise ValueError(f"{key} varies, but only {named} can reward it; add it to objectives or constraints")
        return self
