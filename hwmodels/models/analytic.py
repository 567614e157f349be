"""Rescaler cost from closed formulas: the components of an architecture, by width."""

from dataclasses import dataclass

from hwmodels.architectures import DEFAULT_CHOICE, Architecture, architecture_for, check_choice
from hwmodels.costs import UnitCost, unit_cost
from hwmodels.models.base import per_rescale
from hwmodels.technologies import Technology
from hwmodels.timing import longest_path_ns
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
        architecture = self.architecture_of(workload)
        components = [part.cost(self.technology) for part in architecture.parts(workload)]
        return per_rescale(unit_cost(components), architecture, workload, self.technology)

    def delay_ns(self, workload: RescalerWorkload) -> float | None:
        """Returns the longest path between the registers of that lane, in ns."""
        return longest_path_ns(self.architecture_of(workload).parts(workload), self.technology)

    def architecture_of(self, workload: RescalerWorkload) -> Architecture:
        """Returns the shipped architecture that serves a workload."""
        return architecture_for(workload, self.architecture)
