"""Rescaler cost from RTL: Verilog is parsed for the workload's parameters, and its operators are priced."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hwmodels.architectures import DEFAULT_CHOICE, Architecture, architecture_for, check_choice, check_workload
from hwmodels.costs import UnitCost, unit_cost
from hwmodels.errors import HardwareError
from hwmodels.models.base import per_rescale
from hwmodels.models.own_design import DesignCost, design_cost
from hwmodels.models.parsed_parts import design_costs
from hwmodels.parsing import Design, parse_files
from hwmodels.technologies import Technology
from hwmodels.timing import longest_path_ns
from hwmodels.workload import RescalerWorkload

# files, when each was changed, top module and parameters
_Key = tuple[tuple[Path, ...], tuple[int, ...], str, tuple[tuple[str, int], ...]]
_MOST_COSTS: Final = 1024  # costs of the user's designs that a model keeps, about 20 KB each


@dataclass(frozen=True, slots=True)
class RtlSource:
    """The user's own rescaler, and which quantities of a layer set its parameters.

    Attributes:
        files: Verilog sources.
        top: module.
        parameters: per parameter of the module, the name of a layer's quantity (``LAYER_QUANTITIES``), or a number
            that is the same for every layer.
    """

    files: tuple[Path, ...]
    top: str
    parameters: tuple[tuple[str, str | int], ...]

    def __post_init__(self) -> None:
        for name, quantity in self.parameters:
            if isinstance(quantity, str) and quantity not in LAYER_QUANTITIES:
                known = ", ".join(LAYER_QUANTITIES)
                raise HardwareError(f"parameter {name} of {self.top!r} takes {quantity!r}; a layer has: {known}")

    def resolve(self, workload: RescalerWorkload) -> dict[str, int]:
        """Returns the module's parameters for a one-stage workload."""
        return {
            name: quantity if isinstance(quantity, int) else LAYER_QUANTITIES[quantity](workload)
            for name, quantity in self.parameters
        }


LAYER_QUANTITIES: Final[Mapping[str, Callable[[RescalerWorkload], int]]] = {
    "operand_bits": lambda workload: workload.stages[-1].operand_bits,
    "multiplier_bits": lambda workload: workload.stages[-1].multiplier_bits,
    "right_shift_min": lambda workload: workload.stages[-1].right_shift_min,
    "right_shift_max": lambda workload: workload.stages[-1].right_shift_max,
    "shift_bits": lambda workload: workload.stages[-1].shift_bits,
    "output_bits": lambda workload: workload.output_bits,
    # 1 if the unit may be built for the zero point and the bounds that follow, which are 0 otherwise
    "constants": lambda workload: int(workload.output is not None),
    "zero_point": lambda workload: workload.output.zero_point if workload.output else 0,
    "q_min": lambda workload: workload.output.q_min if workload.output else 0,
    "q_max": lambda workload: workload.output.q_max if workload.output else 0,
}


@dataclass(frozen=True)
class RtlRescalerModel:
    """Prices parsed RTL: the shipped one by its components, the user's by its gates if the table has their figures.

    ``source``, if given, serves all one-stage workloads with one rescale per cycle. Designs, and costs of the user's,
    are cached by their parameters until a file changes.

    Attributes:
        architecture: how the shipped one-stage rescalers are built, as a study file names it.
    """

    name = "rtl"
    technology: Technology
    source: RtlSource | None = None
    architecture: str = DEFAULT_CHOICE
    _known: dict[_Key, DesignCost] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_choice(self.architecture)
        if self.architecture != DEFAULT_CHOICE and self.source is not None:
            raise HardwareError(
                f"architecture {self.architecture!r} is a shipped rescaler, and {self.source.top!r} another; "
                "leave one out"
            )

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Returns the cost of one lane that serves ``workload``.

        Raises:
            HardwareError: if no shipped architecture serves it.
        """
        own = self.own_cost(workload)
        if own is not None:
            return own.unit
        unit = unit_cost(design_costs(self.design(workload), self.technology))
        return per_rescale(unit, architecture_for(workload, self.architecture), workload, self.technology)

    def delay_ns(self, workload: RescalerWorkload) -> float | None:
        """Returns the longest path between the registers of that lane, in ns."""
        own = self.own_cost(workload)
        if own is not None:
            return own.unit.delay_ns
        return longest_path_ns(architecture_for(workload, self.architecture).parts(workload), self.technology)

    def own_cost(self, workload: RescalerWorkload) -> DesignCost | None:
        """Returns the cost of ``source`` for a workload, None if a shipped architecture serves it.

        Raises:
            HardwareError: if the module cannot be parsed or priced.
        """
        source = self._source_of(workload)
        if source is None:
            return None
        check_workload(workload)
        key = _key(source.files, source.top, source.resolve(workload))
        if key not in self._known:
            if len(self._known) >= _MOST_COSTS:
                self._known.clear()
            self._known[key] = design_cost(_design(*key), self.technology)
        return self._known[key]

    def architecture_of(self, workload: RescalerWorkload) -> Architecture | None:
        """Returns the shipped architecture that serves a workload, None if it is ``source``."""
        return None if self._source_of(workload) is not None else architecture_for(workload, self.architecture)

    def design(self, workload: RescalerWorkload) -> Design:
        """Returns the elaborated RTL of one lane that serves ``workload``."""
        source = self._source_of(workload)
        if source is not None:
            check_workload(workload)
            return _parsed(source.files, source.top, source.resolve(workload))
        architecture = architecture_for(workload, self.architecture)
        return _parsed(architecture.files, architecture.top, architecture.parameters(workload))

    def _source_of(self, workload: RescalerWorkload) -> RtlSource | None:
        return self.source if len(workload.stages) == 1 else None


def _parsed(files: tuple[Path, ...], top: str, parameters: Mapping[str, int]) -> Design:
    return _design(*_key(files, top, parameters))


def _key(files: tuple[Path, ...], top: str, parameters: Mapping[str, int]) -> _Key:
    # A missing file has no time of change; it cannot be read later either.
    changed_ns = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files)
    return files, changed_ns, top, tuple(sorted(parameters.items()))


@functools.lru_cache(maxsize=4096)
def _design(
    files: tuple[Path, ...], _changed_ns: tuple[int, ...], top: str, parameters: tuple[tuple[str, int], ...]
) -> Design:
    return parse_files(files, top, dict(parameters))
