"""The [hardware.accelerator] table: the published shape of an accelerator, or the buffers of one's own."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from pydantic import Field

from dse.study.values import MemoryTableName, Section
from hwmodels import PRESETS, OwnBuffers, Preset, PresetName

_OWN: Final = tuple(field.name for field in fields(OwnBuffers))


class AcceleratorSpec(Section):
    """Buffers of weights and activations around the MACs, and how often they are accessed.

    Costs of the buffers stand beside those of the accelerator; no objective contains them. A preset gives all of it,
    and style, lanes and mac_lanes too.
    """

    preset: PresetName | None = Field(None, description="shape of a published accelerator; none: the numbers below")
    memory: MemoryTableName = Field("cacti32", description="shipped memory table, or the path of a .toml one")
    buffer_kib: float | None = Field(
        None, gt=0, le=2**20, description="capacity of the buffer, KiB; none: what the weights take"
    )
    word_bits: int | None = Field(None, ge=1, le=2**16, description="width of a word, bits; none: 64")
    accumulator_kib: float | None = Field(
        None, gt=0, le=2**20, description="memory of partial sums, KiB; none: they stay in registers"
    )
    input_uses: int | None = Field(
        None, ge=1, le=2**20, description="output channels that a fetched input serves; none: one per rescaler lane"
    )
    weight_uses: int | None = Field(
        None, ge=1, le=2**20, description="outputs that a fetched weight serves before it is replaced; none: 1"
    )

    @property
    def shape(self) -> Preset | None:
        """The preset, if one is named."""
        return None if self.preset is None else PRESETS[self.preset]

    @property
    def own(self) -> Mapping[str, float | int]:
        """The numbers that are given in place of a preset's, by key."""
        return {key: value for key in _OWN if (value := getattr(self, key)) is not None}

    @property
    def buffers(self) -> OwnBuffers:
        """Buffers and reuse without a preset."""
        given: Any = self.own  # the keys are those of OwnBuffers
        return OwnBuffers(**given)


def of_preset(preset: Preset) -> dict[str, str | int]:
    """Returns the values of keys in [hardware] that a preset determines."""
    return {
        "style": preset.style,
        "lanes": preset.rescaler_lanes,
        "mac_lanes": preset.mac_lanes,
        "output_order": preset.output_order,
    }


def with_preset(hardware: object) -> object:
    """Returns the document of [hardware] with the keys that its preset determines, if they are left out."""
    if not isinstance(hardware, dict) or not isinstance(accelerator := hardware.get("accelerator"), dict):
        return hardware
    preset = next((shape for name, shape in PRESETS.items() if name == accelerator.get("preset")), None)
    return hardware if preset is None else {**of_preset(preset), **hardware}
