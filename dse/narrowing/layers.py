"""What narrowing changed in every layer: shifts, weights, biases, and what the layer's rescaler costs."""

from collections.abc import Mapping

import numpy as np

from dse.narrowing.document import LayerDocument
from hwmodels import LayerCost, NetworkCost, RescalerWorkload
from nets.network import (
    NarrowableOperator,
    QuantizedNetwork,
    Weighted,
    along_channels,
    effective_scales,
    neighbouring_scales,
)

_EXACT = 1e-9  # relative; representable scales are far coarser


def layer_documents(
    int32: QuantizedNetwork,
    design: QuantizedNetwork,
    workloads: tuple[RescalerWorkload, ...],
    costs: tuple[NetworkCost, NetworkCost],
) -> tuple[LayerDocument, ...]:
    """Compares every layer of a design with the same layer of the int32 network it was made from.

    Args:
        int32: the network at int32 (Q31).
        design: the design.
        workloads: the design's rescalers.
        costs: of the int32 network and of the design.
    """
    before, after = ({layer.name: layer for layer in cost.layers} for cost in costs)
    sized = {workload.name: workload for workload in workloads}
    return tuple(
        _layer(int32, design, operator, sized[operator.name], (before[operator.name], after[operator.name]))
        for operator in design.narrowable_operators()
    )


def _layer(
    int32: QuantizedNetwork,
    design: QuantizedNetwork,
    operator: NarrowableOperator,
    workload: RescalerWorkload,
    costs: tuple[LayerCost, LayerCost],
) -> LayerDocument:
    original, stage = int32.operator(operator.name), workload.stages[-1]
    changes: Mapping[str, float] = {}
    if isinstance(operator, Weighted) and isinstance(original, Weighted):
        changes = _changes(int32, design, original, operator)
    return LayerDocument(
        name=operator.name,
        multiplier_bits=operator.rescaler.multiplier_bits,
        method=operator.method.value,
        channels=workload.channels,
        first_shift=stage.right_shift_min,
        last_shift=stage.right_shift_max,
        moved_channels=int(changes.get("moved_channels", 0)),
        weights=int(changes.get("weights", 0)),
        weights_changed=int(changes.get("weights_changed", 0)),
        largest_weight_change=changes.get("largest_weight_change", 0.0),
        largest_bias_change=changes.get("largest_bias_change", 0.0),
        folded=workload.folded,
        area_um2=costs[1].area_um2,
        int32_area_um2=costs[0].area_um2,
        energy_nj=costs[1].energy_nj,
        int32_energy_nj=costs[0].energy_nj,
    )


def _changes(
    int32: QuantizedNetwork, design: QuantizedNetwork, original: Weighted, operator: Weighted
) -> Mapping[str, float]:
    """Returns what changed in a layer with weights, by the field of :class:`LayerDocument`."""
    ndim = operator.weights.ndim
    real_before = original.weights * along_channels(original.weight_scale, ndim)
    real_after = operator.weights * along_channels(operator.weight_scale, ndim)
    steps = np.abs(real_after - real_before) / along_channels(original.weight_scale, ndim)
    source_before, source_after = (net.tensors[operator.inputs[0]].scale for net in (int32, design))
    bias_before = original.bias * (source_before * original.weight_scale)
    bias_after = operator.bias * (source_after * operator.weight_scale)
    output = design.tensors[operator.output].scale
    return {
        "moved_channels": _moved_channels(design, original, operator),
        "weights": operator.weights.size,
        "weights_changed": int((operator.weights != original.weights).sum()),
        "largest_weight_change": float(steps.max()),
        "largest_bias_change": float(np.abs(bias_after - bias_before).max() / output),
    }


def _moved_channels(design: QuantizedNetwork, original: Weighted, operator: Weighted) -> int:
    """Counts the channels with weights whose scale is neither of the two representable ones beside the natural one."""
    (natural,) = effective_scales(original, design.tensors)
    chosen = operator.rescaler.scale
    below, above = neighbouring_scales(natural, operator.rescaler.stored_bits)
    beyond = (chosen < below * (1 - _EXACT)) | (chosen > above * (1 + _EXACT))
    live = np.abs(original.weights.reshape(original.out_channels, -1)).any(axis=1)
    return int((beyond & live).sum()) if beyond.size > 1 else int(beyond.any() and live.any())
