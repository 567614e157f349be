"""The study as a frozen, validated object; the descriptions of its keys make up docs/study-file.md."""

from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from dse.design import Finetune, metrics
from dse.study.accelerator import AcceleratorSpec, of_preset, with_preset
from dse.study.members import MemberSpec
from dse.study.search import Constraint, SearchSpec
from dse.study.values import (
    InputPath,
    Lanes,
    Section,
    Technology,
)
from hwmodels import OutputOrder, Style
from hwmodels.accelerator import NATURAL_ORDERS
from hwmodels.architectures import CALIBRATED_CHOICES, DEFAULT_CHOICE, Choice


class FidelitySpec(Section):
    """Evaluation levels, cheapest first: part of the validation split, all of it, short fine-tune, full fine-tune.

    This table sets the highest level and the conditions for promotion. In a study with calibration every level, the
    lowest one too, is that of the calibrated network.
    """

    finetune: Finetune = Field(Finetune.SHORT, description="highest level of fine-tuning in the study")
    part: float = Field(
        1.0, gt=0, le=1, description="share of the validation split for the first level; 1: no such level"
    )
    calibration: int = Field(
        0,
        ge=0,
        le=2**20,
        description="unlabelled samples that every narrowed network is calibrated with, as it would ship; 0: none",
    )
    epochs: int = Field(2, ge=1, le=100, description="epochs of the short fine-tune")
    full_epochs: int = Field(10, ge=1, le=1000, description="epochs of the full fine-tune")
    max_short: int | None = Field(None, ge=0, description="largest number of short fine-tunes, baselines not counted")
    max_full: int | None = Field(None, ge=0, description="largest number of full fine-tunes, baselines not counted")
    inherit: bool = Field(False, description="whether fine-tunes start from the most similar design already trained")
    promote_rank: int = Field(0, ge=0, description="largest non-dominated rank for promotion; 0: the current front")
    batch_size: int = Field(64, ge=1, description="samples per training step")
    learning_rate: float = Field(
        1e-3, gt=0, lt=1, description="step size of Adam, as a share of each channel's full scale"
    )
    slack_pp: float = Field(
        2.0,
        ge=0,
        description="accuracy drop (or disagreement) that is subtracted before a design is ranked, percentage points; "
        "of a divergence, the same share of the hypervolume's reference point",
    )


class RtlSpec(Section):
    """A Verilog rescaler of one lane, costed for each layer with the layer's parameters; ADDs take the shipped unit."""

    files: tuple[InputPath, ...] = Field(min_length=1, description="Verilog files, relative to the study file")
    top: str = Field(min_length=1, description="name of the rescaler's module")
    parameters: dict[str, int | str] = Field(
        {},
        description="per parameter of the module a number, or the layer's property: operand_bits, multiplier_bits, "
        "right_shift_min, right_shift_max, shift_bits, output_bits, constants, zero_point, q_min, q_max",
    )


class ClockSpec(Section):
    """A target clock. Rescalers get the shallowest pipelines that meet it; designs that miss it are infeasible."""

    mhz: float = Field(gt=0, le=1e5, description="frequency of the clock, MHz; the table must give delays")
    gating: bool = Field(
        True,
        description="whether a clock gate per lane stops the clock of rescalers that wait; else the clock pins of "
        "their flip-flops switch in every cycle",
    )


