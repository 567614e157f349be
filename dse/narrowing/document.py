"""What narrowing one model says: for people and, as JSON, for programs."""

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from dse import formats, html

if TYPE_CHECKING:  # imported where it is used: the command prints no data frame
    import pandas as pd

VERSION = 2


class Estimate(NamedTuple):
    """A figure with the ends of its 95% interval."""

    value: float
    low: float
    high: float


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LayerDocument(_Part):
    """What became of one rescaler and of the weights before it; an ADD or MUL has no weights."""

    name: str = Field(description="name of the operator: kind, and position in the file")
    multiplier_bits: int = Field(description="k, width of the multiplier; 1 is a pure shift")
    method: str = Field(description="round or absorb")
    channels: int = Field(description="sets of rescaler constants")
    first_shift: int = Field(description="smallest right shift of the channels whose output varies, in bits: wiring")
    last_shift: int = Field(description="largest right shift of these channels, in bits")
    moved_channels: int = Field(description="channels whose scale is neither neighbour of the natural one")
    weights: int = Field(description="number of weights")
    weights_changed: int = Field(description="weights whose integers differ from the original file's")
    largest_weight_change: float = Field(description="largest change of a real weight, in steps of int32's weights")
    largest_bias_change: float = Field(description="largest change of a real bias, in steps (LSB) of the output")
    folded: bool = Field(description="whether rounding constant and zero point move into the bias of the hardware")
    area_um2: float | None = Field(description="area of the rescaler with its parameter memory; null if unknown")
    int32_area_um2: float | None = Field(description="the same of int32")
    energy_nj: float | None = Field(description="energy of its rescales in one inference; null if unknown")
    int32_energy_nj: float | None = Field(description="the same of int32")


class ScoreDocument(_Part):
    """Outputs compared with int32's; estimates are [value, low, high], a 95% interval."""

    samples: int = Field(description="number of samples, none of which calibration saw")
    accuracy_percent: float | None = Field(description="null without labels")
    drop_pp: Estimate | None = Field(description="accuracy of int32 less that of the design; Tango's paired interval")
    agreement_percent: Estimate | None = Field(
        description="samples with the same largest output; Wilson's interval; null if the outputs are no classes"
    )
    output_error: Estimate = Field(
        description="mean squared error of the outputs before any softmax, as a share of the variance of int32's; "
        "bootstrap interval"
    )


class SamplesDocument(_Part):
    """Where the samples come from."""

    source: Literal["data", "synthetic"] = Field(description="data, or synthetic: noise")
    calibration: int = Field(description="samples that calibration used, without labels; 0 if there was none")
    test: int = Field(description="other samples, on which outputs are compared")
    labelled: bool = Field(description="whether there are accuracies")


class ShareDocument(_Part):
    """Share of the rescalers in an accelerator, from 0 to 1; null if it is not known."""

    int32: float | None = Field(description="share of int32's rescalers in MACs, rescalers and parameter memory")
    design: float | None = Field(description="share of the design's rescalers in them")
    int32_with_buffers: float | None = Field(description="int32's share if buffers of weights and activations count")
    design_with_buffers: float | None = Field(description="the design's share if these buffers count")


class CostDocument(_Part):
    """Cost of all rescalers, each built for its layer (streaming), one lane."""

    model: str = Field(description="name of the cost model")
    technology: str = Field(description="name of its technology table")
    output_order: str | None = Field(
        description="order of outputs of the energies; null if the table has one energy for both orders"
    )
    area_um2: float | None = Field(description="area with parameter memories; null if unknown")
    int32_area_um2: float | None = Field(description="the same of int32")
    area_ratio: float | None = Field(description="int32's area divided by the design's")
    int16_area_um2: float | None = Field(description="area of rescalers with 16-bit multipliers, otherwise as int32's")
    energy_nj: float | None = Field(description="energy of one inference; null if unknown")
    int32_energy_nj: float | None = Field(description="the same of int32")
    energy_ratio: float | None = Field(description="int32's energy divided by the design's")
    int16_energy_nj: float | None = Field(description="energy of rescalers with 16-bit multipliers")
    accelerator: str = Field(description="the accelerator that the shares are of")
    area_share: ShareDocument = Field(description="share of the rescalers in its area")
    energy_share: ShareDocument = Field(description="share of the rescalers in its energy of one inference")


