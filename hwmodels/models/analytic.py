"""Rescaler cost from closed formulas: the components of an architecture, by width."""

from dataclasses import dataclass

from hwmodels.architectures import DEFAULT_CHOICE, architecture_for, check_choice
from hwmodels.costs import UnitCost, unit_cost
from hwmodels.models.base import per_rescale
from hwmodels.technologies import Technology
from hwmodels.workload import RescalerWorkload


@dataclass(frozen=True)
class AnalyticRescalerModel:
    """Prices the components that a rescaler needs, without looking at any RTL.

    ``architecture`` says how one-stage rescalers are built, as a study file names it.
    """

    name = "analytic"
    technology: Technology
    architecture: str = DEFAULT_CHOICE

    def __post_init__(self) -> None:
        check_choice(self.architecture)

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Returns the cost of one lane that serves ``workload``.

        Raises:
            HardwareError: if no shipped architecture serves it.
        """
        architecture = architecture_for(workload, self.architecture)
        components = [part.cost(self.technology) for part in architecture.parts(workload)]
        unit = unit_cost(components, single_path=architecture.single_path)
        return per_rescale(unit, architecture, workload, self.technology)
