"""Buffers of an accelerator: their size, and the accesses of a layer after reuse in the array of MACs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hwmodels.costs import Style
from hwmodels.errors import HardwareError
from hwmodels.memories import MemoryTable, Scaled
from hwmodels.technologies import Technology
from hwmodels.workload import RescalerWorkload

_BITS_OF_KIB: Final = 8192
_PJ_PER_NJ: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """Static memory. An access costs what it costs in one macro of this size, so that wires to its banks count.

    Attributes:
        kib: capacity in KiB; None for as much as the weights take: of each layer if every layer has hardware of its
            own, of all layers otherwise.
        word_bits: width in bits.
    """

    kib: float | None
    word_bits: int

    def __post_init__(self) -> None:
        if self.word_bits < 1 or (self.kib is not None and self.kib <= 0):
            raise HardwareError(f"a buffer needs a capacity and words of at least one bit, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataflow:
    """What the array of MACs reads from its buffers.

    Every fetched input is multiplied for several output channels side by side, and every fetched weight is held for
    several outputs; a layer that has fewer reuses as many as it has. Outputs are written once. Partial sums stay in the
    accumulators of the MACs, unless there is a memory for them: then each sum of ``reduction_lanes`` products side by
    side reads and writes one. Memory beyond these buffers, and what fills them, is not part of the model.

    Attributes:
        input_uses: output channels that a fetched input serves.
        weight_uses: outputs that a fetched weight serves before another one takes its place.
        buffer: memory of weights and activations.
        accumulators: memory of partial sums; None if they stay in registers.
        reduction_lanes: products that are added up before a partial sum is read and written.
        memory: figures of all of these memories.
    """

    input_uses: int
    weight_uses: int
    buffer: Buffer
    memory: MemoryTable
    accumulators: Buffer | None = None
    reduction_lanes: int = 1

    def __post_init__(self) -> None:
        for name in ("input_uses", "weight_uses", "reduction_lanes"):
            if getattr(self, name) < 1:
                raise HardwareError(f"{name} is {getattr(self, name)}; use a whole number of at least 1")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bits that one layer moves in one inference."""

    inputs: float
    weights: float
    outputs: float
    partial_sums: float


@dataclass(frozen=True, slots=True)
class MemoryCost:
    """Cost of an accelerator's buffers.

    Attributes:
        area_um2: their area; None if the memory table cannot be scaled to the technology.
        energy_nj: energy of the accesses of one inference, and with a clock of leakage; None likewise.
        leakage_uw: leakage, in the process of the memory table.
        kib: their capacity in KiB.
        missing: why figures are None.
    """

    area_um2: float | None
    energy_nj: float | None
    leakage_uw: float | None
    kib: float
    missing: tuple[str, ...] = ()


def traffic(layer: RescalerWorkload, dataflow: Dataflow) -> Traffic:
    """Returns the bits that a layer reads from and writes to the buffers. A layer without MACs reads two inputs."""
    macs, outputs = layer.macs_per_inference, layer.rescales_per_inference
    if not macs:
        return Traffic(2.0 * outputs * layer.activation_bits, 0.0, float(outputs * layer.output_bits), 0.0)
    sums = macs / min(dataflow.reduction_lanes, max(macs // outputs, 1)) if dataflow.accumulators else 0.0
    return Traffic(
        inputs=macs * layer.activation_bits / min(dataflow.input_uses, layer.uses_of_input),
        weights=macs * layer.weight_bits / min(dataflow.weight_uses, layer.uses_of_weight),
        outputs=float(outputs * layer.output_bits),
        partial_sums=sums * layer.stages[0].operand_bits,
    )


def memory_cost(
    layers: Sequence[RescalerWorkload], dataflow: Dataflow, technology: Technology, style: Style
) -> MemoryCost:
    """Returns the cost of the buffers in a process.

    Args:
        layers: the rescalers with the work before them.
        dataflow: the buffers and their use.
        technology: the process.
        style: whether each layer has a buffer of its own if its size follows from the weights.
    """
    weights = [layer.weights * layer.weight_bits for layer in layers]
    of_weights = weights if style == "streaming" else [sum(weights)] * len(layers)
    own, sums = dataflow.buffer, dataflow.accumulators
    sizes = of_weights if own.kib is None else [round(own.kib * _BITS_OF_KIB)] * len(layers)
    capacity = sum(weights) if own.kib is None else sizes[0]
    sums_bits = 0 if sums is None or sums.kib is None else round(sums.kib * _BITS_OF_KIB)
    try:
        figures = [_scaled(dataflow, size // own.word_bits, technology) for size in sizes]
        of_sums = _scaled(dataflow, 0 if sums is None else sums_bits // sums.word_bits, technology)
    except HardwareError as error:
        return MemoryCost(None, None, None, (capacity + sums_bits) / _BITS_OF_KIB, (str(error),))
    energies = [_energy_pj(traffic(layer, dataflow), bit, of_sums) for layer, bit in zip(layers, figures, strict=True)]
    return MemoryCost(
        area_um2=of_sums.area_um2 * (capacity + sums_bits),
        energy_nj=sum(energies) / _PJ_PER_NJ,
        leakage_uw=of_sums.leakage_uw * (capacity + sums_bits),
        kib=(capacity + sums_bits) / _BITS_OF_KIB,
    )


def _scaled(dataflow: Dataflow, words: int, technology: Technology) -> Scaled:
    """Returns the figures of a bit; a memory of fewer words than the table reaches counts as one of so many."""
    table = dataflow.memory
    return table.scaled(max(words, table.depth.fewest_words), technology.node_nm, technology.voltage_v)


def _energy_pj(moved: Traffic, bit: Scaled, of_sums: Scaled) -> float:
    """Returns the energy of a layer's accesses, given the figures of a bit of the buffer and of the accumulators."""
    accesses = (moved.inputs + moved.weights) * bit.read_pj + moved.outputs * bit.write_pj
    return accesses + moved.partial_sums * (of_sums.read_pj + of_sums.write_pj)
