"""Workloads: what a layer needs of its rescaler. The cost models know nothing else about a network."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RescaleStage:
    """One multiply and rounding right shift, sized by the intervals that a certificate proves.

    Attributes:
        operand_bits: width in bits of the signed operand that enters the multiplier.
        multiplier_bits: width ``k`` in bits of the unsigned, normalised multiplier; 1 is a pure shift.
        right_shift_min: smallest right shift of any channel, in bits (negative: a left shift).
        right_shift_max: largest right shift of any channel, in bits.
        multiplier: the multiplier itself, if hardware may be built for this one value; None if it is stored.
    """

    operand_bits: int
    multiplier_bits: int
    right_shift_min: int
    right_shift_max: int
    multiplier: int | None = None

    def __post_init__(self) -> None:
        if self.operand_bits < 1 or self.multiplier_bits < 1:
            raise ValueError(f"a rescale stage needs widths of at least 1 bit, got {self}")
        if self.right_shift_min > self.right_shift_max:
            raise ValueError(f"right_shift_min exceeds right_shift_max in {self}")

    @property
    def shift_bits(self) -> int:
        """Width in bits of the variable part of the shift; the smallest shift is wiring."""
        return (self.right_shift_max - self.right_shift_min).bit_length()

    @property
    def stored_bits(self) -> int:
        """Bits of parameters that a channel stores."""
        return (self.multiplier_bits - 1 if self.multiplier is None else 0) + self.shift_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputConstants:
    """Constants of a rescaler that is built for one layer; a unit without them reads them from ports.

    Attributes:
        zero_point: zero point of the output.
        q_min: smallest output integer.
        q_max: largest output integer.
        input_zero_points: zero points of an ADD's inputs, the scaled input first; empty otherwise.
    """

    zero_point: int
    q_min: int
    q_max: int
    input_zero_points: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Registers between the operand of a rescaler and its output register; by default there are none.

    Attributes:
        input_product: stages of an ADD's input product (see ``product``).
        input_sum: registers behind the sum of an ADD's inputs, 0 or 1.
        product: stages of the product: the multiplier is cut into as many slices, each with a register behind it.
        shift: registers behind the shifter, 0 or 1.
        sum: registers behind the adder of rounding and zero point, 0 or 1.
    """

    input_product: int = 0
    input_sum: int = 0
    product: int = 0
    shift: int = 0
    sum: int = 0

    @property
    def depth(self) -> int:
        """Clock cycles that they add to the latency of a rescale."""
        return self.input_product + self.input_sum + self.product + self.shift + self.sum


@dataclass(frozen=True, slots=True, kw_only=True)
class RescalerWorkload:
    """One layer's rescaler and the work it does in one inference.

    Attributes:
        name: the rescaler's name, as in the network.
        stages: multiply-and-shift stages in data order. A convolution or fully connected layer has one. An
            elementwise ADD has two: the input that is not an exact halving (9-bit operand) and the output (the sum).
        output_bits: width in bits of the clamped output.
        channels: sets of per-channel parameters (multiplier, shift) and biases held for the layer.
        rescales_per_inference: output elements of one inference.
        macs_per_inference: multiply-accumulates of the layer in one inference (0 for an ADD).
        weight_bits: width in bits of the layer's weights (0 if it has none).
        activation_bits: width in bits of the layer's input activations.
        contract: rounding contract that the rescaler has to obey, by name.
        left_shift: bits by which an ADD shifts both inputs to the left, by wiring.
        output: constants that a unit of this layer alone may be built for; None if they have to be programmable.
        folded: whether the accumulator already holds the rounding constant and the zero point (``nets.narrow`` proves
            that this is exact, and sizes ``operand_bits`` for it), so that a shift and a clamp are left.
        unfolded_bits: ``operand_bits`` of the last stage if it were not folded; None if they are the same.
        weights: weights that the layer stores.
        uses_of_input: output channels that every input element is multiplied for; 1 in a depthwise convolution.
        uses_of_weight: outputs of one inference that every weight is multiplied for; 1 in a fully connected layer.
        inferences: inferences whose rescales and multiply-accumulates are counted, more than one in a mix of networks.
        pipeline: registers of the unit that serves it, which depend on the clock and on the technology.
    """

    name: str
    stages: tuple[RescaleStage, ...]
    output_bits: int
    channels: int
    rescales_per_inference: int
    macs_per_inference: int
    weight_bits: int
    activation_bits: int
    contract: str = "half_up"
    left_shift: int = 20
    output: OutputConstants | None = None
    folded: bool = False
    unfolded_bits: int | None = None
    weights: int = 0
    uses_of_input: int = 1
    uses_of_weight: int = 1
    inferences: int = 1
    pipeline: Pipeline = Pipeline()

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError(f"rescaler {self.name!r} has no stage")
        if self.channels < 1 or self.output_bits < 1:
            raise ValueError(f"rescaler {self.name!r} needs at least one channel and one output bit, got {self}")

    @property
    def multiplier_bits(self) -> int:
        """Width of the widest multiplier of the stages, in bits."""
        return max(stage.multiplier_bits for stage in self.stages)

    @property
    def parameter_bits(self) -> int:
        """Bits of parameters that each channel stores for the rescaler.

        k - 1 bits of every multiplier that is no constant, its leading one being implied, and the variable part of its
        shift.
        """
        return sum(stage.stored_bits for stage in self.stages)

    @property
    def bias_bits(self) -> int:
        """Bits of the bias that each channel stores, whatever rescaler follows: those of the accumulator, if any."""
        return self.stages[0].operand_bits if self.macs_per_inference else 0
