"""The banks of the shared style: the workload of a lane that serves several layers."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from hwmodels.architectures import Architecture
from hwmodels.costs import Style
from hwmodels.workload import RescalerWorkload, RescaleStage

ArchitectureOf = Callable[[RescalerWorkload], Architecture | None]  # None for a module of the user's own


def built_workloads(workloads: Sequence[RescalerWorkload], *, style: Style) -> tuple[RescalerWorkload, ...]:
    """Returns the workloads as hardware of a style serves them.

    A streaming layer's unit is built for it alone. A shared bank stores multipliers, reads zero points and bounds from
    ports, and is folded only if all of its layers are; a folded ADD has built-in constants, and so none of them is.
    """
    if style == "streaming":
        return tuple(workloads)
    counts = {len(workload.stages) for workload in workloads}
    folded = {count: all(w.folded for w in workloads if len(w.stages) == count) and count == 1 for count in counts}
    return tuple(_programmable(each, folded=folded[len(each.stages)]) for each in workloads)


def _programmable(workload: RescalerWorkload, *, folded: bool) -> RescalerWorkload:
    stages = tuple(replace(stage, multiplier=None) for stage in workload.stages)
    if workload.folded and not folded and workload.unfolded_bits is not None:
        stages = (*stages[:-1], replace(stages[-1], operand_bits=workload.unfolded_bits))
    return replace(workload, stages=stages, output=None, folded=folded, unfolded_bits=None)


def memory_formats(
    workloads: Sequence[RescalerWorkload], architecture_of: ArchitectureOf, *, style: Style
) -> tuple[RescalerWorkload, ...]:
    """Returns per layer a workload with the ``parameter_bits`` and ``bias_bits`` of a channel in a style's memories.

    A shared bank's words are as wide as its widest multiplier, operand and range of shifts.
    """
    if style == "streaming":
        return tuple(workloads)
    served = banks(workloads, architecture_of)
    return tuple(replace(served[len(each.stages)], macs_per_inference=each.macs_per_inference) for each in workloads)


def banks(workloads: Sequence[RescalerWorkload], architecture_of: ArchitectureOf) -> dict[int, RescalerWorkload]:
    """Returns the workload of each shared bank, by its number of stages; the workloads are those as built."""
    counts = sorted({len(workload.stages) for workload in workloads})
    groups = {count: [each for each in workloads if len(each.stages) == count] for count in counts}
    return {
        count: envelope(group, architecture_of(max(group, key=lambda each: each.multiplier_bits)))
        for count, group in groups.items()
    }


def envelope(workloads: Sequence[RescalerWorkload], architecture: Architecture | None) -> RescalerWorkload:
    """Returns the workload of the narrowest unit that can serve all of ``workloads`` (of one number of stages).

    Args:
        workloads: the layers, as built.
        architecture: what the unit is made of, None for a module of the user's own.
    """
    stages = tuple(
        _united(position, architecture) for position in zip(*(each.stages for each in workloads), strict=True)
    )
    widest = max(workloads, key=lambda workload: workload.channels)
    return replace(
        widest, name="shared bank", stages=stages, output_bits=max(workload.output_bits for workload in workloads)
    )


def alignment(multiplier_bits: int, widest: int, architecture: Architecture | None) -> int:
    """Returns the bits by which a bank of multipliers of ``widest`` bits shifts a narrower one to the left.

    Its right shift grows by as much, which changes no result, and its leading one is where the wide unit implies it.
    """
    return widest - multiplier_bits if architecture is None else architecture.alignment(multiplier_bits, widest)


def _united(stages: Sequence[RescaleStage], architecture: Architecture | None) -> RescaleStage:
    widest = max(stage.multiplier_bits for stage in stages)
    shifts = [alignment(stage.multiplier_bits, widest, architecture) for stage in stages]
    return RescaleStage(
        operand_bits=max(stage.operand_bits for stage in stages),
        multiplier_bits=widest,
        right_shift_min=min(stage.right_shift_min + by for stage, by in zip(stages, shifts, strict=True)),
        right_shift_max=max(stage.right_shift_max + by for stage, by in zip(stages, shifts, strict=True)),
    )
