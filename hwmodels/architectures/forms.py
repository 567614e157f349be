"""Forms of the architectures that synthesis measures apart: with programmable outputs, and built for constants."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from hwmodels.architectures.base import Architecture, SweepPoint
from hwmodels.architectures.registry import ARCHITECTURES, DEFAULT_CHOICE
from hwmodels.workload import OutputConstants, RescalerWorkload

# Those of a fused ReLU, which saturates. An ADD's inputs are one such output and one without a ReLU; its multipliers
# are the first bits of two irrational numbers.
SWEPT_OUTPUT: Final = OutputConstants(zero_point=-128, q_min=-128, q_max=127)
SWEPT_INPUT_ZEROS: Final = (-128, 5)
SWEPT_SCALES: Final = (math.sqrt(0.5), math.e / math.pi)


@dataclass(frozen=True, slots=True)
class Form:
    """An architecture, and whether its zero points and bounds are constants."""

    architecture: Architecture
    constants: bool

    @property
    def name(self) -> str:
        """Its name in published tables and in the corrections of technology tables."""
        return form_name(self.architecture, constants=self.constants)

    def workload(self, point: SweepPoint) -> RescalerWorkload:
        """Returns the workload that a design of the sweep is built for."""
        workload = self.architecture.sweep_workload(point)
        if not self.constants:
            return workload
        if self.architecture.stages == 1:
            return replace(workload, output=SWEPT_OUTPUT)
        stages = tuple(
            replace(stage, multiplier=int(scale * (1 << stage.multiplier_bits)))
            for stage, scale in zip(workload.stages, SWEPT_SCALES, strict=True)
        )
        return replace(workload, stages=stages, output=replace(SWEPT_OUTPUT, input_zero_points=SWEPT_INPUT_ZEROS))


def form_name(architecture: Architecture, *, constants: bool) -> str:
    """Returns the name of a form; an architecture that has one form only names it."""
    return f"{architecture.name}_constants" if constants and architecture.programmable else architecture.name


def correction_names(architecture: Architecture, workload: RescalerWorkload) -> tuple[str, str, str]:
    """Returns the names of the form that serves a workload, and of those that stand for it if it is not measured."""
    constants, default = workload.output is not None, ARCHITECTURES[DEFAULT_CHOICE]
    return form_name(architecture, constants=constants), architecture.name, form_name(default, constants=constants)


def _forms() -> Iterator[Form]:
    for architecture in ARCHITECTURES.values():
        if architecture.programmable:
            yield Form(architecture, constants=False)
        if architecture.calibrated:
            yield Form(architecture, constants=True)


FORMS: Final[Mapping[str, Form]] = {form.name: form for form in _forms()}
