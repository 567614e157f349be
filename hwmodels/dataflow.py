"""Buffers of an accelerator: their size, and the accesses of a layer after reuse in the array of MACs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hwmodels.errors import HardwareError
from hwmodels.memories import MemoryTable, Scaled
from hwmodels.workload import RescalerWorkload

_BITS_OF_KIB: Final = 8192
_PJ_PER_NJ: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """Static memory in equal banks.

    Attributes:
        kib: capacity in KiB; None for as much as the weights of all layers take.
        bank_kib: capacity of a bank in KiB.
        word_bits: width of a bank in bits.
    """

    kib: float | None
    bank_kib: float
    word_bits: int

    def __post_init__(self) -> None:
        if self.words < 1 or (self.kib is not None and self.kib <= 0):
            raise HardwareError(f"a buffer needs a capacity and at least one word a bank, got {self}")

    @property
    def words(self) -> int:
        """Words of a bank."""
        return round(self.bank_kib * _BITS_OF_KIB) // self.word_bits


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
        energy_nj: energy of the accesses of one inference, without leakage; None likewise.
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


def memory_cost(layers: Sequence[RescalerWorkload], dataflow: Dataflow, node_nm: float, voltage_v: float) -> MemoryCost:
    """Returns the cost of the buffers in a process.

    Args:
        layers: the rescalers with the work before them.
        dataflow: the buffers and their use.
        node_nm: feature size of the process, nm.
        voltage_v: its supply, V.
    """
    weights = sum(layer.weights * layer.weight_bits for layer in layers) / _BITS_OF_KIB
    buffers = [each for each in (dataflow.buffer, dataflow.accumulators) if each is not None]
    sizes = [weights if each.kib is None else each.kib for each in buffers]
    try:
        bits = [dataflow.memory.scaled(each.words, node_nm, voltage_v) for each in buffers]
    except HardwareError as error:
        return MemoryCost(None, None, None, sum(sizes), (str(error),))
    moved = [traffic(layer, dataflow) for layer in layers]
    capacities = [size * _BITS_OF_KIB for size in sizes]
    return MemoryCost(
        area_um2=sum(figures.area_um2 * size for figures, size in zip(bits, capacities, strict=True)),
        energy_nj=sum(_energy_pj(each, bits) for each in moved) / _PJ_PER_NJ,
        leakage_uw=sum(figures.leakage_uw * size for figures, size in zip(bits, capacities, strict=True)),
        kib=sum(sizes),
    )


def _energy_pj(moved: Traffic, bits: Sequence[Scaled]) -> float:
    """Returns the energy of a layer's accesses, given the figures of a bit of the buffer and of the accumulators."""
    buffer, sums = bits[0], bits[-1]
    accesses = (moved.inputs + moved.weights) * buffer.read_pj + moved.outputs * buffer.write_pj
    return accesses + moved.partial_sums * (sums.read_pj + sums.write_pj)