class HardwareSpec(Section):
    """The accelerator, its technology, and the source of its costs."""

    technology: Technology = Field("aladdin40", description="shipped technology table, or the path of a .toml one")
    cost_source: Literal["analytic", "rtl", "calibrated"] = Field(
        "analytic", description="cost model of the objectives; calibrated needs a table that dse calibrate made"
    )
    architecture: Choice = Field(
        DEFAULT_CHOICE,
        description="architecture of a rescaler: one rescale, one multiplier bit, or 1, 2 or 4 rescales per cycle",
    )
    rtl: RtlSpec | None = Field(None, description="your own Verilog rescaler, for cost_source = rtl")
    style: Style = Field("streaming", description="one rescaler per layer, or one bank for all")
    lanes: Lanes = Field(1, description="rescalers side by side in each layer, or in the shared bank")
    clock: ClockSpec | None = Field(
        None, description="target clock; none: single-cycle rescalers, and no energy of clocks that wait"
    )
    mac_lanes: int = Field(16, ge=1, le=2**20, description="MACs side by side in each layer, or in the shared array")
    output_order: OutputOrder | None = Field(
        None,
        description="order in which a lane rescales outputs: all channels of a position, or all positions of a "
        "channel; sets the switching activity behind energies, and how often parameters are read. If it is left out, "
        f"streaming style takes {NATURAL_ORDERS['streaming']}, shared {NATURAL_ORDERS['shared']}",
    )
    accelerator: AcceleratorSpec = AcceleratorSpec()

    @property
    def order(self) -> OutputOrder:
        """Order of outputs of the study: the one that the file gives, or that of its style."""
        return self.output_order or NATURAL_ORDERS[self.style]

    @model_validator(mode="after")
    def _is_of_the_preset(self) -> Self:
        preset = self.accelerator.shape
        if preset is None:
            return self
        if self.accelerator.own:
            key = next(iter(self.accelerator.own))
            raise ValueError(f"accelerator.{key} is given by preset = {self.accelerator.preset!r}; leave one out")
        for key, value in of_preset(preset).items():
            if (given := getattr(self, key)) != value:
                raise ValueError(
                    f"{key} = {given!r}, but accelerator.preset = {self.accelerator.preset!r} has {value!r}; "
                    "leave one out"
                )
        return self

    @model_validator(mode="after")
    def _is_modelled(self) -> Self:
        if self.rtl is not None and self.cost_source != "rtl":
            raise ValueError(f'rtl is given, but cost_source = {self.cost_source!r}; use cost_source = "rtl"')
        if self.architecture != DEFAULT_CHOICE and self.rtl is not None:
            raise ValueError(
                f"architecture = {self.architecture!r}, but rtl gives a rescaler of another; leave one out"
            )
        if self.architecture not in CALIBRATED_CHOICES and self.cost_source == "calibrated":
            raise ValueError(
                f"architecture = {self.architecture!r}, but only the {', '.join(CALIBRATED_CHOICES)} is calibrated; "
                'use cost_source = "analytic" or "rtl"'
            )
        return self


class ReportSpec(Section):
    """The claims of the report."""

    margin_pp: float = Field(
        1.0,
        gt=0,
        le=100,
        description="accuracy (without labels: agreement) that a design may lose, percentage points; the verdict "
        "keeps the margin with which the test split was first read",
    )


class WorkersSpec(Section):
    """The evaluators."""

    executor: Literal["ray", "serial"] = Field(
        "ray", description="evaluation by Ray actors, or in the driver's own process"
    )
    count: int = Field(2, ge=1, le=1024, description="number of Ray actors")
    gpus: float = Field(0, ge=0, le=1, description="share of a GPU for the training of every Ray actor")
    timeout_s: float = Field(600, gt=0, description="time after which an evaluation counts as failed, seconds")

    @model_validator(mode="after")
    def _gpus_are_rays(self) -> Self:
        if self.gpus and self.executor != "ray":
            raise ValueError(f'gpus = {self.gpus:g} is shared out by Ray, but executor = {self.executor!r}; use "ray"')
        return self


class SeedsSpec(Section):
    """Seeds of single uses of random numbers, in place of the study's one."""

    data: int | None = Field(None, ge=0, lt=2**31, description="seed of the splits")
    network: int | None = Field(None, ge=0, lt=2**31, description="seed of the training of a built-in topology")
    training: int | None = Field(None, ge=0, lt=2**31, description="seed of the order of samples in fine-tunes")
    search: int | None = Field(None, ge=0, lt=2**31, description="seed of what the sampler proposes")


