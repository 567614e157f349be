"""Costs of a design's rescalers, and of the accelerator around them, by two cost sources."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dse.design import CostSource, Evaluation, Level, Surroundings
from dse.errors import StudyError
from dse.evaluate.designs import narrowed, workloads_of
from dse.evaluate.own_rtl import own_rtl_error
from dse.study import HardwareSpec, PreparedStudy
from hwmodels import (
    AnalyticRescalerModel,
    CalibratedRescalerModel,
    Clock,
    ClockedModel,
    CostModel,
    NetworkCost,
    OutputOrder,
    RtlRescalerModel,
    RtlSource,
    Style,
    load_memory,
    load_technology,
    network_cost,
)
from hwmodels.accelerator import Accelerator, AcceleratorCost, accelerator_cost
from hwmodels.banks import built_workloads
from hwmodels.technologies import Correction
from hwmodels.workload import RescalerWorkload


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of the rescalers of a design; the fields are those of :class:`~dse.design.Evaluation`."""

    accelerator: AcceleratorCost
    other_cost: NetworkCost
    other_style_area_um2: float | None


def costs_of(
    workloads: Sequence[RescalerWorkload],
    models: tuple[CostModel, CostModel],
    hardware: HardwareSpec,
    chosen: Surroundings,
) -> Costs:
    """Returns the costs of the rescalers of these workloads by the models of :func:`cost_models`.

    The design chose style and lanes, or else the study's [hardware] table gives them.
    """
    objective, other = models
    style, lanes = chosen.style or hardware.style, chosen.lanes or hardware.lanes
    other_style: Style = "shared" if style == "streaming" else "streaming"
    accelerator = accelerator_of(hardware, style, lanes)
    return Costs(
        accelerator=accelerator_cost(workloads, objective, accelerator),
        other_cost=network_cost(workloads, other, style=style, lanes=lanes),
        other_style_area_um2=network_cost(workloads, objective, style=other_style, lanes=lanes).rescaler_area_um2,
    )


def accelerator_of(hardware: HardwareSpec, style: Style, lanes: int) -> Accelerator:
    """Returns the accelerator of a study with the style and the rescaler lanes of a design.

    Raises:
        HardwareError: the memory table cannot be used.
    """
    spec = hardware.accelerator
    memory = load_memory(spec.memory)
    if spec.shape is not None:
        return replace(spec.shape.accelerator(memory), style=style, rescaler_lanes=lanes)
    return Accelerator(
        style=style,
        mac_lanes=hardware.mac_lanes,
        rescaler_lanes=lanes,
        dataflow=spec.buffers.dataflow(memory, hardware.mac_lanes, lanes),
    )


def cost_models(hardware: HardwareSpec) -> tuple[CostModel, CostModel]:
    """Returns the cost model of the objectives, and another one to compare with, on the same technology table.

    Raises:
        HardwareError: the technology table or the user's RTL cannot be used.
    """
    clock = hardware.clock
    objective, other = _cost_models(hardware)
    if clock is None:
        return objective, other
    target = Clock(**clock.model_dump())
    return ClockedModel(objective, target), ClockedModel(other, target)


def unit_model(hardware: HardwareSpec) -> CostModel:
    """Returns the cost model of the objectives as it prices the units themselves: as they are, without clock gates.

    Raises:
        HardwareError: the technology table or the user's RTL cannot be used.
    """
    return _cost_models(hardware)[0]


def pipelines_of(hardware: HardwareSpec) -> Callable[[RescalerWorkload], RescalerWorkload]:
    """Returns what gives a workload the pipeline of the unit that is costed: none without a clock.

    Raises:
        HardwareError: the technology table or the user's RTL cannot be used.
    """
    model = cost_models(hardware)[0]
    return model.pipelined if isinstance(model, ClockedModel) else single_cycle


def single_cycle(workload: RescalerWorkload) -> RescalerWorkload:
    """Returns a workload as it is."""
    return workload


def _cost_models(hardware: HardwareSpec) -> tuple[CostModel, CostModel]:
    technology = load_technology(hardware.technology, hardware.order)
    analytic = AnalyticRescalerModel(technology, hardware.architecture)
    rtl = RtlRescalerModel(technology, source=_rtl_source(hardware), architecture=hardware.architecture)
    if hardware.cost_source == "calibrated":
        return CalibratedRescalerModel(technology), analytic
    return (analytic, rtl) if hardware.cost_source == "analytic" else (rtl, analytic)


def check_objectives(study: PreparedStudy) -> None:
    """Rejects a technology table that lacks figures of the study's objectives, and buffers beyond their table.

    Raises:
        StudyError: names what the table lacks.
        HardwareError: the technology table or the user's RTL cannot be used.
    """
    search = study.spec.search
    hardware = study.spec.hardware
    check_clock(study)
    baseline = unevaluated(workloads_of(study, study.networks), cost_models(hardware)[0], hardware)
    if hardware.accelerator.own and (memories := baseline.accelerator.memories) and memories.missing:
        raise StudyError(f"hardware.accelerator: {memories.missing[0]}")
    for metric in (*search.objectives, *(constraint.metric for constraint in search.constraints)):
        if baseline.figures[metric] is None:
            reason = next(iter(baseline.accelerator.missing), f"{hardware.technology} does not give it")
            raise StudyError(f"hardware.technology cannot give {metric}: {reason}")


