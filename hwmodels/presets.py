"""Accelerators as published: how many MACs share a rescaler, in which order outputs leave, and which buffers there are.

They are shapes, not models of the products: a technology table prices every one of them, whatever it was built in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from hwmodels.accelerator import Accelerator
from hwmodels.costs import Style
from hwmodels.dataflow import Buffer, Dataflow
from hwmodels.memories import MemoryTable
from hwmodels.orders import OutputOrder

PresetName = Literal["nvdla_small", "ethos_u55_256", "gemmini", "finn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """The shape of a published accelerator: the fields of ``Accelerator`` and ``Dataflow``, and the order of outputs.

    Attributes:
        title: what it resembles, in words.
        source: where its numbers are published.
        assumed: what is not published there.
    """

    title: str
    style: Style
    mac_lanes: int
    rescaler_lanes: int
    output_order: OutputOrder
    input_uses: int
    weight_uses: int
    reduction_lanes: int
    buffer: Buffer
    accumulators: Buffer | None
    source: str
    assumed: str

    def accelerator(self, memory: MemoryTable) -> Accelerator:
        """Returns the accelerator with buffers of a memory table."""
        return Accelerator(
            style=self.style,
            mac_lanes=self.mac_lanes,
            rescaler_lanes=self.rescaler_lanes,
            dataflow=self.dataflow(memory),
        )

    def dataflow(self, memory: MemoryTable) -> Dataflow:
        """Returns buffers and reuse, with the figures of a memory table."""
        return Dataflow(
            input_uses=self.input_uses,
            weight_uses=self.weight_uses,
            reduction_lanes=self.reduction_lanes,
            buffer=self.buffer,
            accumulators=self.accumulators,
            memory=memory,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBuffers:
    """Buffers and reuse of an accelerator that is no preset; the attributes are those of ``Buffer`` and ``Dataflow``.

    Attributes:
        input_uses: None for one output channel per rescaler lane.
        accumulator_kib: capacity of the memory of partial sums; None if they stay in registers.
    """

    buffer_kib: float | None = None
    word_bits: int = 64
    accumulator_kib: float | None = None
    input_uses: int | None = None
    weight_uses: int = 1

    def dataflow(self, memory: MemoryTable, mac_lanes: int, rescaler_lanes: int) -> Dataflow:
        """Returns buffers and reuse in an array: lanes that share an input belong to different output channels."""
        input_uses = self.input_uses or min(rescaler_lanes, mac_lanes)
        sums = self.accumulator_kib
        return Dataflow(
            input_uses=input_uses,
            weight_uses=self.weight_uses,
            reduction_lanes=max(mac_lanes // input_uses, 1),
            buffer=Buffer(kib=self.buffer_kib, word_bits=self.word_bits),
            accumulators=None if sums is None else Buffer(kib=sums, word_bits=self.word_bits),
            memory=memory,
        )


PRESETS: Final[Mapping[PresetName, Preset]] = {
    "nvdla_small": Preset(
        title="NVDLA-small-like",
        style="shared",
        mac_lanes=64,
        rescaler_lanes=1,
        output_order="channel_outermost",
        input_uses=8,
        weight_uses=16,
        reduction_lanes=8,
        buffer=Buffer(kib=128, word_bits=64),
        accumulators=None,
        source="nvdla/hw, spec/defs/nv_small.spec: MAC_ATOMIC_C_SIZE_8, MAC_ATOMIC_K_SIZE_8, SDP_BS_THROUGHPUT_1, "
        "CBUF_BANK_NUMBER_32, CBUF_BANK_WIDTH_8, CBUF_BANK_DEPTH_512; order: nvdla.org, Unit Description",
        assumed="a weight is held for 16 outputs (a stripe); partial sums stay in registers",
    ),
    "ethos_u55_256": Preset(
        title="Ethos-U55-256-like",
        style="shared",
        mac_lanes=256,
        rescaler_lanes=8,
        output_order="channel_innermost",
        input_uses=8,
        weight_uses=4,
        reduction_lanes=8,
        buffer=Buffer(kib=48, word_bits=128),
        accumulators=None,
        source="ethos-u-vela, architecture_features.py, Ethos_U55_256: 256 MACs, blocks of 2 x 2 x 8 outputs and of 8 "
        "inputs, 48 banks of SHRAM, 8 output elements a cycle",
        assumed="words of 128 bits; a weight is held for the 4 outputs of a block; weights are read from a "
        "buffer like inputs; partial sums stay in registers; channels innermost",
    ),
    "gemmini": Preset(
        title="Gemmini-like",
        style="shared",
        mac_lanes=256,
        rescaler_lanes=4,
        output_order="channel_innermost",
        input_uses=16,
        weight_uses=16,
        reduction_lanes=16,
        buffer=Buffer(kib=128, word_bits=128),
        accumulators=Buffer(kib=128, word_bits=512),
        source="ucb-bar/gemmini, Configs.scala of commit 0064b941, defaultConfig: mesh of 16 x 16, weight stationary, "
        "scratchpad of 128 KiB in 4 banks, accumulators of 128 KiB in 2 banks, 4 scale units",
        assumed="a weight is held for 16 outputs (one block of rows); channels innermost; a scale unit is an integer "
        "rescaler",
    ),
    "finn": Preset(
        title="FINN-like streaming",
        style="streaming",
        mac_lanes=128,
        rescaler_lanes=4,
        output_order="channel_innermost",
        input_uses=4,
        weight_uses=1,
        reduction_lanes=32,
        buffer=Buffer(kib=None, word_bits=36),
        accumulators=None,
        source="Xilinx/finn, end-to-end example CNV-w1a1, fifth layer of its folding: PE = 4, SIMD = 32; words as "
        "wide as a block RAM's",
        assumed="the same folding in every layer; all weights on chip; line buffers are not counted",
    ),
}