class Study(Section):
    """A study: the networks with their data, what is searched, on which hardware, and how far designs are evaluated.

    A study of one network has one member without a name. In files it has the tables [network] and [data] instead of
    [[members]]; :func:`with_members` and the serializer translate between the two forms.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="name of the study and of its run folder")
    seed: int = Field(0, ge=0, lt=2**31, description="seed for all random choices that have none of their own")
    seeds: SeedsSpec = SeedsSpec()
    search: SearchSpec = SearchSpec()
    fidelity: FidelitySpec = FidelitySpec()
    hardware: HardwareSpec = HardwareSpec()
    report: ReportSpec = ReportSpec()
    workers: WorkersSpec = WorkersSpec()
    members: tuple[MemberSpec, ...] = Field(min_length=1, description="the networks")
    accuracy: Literal["worst", "mean"] = Field(
        "worst", description="accuracy drop of the study: the largest of its members, or their weighted mean"
    )

    @property
    def is_portfolio(self) -> bool:
        """Whether several named networks share the silicon."""
        return bool(self.members[0].name)

    @property
    def contract(self) -> str:
        """Rounding contract of the baselines; all members have the same."""
        return self.members[0].network.contract

    @model_validator(mode="after")
    def _splits_suffice(self) -> Self:
        for member in self.members:
            prefix = f"members.{member.name}." if member.name else ""
            if member.data.finetune == 0 and self.fidelity.finetune is not Finetune.NONE:
                raise ValueError(
                    f"{prefix}data.finetune = 0, but fidelity.finetune = {self.fidelity.finetune.value!r} trains; "
                    'give it a share, or use fidelity.finetune = "none"'
                )
            if member.data.finetune == 0 and member.network.topology is not None:
                raise ValueError(
                    f"{prefix}data.finetune = 0, but network.topology = {member.network.topology!r} is trained on that "
                    "split; give it a share"
                )
            if member.data.calibration == 0 and self.fidelity.calibration:
                raise ValueError(
                    f"fidelity.calibration = {self.fidelity.calibration} needs samples of its own; "
                    f"give {prefix}data.calibration = {self.fidelity.calibration}, or a share"
                )
        return self

    @model_validator(mode="after")
    def _clock_is_a_limit(self) -> Self:
        """Adds the clock's period to the constraints, which keep designs that miss it off the front."""
        if self.hardware.clock is not None:
            others = [each for each in self.search.constraints if each.metric != metrics.PERIOD.name]
            own = [each.at_most for each in self.search.constraints if each.metric == metrics.PERIOD.name]
            limit = min([1000.0 / self.hardware.clock.mhz, *own])
            limits = (*others, Constraint(metric=metrics.PERIOD.name, at_most=limit))
            object.__setattr__(self, "search", self.search.model_copy(update={"constraints": limits}))
        return self

    @model_validator(mode="after")
    def _preset_is_kept(self) -> Self:
        preset, search = self.hardware.accelerator.preset, self.search
        for key, varies in (("styles", search.styles), ("lanes", search.lanes)):
            if preset is not None and varies:
                raise ValueError(
                    f"search.{key} = {list(varies)}, but hardware.accelerator.preset = {preset!r} is one shape; "
                    "leave one out"
                )
        return self

    @model_validator(mode="after")
    def _clock_is_given(self) -> Self:
        if self.hardware.clock is None and metrics.LATENCY_NS.name in self.search.figures:
            raise ValueError(f"{metrics.LATENCY_NS.name} needs a clock; give hardware.clock.mhz")
        return self

    @model_validator(mode="after")
    def _metrics_are_given(self) -> Self:
        for member in self.members:
            if member.data.metric is None and metrics.METRIC_LOSS.name in self.search.figures:
                prefix = f"members.{member.name}." if member.name else ""
                raise ValueError(f"{metrics.METRIC_LOSS.name} is of a metric; give {prefix}data.metric")
        return self

    @model_validator(mode="after")
    def _losses_are_defined(self) -> Self:
        if self.members[0].network.outputs == "classes":
            return self
        undefined = {metrics.DROP.name, metrics.DISAGREEMENT.name} & self.search.figures
        if undefined:
            raise ValueError(
                f'network.outputs = "values" have no {min(undefined)}; use {metrics.DIVERGENCE.name} in its place, or '
                f"{metrics.METRIC_LOSS.name} and a data.metric"
            )
        if self.fidelity.finetune is not Finetune.NONE:
            raise ValueError(
                f'network.outputs = "values" have no labels to train with, but fidelity.finetune = '
                f'{self.fidelity.finetune.value!r}; use "none"'
            )
        return self

    @model_validator(mode="after")
    def _members_fit(self) -> Self:
        names = [member.name for member in self.members]
        if names == [""]:
            if "accuracy" in self.model_fields_set:
                raise ValueError(f"accuracy = {self.accuracy!r} is for several networks; leave it out")
            return self
        if len(names) < 2:
            raise ValueError("members: give at least 2 networks, or [network] and [data] for a study of one")
        if not all(names):
            raise ValueError("members: every network needs a name of at least one character")
        if len(set(names)) < len(names):
            raise ValueError(f"members = [{', '.join(names)}] names a network twice")
        if len({member.network.outputs for member in self.members}) > 1:
            raise ValueError("members: classes and values have no common loss; give every member the same outputs")
        if len({member.network.contract for member in self.members}) > 1:
            raise ValueError("members: one bank of rescalers rounds one way; give every member the same contract")
        if self.hardware.style != "shared" or self.search.styles:
            raise ValueError('several networks share one bank of rescalers; use hardware.style = "shared"')
        return self

    @model_serializer(mode="wrap")
    def _as_in_the_file(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        if self.is_portfolio:
            return document
        (member,) = document.pop("members")
        del document["accuracy"]
        return {**document, **{table: member[table] for table in _TABLES_OF_ONE}}

    def seed_of(self, use: Literal["data", "network", "training", "search"]) -> int:
        """Returns the seed of a use of random numbers."""
        own: int | None = getattr(self.seeds, use)
        return self.seed if own is None else own

    def without_own_code(self) -> Self:
        """Returns the study without metrics that are functions: one that is read from a run folder may name any."""
        members = tuple(
            each.model_copy(update={"data": each.data.model_copy(update={"metric": None, "metric_kind": None})})
            if ":" in (each.data.metric or "")
            else each
            for each in self.members
        )
        return self.model_copy(update={"members": members})

    def identity(self) -> dict[str, Any]:
        """Returns what makes two runs the same study: everything but the number of trials, workers and the report.

        Paths are left out: what files hold is compared, not where they lie.
        """
        paths = {"network": {"model"}, "data": {"samples"}}
        left_out: Any = {
            "workers": True,
            "report": True,
            "search": {"trials"},
            "members": {"__all__": paths},
            "hardware": {"rtl": {"files"}},
        }
        document = self.model_dump(mode="json", exclude=left_out)
        if self.hardware.technology.endswith(".toml"):
            document["hardware"]["technology"] = "a table of the user's own"
        if self.hardware.accelerator.memory.endswith(".toml"):
            document["hardware"]["accelerator"]["memory"] = "a table of the user's own"
        return document

    def to_toml(self) -> str:
        """Returns the study as the text of a study file; reading it gives an equal object."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


_TABLES_OF_ONE = ("network", "data")


def with_members(document: Any) -> Any:  # noqa: ANN401 -- validation rejects whatever is no study
    """Returns the document of a study with [[members]]: [network] and [data] become one member without a name."""
    if not isinstance(document, dict) or "members" in document:
        return document
    member = {"name": "", **{table: document[table] for table in _TABLES_OF_ONE if table in document}}
    rest = {key: value for key, value in document.items() if key not in _TABLES_OF_ONE}
    return {**rest, "members": [member]}


def written_out(document: Any) -> Any:  # noqa: ANN401 -- validation rejects whatever is no study
    """Returns the document of a study with [[members]], and with the keys that a preset of its hardware determines.

    This is no validator of [hardware]: after one, strict validation takes JSON's arrays for no tuples.
    """
    members = with_members(document)
    if not isinstance(members, dict) or "hardware" not in members:
        return members
    return {**members, "hardware": with_preset(members["hardware"])}


StudyDocument = Annotated[Study, BeforeValidator(written_out)]
"""The study as a field of another model, read from either form of the study file."""
