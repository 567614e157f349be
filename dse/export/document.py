"""design.json: one design for programs, with its schema."""

from pydantic import BaseModel, ConfigDict, Field

from dse.export.interface import Interface
from dse.export.units import Unit


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageDocument(_Part):
    """One multiply-and-shift."""

    multiplier_bits: int = Field(description="k, width of the unsigned, normalised multiplier; 1 is a pure shift")
    multiplier: tuple[int, ...] = Field(description="per channel, 2**(k-1) <= m < 2**k")
    right_shift: tuple[int, ...] = Field(description="per channel, bits; negative is a left shift")


class InputDocument(_Part):
    """One input of an ADD."""

    position: int = Field(description="which of the operator's inputs it is")
    zero_point: int = Field(description="zero point of the stored integer, complemented if that is")
    complemented: bool = Field(description="whether its bits are inverted: a SUB is an ADD of the complement")
    left_shift: int | None = Field(description="bits by which a folded ADD shifts it, by wiring")


class RescalerDocument(_Part):
    """One rescaler with its constants."""

    name: str = Field(description="name of the operator in the network")
    module: str = Field(description="Verilog module, in rtl/<module>.v")
    layer: int | None = Field(description="its number in a shared bank; null in a unit of its own")
    first_word: int | None = Field(
        description="number of the word of its first channel in the memory of a shared bank; null without one"
    )
    method: str = Field(description="round or absorb")
    stages: tuple[StageDocument, ...] = Field(description="in data order; an ADD has two")
    folded: bool = Field(description="q = clamp(acc >> right_shift), rounding constant and zero point in the offset")
    unfolded_because: str = Field(description="why it is not folded; empty if it is")
    bias: tuple[int, ...] | None = Field(description="per channel, where the accumulator starts")
    offset: tuple[int, ...] = Field(
        description="per channel, what hardware adds to the network's bias, or a folded ADD to its shifted inputs"
    )
    inputs: tuple[InputDocument, ...] = Field(description="inputs of an ADD, in the order of its ports; else empty")
    channels: int = Field(description="sets of constants; of a layer with weights, of its channels whose output varies")
    live_channels: tuple[int, ...] | None = Field(
        description="output channels that these are, in order; hardware computes no others, whose output is constant; "
        "null if one set serves all"
    )
    operand_bits: int = Field(description="width of the accumulator, or of each input of an ADD")
    zero_point: int
    q_min: int
    q_max: int
    saturates: bool = Field(description="whether q_min and q_max are the ends of the type")
    parameters: dict[str, int] = Field(description="parameters of the instantiated module")
    memory: str | None = Field(description="parameters of all channels, in Verilog")
    memory_fields: tuple[tuple[str, int], ...] = Field(description="fields of a word and their bits, highest first")


class InterfaceDocument(_Part):
    """How the units are driven."""

    handshake: str = Field(description="none, enable, valid or valid_ready")
    reset: str = Field(description="none, sync or async, and _low if it is active low")
    parameters: str = Field(description="rom, or load: a memory with a write port")


class AccuracyDocument(_Part):
    """Accuracy in percent, drops in percentage points against int32 (Q31), none without labels; and other losses.

    Disagreements are in percentage points, none if the outputs are no classes; divergences as in the study; losses of
    the study's metric in percent of int32's, none without a metric. Those on test have 95% intervals.
    """

    fidelity: str
    val_accuracy: float | None
    val_accuracy_drop_pp: float | None
    test_accuracy_drop_pp: float | None
    ci_low: float | None
    ci_high: float | None
    val_disagreement_pp: float | None
    val_divergence: float | None
    val_metric_loss: float | None
    test_disagreement_pp: float | None
    test_disagreement_low: float | None
    test_disagreement_high: float | None
    test_divergence: float | None
    test_divergence_low: float | None
    test_divergence_high: float | None
    test_metric_loss: float | None
    test_metric_loss_low: float | None
    test_metric_loss_high: float | None


class CostDocument(_Part):
    """Cost of all rescalers by the study's own cost source."""

    model: str
    technology: str
    rescaler_area_um2: float
    rescaler_energy_nj: float = Field(description="energy of one inference")
    accelerator: str = Field(description="the accelerator that the shares are of")
    area_shares: str = Field(description="part of its area that the rescalers are, int32's to the design's, in words")
    energy_shares: str = Field(description="the same of its energy; empty if it is not known")


