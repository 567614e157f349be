"""What a design's rescalers cost, and the accelerator around them, by the study's cost source and by another."""

from collections.abc import Sequence
from dataclasses import dataclass

from dse.design.point import Surroundings
from dse.study.spec import HardwareSpec
from hwmodels import (
    AnalyticRescalerModel,
    CalibratedRescalerModel,
    CostModel,
    NetworkCost,
    RtlRescalerModel,
    RtlSource,
    Style,
    load_technology,
    network_cost,
)
from hwmodels.accelerator import Accelerator, AcceleratorCost, accelerator_cost
from hwmodels.workload import RescalerWorkload

_AS_THE_STUDY_SAYS = Surroundings()


@dataclass(frozen=True, slots=True)
class Costs:
    """What some rescalers cost.

    Attributes:
        accelerator: rescalers and MACs together, by the study's own cost source.
        other: the rescalers by the other one.
        other_style_area_um2: rescaler area in the accelerator style that the design does not have.
    """

    accelerator: AcceleratorCost
    other: NetworkCost
    other_style_area_um2: float | None


class Costing:
    """The cost models of a study.

    Args:
        hardware: the study's.

    Raises:
        HardwareError: the table, or the user's RTL, cannot be used.
    """

    def __init__(self, hardware: HardwareSpec) -> None:
        self._hardware = hardware
        self._objective, self._other = cost_models(hardware)

    def costs(self, workloads: Sequence[RescalerWorkload], chosen: Surroundings = _AS_THE_STUDY_SAYS) -> Costs:
        """Costs of the rescalers that serve these workloads, in what the design chose around them."""
        template = accelerator_of(self._hardware, chosen)
        other_style: Style = "shared" if template.style == "streaming" else "streaming"
        lanes = template.rescaler_lanes
        return Costs(
            accelerator=accelerator_cost(workloads, self._objective, template),
            other=network_cost(workloads, self._other, style=template.style, lanes=lanes),
            other_style_area_um2=network_cost(
                workloads, self._objective, style=other_style, lanes=lanes
            ).rescaler_area_um2,
        )


def cost_models(hardware: HardwareSpec) -> tuple[CostModel, CostModel]:
    """The cost model that is the objective, and another one beside it, on the same technology table.

    Raises:
        HardwareError: the table, or the user's RTL, cannot be used.
    """
    technology = load_technology(hardware.technology)
    analytic = AnalyticRescalerModel(technology, hardware.architecture)
    rtl = RtlRescalerModel(technology, source=_rtl_source(hardware), architecture=hardware.architecture)
    if hardware.cost_source == "calibrated":
        return CalibratedRescalerModel(technology), analytic
    return (analytic, rtl) if hardware.cost_source == "analytic" else (rtl, analytic)


def _rtl_source(hardware: HardwareSpec) -> RtlSource | None:
    if hardware.rtl is None:
        return None
    return RtlSource(hardware.rtl.files, hardware.rtl.top, tuple(hardware.rtl.parameters.items()))


def accelerator_of(hardware: HardwareSpec, chosen: Surroundings = _AS_THE_STUDY_SAYS) -> Accelerator:
    """The accelerator template around the rescalers, by the study file but for what a design chose."""
    return Accelerator(
        style=chosen.style or hardware.style,
        mac_lanes=hardware.mac_lanes,
        rescaler_lanes=chosen.lanes or hardware.lanes,
    )
