"""What is known about the costs of a study's own RTL, in words."""

from collections.abc import Sequence
from typing import Final

from hwmodels import RtlRescalerModel
from hwmodels.technologies import DesignClass, Gates, Metric
from hwmodels.workload import RescalerWorkload

_CLASSES: Final[dict[DesignClass, str]] = {
    "operator": "single operators",
    "datapath": "datapaths",
    "redundant": "redundant datapaths",
}


def own_rtl_error(model: RtlRescalerModel, top: str, int32: Sequence[RescalerWorkload]) -> str:
    """Returns how the study's own module is priced, and how far the figures are off.

    Args:
        model: a model with a source.
        top: name of the module.
        int32: workloads of the int32 baseline, whose classes of designs are named.
    """
    gates = model.technology.gates
    if gates is None:
        return f"{top} by components, because the table has no gate figures"
    errors = "; ".join(f"{_CLASSES[each]}: {_errors(gates, each)}" for each in _CLASSES if _errors(gates, each))
    return (
        f"{top} by gates, mean (worst) error against synthesis on designs left out: {errors}; "
        f"{_classes(model, int32)}energies are those of random inputs "
        "in either order of outputs, and errors of other people's modules near the worst"
    )


def _errors(gates: Gates, design_class: DesignClass) -> str:
    figures: dict[str, Metric] = {"area": "area_um2", "energy": "energy_pj", "delay": "delay_ns"}
    found = {name: gates.errors.get(key, {}).get(design_class) for name, key in figures.items()}
    return ", ".join(f"{name} {each.mean:.1%} ({each.worst:.0%})" for name, each in found.items() if each)


def _classes(model: RtlRescalerModel, int32: Sequence[RescalerWorkload]) -> str:
    """Returns the classes of the int32 baseline's designs, each once; '' without any."""
    costs = [cost.by_gates for each in int32 if (cost := model.own_cost(each)) is not None]
    names = dict.fromkeys(
        f"{_CLASSES[cost.design_class]}{'' if cost.inside else ' unlike those measured, for which the worst holds'}"
        for cost in costs
        if cost is not None
    )
    return f"int32's are {' and '.join(names)}; " if names else ""