class ResidualDocument(_Part):
    """Numbers of outputs in which one operator of a .tflite file differs from the design on equal inputs, by cause."""

    operator: str = Field(description="kind, and position in the file")
    elements: int
    differences: int
    ties: int
    double_roundings: int
    scale_errors: int
    unexplained: int = Field(description="0 unless something is wrong")
    largest: int = Field(description="largest difference, in LSB")


class TfliteDocument(_Part):
    """The design as a model file for one LiteRT resolver, or for ONNX Runtime, compared with its own integers."""

    resolver: str
    file: str | None = None
    sha256: str | None = None
    refused: str | None = Field(None, description="why no file could be written")
    samples: int = Field(0, description="inputs on which file and design are compared end to end")
    explained_samples: int = Field(0, description="those of them on which every difference is explained")
    outputs_differing: float | None = Field(None, description="share of output integers that differ end to end")
    agreement: float | None = Field(
        None, description="share of samples with the same largest output; null if the outputs are no classes"
    )
    agreement_low: float | None = Field(None, description="lower end of its 95% interval")
    agreement_high: float | None = Field(None, description="upper end of its 95% interval")
    explained: bool | None = Field(None, description="whether the cause of every difference is known")
    litert_equals_prediction: bool | None = Field(
        None, description="whether the runtime running the file does what was predicted; null if it does not run"
    )
    operators: tuple[ResidualDocument, ...] = ()


class TosaDocument(_Part):
    """The design as a .tosa file, whose every output integer is the design's."""

    file: str | None = None
    sha256: str | None = None
    refused: str | None = Field(None, description="what of the design TOSA cannot state")
    samples: int = Field(0, description="inputs on which every output integer of file and design was equal")
    reference_samples: int = Field(
        0, description="those of them that the TOSA reference model ran as well; 0 if it is not installed"
    )


class DesignDocument(_Part):
    """One design of a study, as exported."""

    study: str
    trial: int
    member: str = Field("", description="name of the network in a portfolio; costs are those of the whole portfolio")
    network: str
    network_sha256: str = Field(description="fingerprint of the exported integers")
    contract: str
    weight_bits: dict[str, int] = Field(description="width in bits of every layer's weights")
    finetune: str
    accuracy: AccuracyDocument
    cost: CostDocument
    interface: InterfaceDocument
    rescalers: tuple[RescalerDocument, ...]
    tflite: tuple[TfliteDocument, ...] = Field(
        description="one for each LiteRT resolver, and one for ONNX Runtime if the model is an .onnx file"
    )
    tosa: TosaDocument
    files: dict[str, str] = Field(description="SHA-256 of every other file by its path")


def rescaler_document(unit: Unit, serving: Unit, interface: Interface) -> RescalerDocument:
    """Returns the document of one rescaler and of the unit that serves it: its own, or a shared bank."""
    number = serving.layers.index(unit) if serving.layers else None
    return RescalerDocument(
        name=unit.name,
        module=f"unit_{serving.identifier}",
        layer=number,
        first_word=None if number is None or not serving.fields else serving.first_words[number],
        method=unit.method,
        stages=tuple(
            StageDocument(
                multiplier_bits=stage.multiplier_bits,
                multiplier=tuple(stage.multiplier.tolist()),
                right_shift=tuple(stage.right_shift.tolist()),
            )
            for stage in unit.stages
        ),
        folded=unit.folded,
        unfolded_because=unit.constants.unfolded_because,
        bias=None if unit.bias is None else tuple(unit.bias.tolist()),
        offset=tuple(unit.constants.offset.tolist()),
        inputs=_inputs(unit),
        channels=unit.channels,
        live_channels=None if unit.constants.live is None else tuple(unit.constants.live.tolist()),
        operand_bits=unit.operand_bits,
        zero_point=unit.zero_point,
        q_min=unit.q_min,
        q_max=unit.q_max,
        saturates=unit.constants.saturates,
        parameters=interface.core_parameters(serving),
        memory=f"rtl/parameters_{serving.identifier}.v" if serving.fields else None,
        memory_fields=serving.fields,
    )


def _inputs(unit: Unit) -> tuple[InputDocument, ...]:
    if not unit.is_add:
        return ()
    left_shifts = unit.left_shifts if unit.folded else (None, None)
    return tuple(
        InputDocument(
            position=each.position,
            zero_point=each.zero_point,
            complemented=each.complemented,
            left_shift=left_shift,
        )
        for each, left_shift in zip(unit.constants.inputs, left_shifts, strict=True)
    )
