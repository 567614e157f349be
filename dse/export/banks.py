"""Shared banks as hardware: lanes side by side that serve every layer, one layer at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dse.errors import StudyError
from dse.evaluate import lower, single_cycle
from dse.export.units import Unit, architecture_of, unit_of
from hwmodels.architectures import DEFAULT_CHOICE, Choice, architecture_for
from hwmodels.banks import alignment, banks, built_workloads
from hwmodels.workload import RescalerWorkload
from nets.narrow import RescalerConstants, StageConstants, rescaler_constants
from nets.network import IntArray, Method, QuantizedNetwork

_NAMES = {1: "bank", 2: "add_bank"}  # by the stages of their rescalers
_NOT_FOLDED = "a shared bank serves layers that are not folded"


def banks_of(
    network: QuantizedNetwork,
    methods: Mapping[str, str],
    choice: Choice = DEFAULT_CHOICE,
    pipelined: Callable[[RescalerWorkload], RescalerWorkload] = single_cycle,
    lanes: int = 1,
) -> tuple[Unit, ...]:
    """Returns the shared banks that serve a network: one for its accumulators, one for its ADDs.

    Args:
        network: the design, as it ships.
        methods: how each rescaler's width was reached, by operator name.
        choice: how a rescaler is built, as a study file names it.
        pipelined: gives a workload the pipeline that was costed.
        lanes: rescalers side by side in each bank.

    Raises:
        StudyError: the shipped RTL has no module for one of the layers, or no bank serves all of them.
    """
    workloads = lower(network)
    built = built_workloads(workloads, style="shared")
    _check(built)
    served = banks(built, lambda workload: architecture_for(workload, choice))
    own, unfolded = rescaler_constants(network), rescaler_constants(network, _NOT_FOLDED)
    layers = [
        unit_of(
            operator, network, (own if workload.folded else unfolded)[operator.name], workload, operator.name,
            methods.get(operator.name, Method.ROUND.value), choice,
        )
        for operator, workload in zip(network.narrowable_operators(), built, strict=True)
    ]  # fmt: skip
    return tuple(
        _bank(
            tuple(layer for layer in layers if len(layer.stages) == count),
            replace(pipelined(workload), name=_NAMES[count]),
            choice,
            lanes,
        )
        for count, workload in served.items()
    )


def _check(workloads: Sequence[RescalerWorkload]) -> None:
    shifts = sorted({each.left_shift for each in workloads if len(each.stages) > 1})
    if len(shifts) > 1:
        raise StudyError(f"ADDs shift their inputs by {shifts} bits, which no shared bank does; use streaming")


def _bank(layers: tuple[Unit, ...], workload: RescalerWorkload, choice: Choice, lanes: int) -> Unit:
    for layer in layers:
        if any(each.complemented for each in layer.constants.inputs):
            raise StudyError(f"operator {layer.name!r}: a shared bank has no RTL for a SUB; use streaming")
    stored = replace(workload, channels=sum(layer.channels for layer in layers))
    constants = _constants(layers, stored)
    return Unit(
        identifier=workload.name,
        method="",
        workload=stored,
        architecture=architecture_of(stored, constants, choice),
        constants=constants,
        bias=None if len(stored.stages) > 1 else np.concatenate([_bias(layer) for layer in layers]),
        stored_bits=max(layer.stored_bits for layer in layers),
        zero_point=0,  # each layer's own: a port
        q_min=0,
        q_max=0,
        layers=layers,
        lanes=lanes,
    )


def _bias(layer: Unit) -> IntArray:
    return np.zeros(layer.channels, np.int64) if layer.bias is None else layer.bias


def _constants(layers: Sequence[Unit], workload: RescalerWorkload) -> RescalerConstants:
    """Returns the constants of all layers' channels, their multipliers aligned to the left in the bank's width."""
    architecture = layers[0].architecture
    stages = []
    for place, wide in enumerate(workload.stages):
        own = [layer.stages[place] for layer in layers]
        shifts = [alignment(stage.multiplier_bits, wide.multiplier_bits, architecture) for stage in own]
        stages.append(
            StageConstants(
                operand_bits=wide.operand_bits,
                multiplier_bits=wide.multiplier_bits,
                multiplier=np.concatenate([each.multiplier << by for each, by in zip(own, shifts, strict=True)]),
                right_shift=np.concatenate([each.right_shift + by for each, by in zip(own, shifts, strict=True)]),
            )
        )
    return replace(
        layers[0].constants, stages=tuple(stages), saturates=all(layer.constants.saturates for layer in layers)
    )


def settings_of(bank: Unit) -> list[tuple[str, int, list[int]]]:
    """Returns what a bank wires for each layer: name, width in bits, and the value of every layer.

    The first word of the layer in the parameter memory, or an ADD's multipliers without their leading ones, variable
    parts of shifts, and zero points of inputs; then zero point of the output, and bounds.
    """
    layers, bits = bank.layers, bank.output_bits
    settings = [*_sums(bank)] if bank.is_add else [("base", bank.address_bits, list(bank.first_words))]
    if not bank.folded:
        settings.append(("zero_point", bits, [layer.zero_point for layer in layers]))
    settings.append(("q_min", bits, [layer.q_min for layer in layers]))
    settings.append(("q_max", bits, [layer.q_max for layer in layers]))
    return [each for each in settings if each[1]]


def _sums(bank: Unit) -> list[tuple[str, int, list[int]]]:
    settings = []
    for place, name in enumerate(("scaled_zero", "halved_zero")):
        zeros = [layer.constants.inputs[place].zero_point for layer in bank.layers]
        settings.append((name, bank.operand_bits, zeros))
    for side, stage, costed in zip(("in", "out"), bank.stages, bank.workload.stages, strict=True):
        low = (1 << (stage.multiplier_bits - 1)) - 1
        settings.append((f"mult_{side}", stage.multiplier_bits - 1, (stage.multiplier & low).tolist()))
        settings.append((f"shift_{side}", costed.shift_bits, (stage.right_shift - stage.right_shift_min).tolist()))
    return settings