class FileDocument(_Part):
    """The written file, read again and compared with the design."""

    path: str = Field(description="path of the file")
    sha256: str = Field(description="SHA-256 of its bytes, hexadecimal")
    resolver: str = Field(description="the kernels, of LiteRT or ONNX Runtime, that the comparison is about")
    samples: int = Field(description="inputs of the comparison")
    outputs_differing: float = Field(description="share of output integers that differ between runtime and design")
    agreement: float | None = Field(
        description="share of samples with the same largest output; null if the outputs are no classes"
    )
    ties: int = Field(
        description="differences, operator by operator on equal inputs, of ties that are rounded otherwise"
    )
    double_roundings: int = Field(description="differences of a runtime that rounds more than once")
    scale_errors: int = Field(description="differences of multipliers that the runtime derives from float32 scales")
    unexplained: int = Field(description="differences of any other cause; 0 unless something is wrong")
    litert_as_predicted: bool | None = Field(
        description="whether LiteRT (ONNX Runtime of .onnx) gives every predicted integer; null if it does not run"
    )
    litert_refused: str | None = Field(description="why the runtime does not run the file; null if it does")

    @property
    def sound(self) -> bool:
        """Whether every difference is explained and LiteRT gives the predicted integers."""
        return self.unexplained == 0 and self.litert_as_predicted is not False


class TosaFileDocument(_Part):
    """The written .tosa file, whose every output integer is the design's."""

    path: str = Field(description="path of the file")
    sha256: str = Field(description="SHA-256 of its bytes, hexadecimal")
    samples: int = Field(description="inputs on which every output integer of file and design was equal")
    reference_samples: int = Field(
        description="those of them that the TOSA reference model ran as well; 0 if it is not installed"
    )

    @property
    def sound(self) -> bool:
        """Whether the file is the design: one that is not is not written."""
        return True


class NarrowDocument(_Part):
    """One model, narrowed."""

    version: int = Field(VERSION, description="version of this document; it changes if the meaning of a key does")
    model: str = Field(description="path of the original file")
    network_sha256: str = Field(description="fingerprint of the narrowed integers")
    multiplier_bits: int = Field(description="k, width of every multiplier")
    shift_bits: int | None = Field(description="width of every layer's shift, in bits; null for natural shifts")
    method: str = Field(description="absorb or round")
    contract: str = Field(description="rounding contract of the hardware")
    seed: int = Field(description="seed of the choice of samples")
    samples: SamplesDocument = Field(description="where the samples come from")
    int32_accuracy_percent: float | None = Field(description="null without labels")
    uncalibrated: ScoreDocument | None = Field(description="the design before calibration; null if there is none")
    design: ScoreDocument = Field(description="the design as written")
    layers: tuple[LayerDocument, ...] = Field(description="in order of execution")
    cost: CostDocument = Field(description="cost of all rescalers")
    file: FileDocument | TosaFileDocument = Field(description="the written file")
    notes: tuple[str, ...] = Field(description="what a reader has to know of the figures")

    @property
    def table(self) -> "pd.DataFrame":
        """The layers: a row for each rescaler, a column for each field of :class:`LayerDocument`."""
        import pandas as pd

        return pd.DataFrame([layer.model_dump() for layer in self.layers], columns=list(LayerDocument.model_fields))

    def _repr_html_(self) -> str:
        """Returns the layers and what became of outputs and costs, for a notebook."""
        headings = ("layer", "k", "right shifts", "weights changed", "area µm²", "int32's µm²")
        rows = [_cells(layer) for layer in self.layers]
        return html.table(self.model, headings, rows) + html.paragraphs([*self._sentences(), *self.notes])

    def _sentences(self) -> list[str]:
        score, cost = self.design, self.cost
        drop = "" if score.drop_pp is None else f"Accuracy drop against int32: {_in_words(score.drop_pp, 1.0)} pp. "
        agreement = (
            ""
            if score.agreement_percent is None
            else f"Same largest output: {_in_words(score.agreement_percent, 1.0)}%. "
        )
        error = f"Error of the outputs: {_in_words(score.output_error, 100.0)}% of int32's variance."
        return [
            f"{drop}{agreement}{error} {score.samples:,} {self.samples.source} samples, 95% intervals.",
            f"Area of all rescalers: {formats.area(cost.area_um2)}, int32's {formats.area(cost.int32_area_um2)}; "
            f"energy of one inference: {formats.energy(cost.energy_nj)}, "
            f"int32's {formats.energy(cost.int32_energy_nj)} ({cost.model} model, {cost.technology}).",
            f"Written: {self.file.path}",
        ]


def _in_words(estimate: Estimate, scale: float) -> str:
    value, low, high = (scale * each for each in estimate)
    return f"{formats.signed(value)} {formats.interval(low, high)}"


def _cells(layer: LayerDocument) -> tuple[str, ...]:
    return (
        layer.name,
        str(layer.multiplier_bits),
        formats.span(layer.first_shift, layer.last_shift, lambda shift: f"{shift:.0f}"),
        formats.percent(layer.weights_changed / layer.weights, 0) if layer.weights else "",
        formats.number(layer.area_um2),
        formats.number(layer.int32_area_um2),
    )
