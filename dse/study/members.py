"""The tables of the study file about its networks and their data."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dse.study.values import SHIPPED_METRICS, InputPath, Section
from nets.network import CONTRACTS


class NetworkSpec(Section):
    """The network: a model file, or a built-in topology, trained from the study's seed."""

    model: InputPath | None = Field(
        None, description="quantized .tflite, .onnx or .tosa file, relative to the study file"
    )
    topology: Literal["digits_cnn", "characters_cnn"] | None = Field(
        None, description="built-in network, trained in float from the seed"
    )
    cut: tuple[str | Annotated[int, Field(ge=0)], ...] = Field(
        (),
        description="names (of .tflite also indices) of the model's tensors at which the network ends; none: at its "
        "logits",
    )
    weight_bits: int = Field(8, ge=3, le=8, description="width in bits of every layer's weights")
    contract: str = Field("half_up", description="rounding contract of every rescaler")
    outputs: Literal["classes", "values"] = Field(
        "classes",
        description="what the network's outputs are: logits of classes, or values (of a detector or an autoencoder), "
        "which have a divergence from int32 but no accuracy",
    )

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        if (self.model is None) == (self.topology is None):
            raise ValueError("give either model (a file) or topology, not both and not neither")
        if self.cut and self.model is None:
            raise ValueError(f"cut = {list(self.cut)} cuts a model, but topology is given; leave cut out")
        if self.contract not in CONTRACTS:
            raise ValueError(f"contract = {self.contract!r} is unknown; use one of {', '.join(CONTRACTS)}")
        return self


class DataSpec(Section):
    """The samples and their split into seeded, disjoint parts, stratified if the classes have enough samples."""

    dataset: Literal["digits", "printed_characters"] | None = Field(
        None,
        description="the digit images that come with scikit-learn, or images of printed characters, drawn from fonts",
    )
    samples: InputPath | None = Field(
        None, description=".npz with x and y, or x_train, y_train, x_test and y_test; relative to the study file"
    )
    input_offset: int = Field(0, ge=-128, le=128, description="number added to the stored integers to give int8 inputs")
    finetune: float = Field(
        0.3, ge=0, lt=1, description='share of the samples for fine-tuning; 0 only if fidelity.finetune = "none"'
    )
    validation: float = Field(0.3, gt=0, lt=1, description="share of the samples for the accuracy during the search")
    test: float = Field(0.4, ge=0, lt=1, description="held-back share; 0 if the file has a test part of its own")
    metric: str | None = Field(
        None,
        pattern=rf"^({'|'.join(SHIPPED_METRICS)}|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$",
        description="what outputs are worth, for val_metric_loss: squared_error (against target in the samples), "
        "reconstruction_error (against the inputs), anomaly_auc (of the reconstruction error; y is 1 for anomalies), "
        "or your own package.module:function of (outputs, inputs, targets)",
    )
    metric_kind: Literal["score", "error"] | None = Field(
        None, description="of your own metric: whether more of it is better (score, the default) or less (error)"
    )
    calibration: float = Field(
        0,
        ge=0,
        description="samples for calibration, whose labels nothing uses: a number, or a share below 1; they are taken "
        "first, and the other shares are of what is left",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.dataset is None) == (self.samples is None):
            raise ValueError("give either dataset or samples (an .npz file), not both and not neither")
        if self.metric_kind is not None and (self.metric is None or self.metric in SHIPPED_METRICS):
            raise ValueError(f"metric_kind = {self.metric_kind!r} is for a metric of your own; leave it out")
        if abs(self.finetune + self.validation + self.test - 1) > 1e-6:
            raise ValueError(
                f"finetune + validation + test must be 1, got {self.finetune} + {self.validation} + {self.test}"
            )
        if self.calibration > 1 and self.calibration != int(self.calibration):
            raise ValueError(f"calibration = {self.calibration:g}: give a whole number of samples, or a share below 1")
        return self


class MemberSpec(Section):
    """One of several networks that share the same silicon, with its data."""

    name: str = Field(
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*)?$", description="prefix of the names of this network's rescalers"
    )
    weight: float = Field(1.0, gt=0, le=1e6, description='share in the mean drop, if accuracy = "mean"')
    inferences: int = Field(
        1, ge=1, le=10**6, description="number of its inferences in the mix; energy and time are those of the mix"
    )
    network: NetworkSpec = Field(description="the [members.network] table: model or topology")
    data: DataSpec = Field(description="the [members.data] table: dataset or samples, and their split")
