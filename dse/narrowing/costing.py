"""What the rescalers of a narrowed model cost, beside int32 and int16, and their share of an accelerator."""

from dse.narrowing.document import CostDocument, ShareDocument
from hwmodels import (
    PRESETS,
    Accelerator,
    AcceleratorCost,
    AnalyticRescalerModel,
    NetworkCost,
    OwnBuffers,
    PresetName,
    RescalerWorkload,
    accelerator_cost,
    load_memory,
    load_technology,
    network_cost,
)
from hwmodels.accelerator import NATURAL_ORDERS

MAC_LANES = 16  # of each layer without a preset, as in studies
_MEMORY = "cacti32"
_Workloads = tuple[RescalerWorkload, ...]


class Costing:
    """Costs of rescalers that are each built for their own layer, by closed formulas on one technology table.

    Args:
        technology: name of a shipped table, or path of one.
        preset: shape of the accelerator for the rescalers' shares; None for 16 MACs a rescaler in every layer.
        output_order: order in which a lane rescales outputs; None for that of the preset, or of such layers.

    Raises:
        HardwareError: the table cannot be used, or there is no such order.
    """

    def __init__(self, technology: str, preset: PresetName | None = None, output_order: str | None = None) -> None:
        natural = NATURAL_ORDERS["streaming"] if preset is None else PRESETS[preset].output_order
        self._model = AnalyticRescalerModel(load_technology(technology).in_order(output_order or natural))
        memory = load_memory(_MEMORY)
        own = Accelerator(
            style="streaming",
            mac_lanes=MAC_LANES,
            rescaler_lanes=1,
            dataflow=OwnBuffers().dataflow(memory, MAC_LANES, 1),
        )
        self._accelerator = own if preset is None else PRESETS[preset].accelerator(memory)
        self._title = f"{MAC_LANES} MACs to 1 rescaler in each layer" if preset is None else PRESETS[preset].title

    def of(self, workloads: _Workloads) -> NetworkCost:
        """Returns the cost of these rescalers, one lane each.

        Raises:
            HardwareError: one of them cannot be built.
        """
        return network_cost(workloads, self._model, style="streaming", lanes=1)

    def document(self, int32: _Workloads, int16: _Workloads, design: _Workloads) -> CostDocument:
        """Returns the costs of all three, their ratios, and the rescalers' shares of the accelerator."""
        full, half, own = self.of(int32), self.of(int16), self.of(design)
        wholes = [accelerator_cost(each, self._model, self._accelerator) for each in (int32, design)]
        return CostDocument(
            model=self._model.name,
            technology=self._model.technology.name,
            output_order=self._model.technology.energy_order,
            area_um2=own.rescaler_area_um2,
            int32_area_um2=full.rescaler_area_um2,
            area_ratio=_ratio(full.rescaler_area_um2, own.rescaler_area_um2),
            int16_area_um2=half.rescaler_area_um2,
            energy_nj=own.rescaler_energy_nj,
            int32_energy_nj=full.rescaler_energy_nj,
            energy_ratio=_ratio(full.rescaler_energy_nj, own.rescaler_energy_nj),
            int16_energy_nj=half.rescaler_energy_nj,
            accelerator=self._title,
            area_share=_shares([_areas(whole) for whole in wholes]),
            energy_share=_shares([_energies(whole) for whole in wholes]),
        )


_Parts = tuple[float | None, float | None, float | None]  # rescalers, accelerator, buffers


def _areas(cost: AcceleratorCost) -> _Parts:
    buffers = None if cost.memories is None else cost.memories.area_um2
    return cost.rescalers.rescaler_area_um2, cost.area_um2, buffers


def _energies(cost: AcceleratorCost) -> _Parts:
    buffers = None if cost.memories is None else cost.memories.energy_nj
    return cost.rescalers.rescaler_energy_nj, cost.energy_nj, buffers


def _shares(parts: list[_Parts]) -> ShareDocument:
    """Returns the shares of int32 and of the design, in this order in ``parts``."""
    alone = [_share(part, whole, 0.0) for part, whole, _ in parts]
    beside = [_share(*each) for each in parts]
    return ShareDocument(int32=alone[0], design=alone[1], int32_with_buffers=beside[0], design_with_buffers=beside[1])


def _share(part: float | None, whole: float | None, buffers: float | None) -> float | None:
    return None if part is None or whole is None or buffers is None else part / (whole + buffers)


def _ratio(int32: float | None, design: float | None) -> float | None:
    return None if int32 is None or not design else int32 / design