def check_clock(study: PreparedStudy) -> None:
    """Rejects a clock that even the narrowest rescalers of a study miss.

    Raises:
        StudyError: says how fast they are.
        HardwareError: the technology table gives no delays.
    """
    clock, hardware = study.spec.hardware.clock, study.spec.hardware
    if clock is None:
        return
    narrowest = study.space.narrowest()
    networks = {member.name: narrowed(member, member.own_point(narrowest)) for member in study.members}
    costs = unevaluated(workloads_of(study, networks), cost_models(hardware)[0], hardware).accelerator
    if costs.period_ns is not None and costs.period_ns > 1000.0 / clock.mhz:
        raise StudyError(
            f"hardware.clock.mhz = {clock.mhz:g}, but the narrowest rescalers of the study run at "
            f"{1000.0 / costs.period_ns:.4g} MHz at most ({costs.period_ns:.3g} ns) in {hardware.technology}; use less"
        )


def unevaluated(workloads: tuple[RescalerWorkload, ...], model: CostModel, hardware: HardwareSpec) -> Evaluation:
    """Returns the costs of workloads by a model, as an evaluation that lost nothing."""
    accelerator = accelerator_of(hardware, hardware.style, hardware.lanes)
    costs = accelerator_cost(workloads, model, accelerator)
    return Evaluation(
        level=Level.INTEGER,
        val_accuracy=None,
        val_accuracy_drop_pp=0.0,
        accelerator=costs,
        other_cost=costs.rescalers,
        workloads=workloads,
        network_sha256="",
        weights=None,
        seconds=0.0,
        val_disagreement_pp=0.0,
        val_divergence=0.0,
        val_metric_loss=0.0,
    )


def cost_sources(study: PreparedStudy) -> tuple[CostSource, CostSource]:
    """Returns the sources of the costs by :func:`cost_models`.

    Raises:
        HardwareError: the technology table or the user's RTL cannot be used.
    """
    spec, int32 = study.spec, tuple[RescalerWorkload, ...]()
    if spec.hardware.rtl is not None:
        int32 = built_workloads(workloads_of(study, study.networks), style=spec.hardware.style)
    objective, other = (cost_source(model, spec.contract, int32) for model in _cost_models(spec.hardware))
    return objective, other


def cost_source(model: CostModel, contract: str, int32: Sequence[RescalerWorkload] = ()) -> CostSource:
    """Returns the source of a cost model's figures, and their known error for rescalers of a contract.

    ``int32`` holds the workloads of the int32 baseline, which say what class of designs a study's own RTL is.
    """
    table = model.technology
    error = _calibration_error(model, contract) if isinstance(model, CalibratedRescalerModel) else _table_error(model)
    error = f"{error}; activity: {table.activity}; {table.order_note}"
    if isinstance(model, RtlRescalerModel) and model.source is not None:
        error = f"{own_rtl_error(model, model.source.top, int32)}; all else: {error}"
    return CostSource(model.name, table.name, table.node_nm, table.source, error)


def _calibration_error(model: CalibratedRescalerModel, contract: str) -> str:
    corrections = model.corrections_for(contract)
    order = model.technology.output_order
    errors = "; ".join(f"{name}: {_held_out_error(correction, order)}" for name, correction in corrections.items())
    return f"mean (worst) error against synthesis on designs left out: {errors}"


def _held_out_error(correction: Correction, order: OutputOrder) -> str:
    energy = correction.energy_of_order[order]
    return (
        f"area {correction.area_um2_error:.1%} ({correction.area_um2_worst:.0%}), "
        f"energy {energy.error:.1%} ({energy.worst:.0%}), "
        f"delay {correction.delay_ns_error:.1%} ({correction.delay_ns_worst:.0%})"
    )


def _table_error(model: CostModel) -> str:
    table = model.technology
    stated = {
        kind: max(figure.error for figure in figures if figure is not None)
        for kind, part in table.components.items()
        if any(figures := [part.figure(metric, table.output_order) for metric in ("area_um2", "energy_pj")])
    }
    logic = max((error for kind, error in stated.items() if kind != "memory"), default=0.0)
    memory = f", of memory {stated['memory']:.0%}" if "memory" in stated else ""
    return f"table figures to within {logic:.0%}{memory}"


def _rtl_source(hardware: HardwareSpec) -> RtlSource | None:
    if hardware.rtl is None:
        return None
    return RtlSource(hardware.rtl.files, hardware.rtl.top, tuple(hardware.rtl.parameters.items()))
