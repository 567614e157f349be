"""Serial and fractured rescalers: their cost by two models and by synthesis, and their cycles."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hw_workloads import addition, convolution

from hwmodels import AnalyticRescalerModel, HardwareError, RtlRescalerModel, RtlSource, load_technology, network_cost
from hwmodels.accelerator import Accelerator, accelerator_cost, layer_times
from hwmodels.architectures.registry import CHOICES
from hwmodels.workload import Pipeline

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "hardware"
TABLE = load_technology("aladdin40")
MACS = 100_000  # of every layer


@pytest.mark.parametrize("architecture", ["serial", "fractured"])
@pytest.mark.parametrize("k", [2, 8, 9, 17, 31])
def test_both_models_agree_on_cycles_and_sum_up_energies_of_one_rescale(architecture: str, k: int) -> None:
    formula = AnalyticRescalerModel(TABLE, architecture).unit_cost(convolution(multiplier_bits=k))
    rtl = RtlRescalerModel(TABLE, architecture=architecture).unit_cost(convolution(multiplier_bits=k))
    assert (rtl.cycles, rtl.results) == (formula.cycles, formula.results)
    assert rtl.energy_pj == pytest.approx(formula.energy_pj, rel=0.08)
    for unit in (formula, rtl):
        assert unit.energy_pj == pytest.approx(sum(part.energy_pj or 0 for part in unit.components))


@pytest.mark.parametrize(
    ("architecture", "points", "area_error", "energy_error"), [("serial", 10, 0.04, 0.09), ("fractured", 4, 0.11, 0.5)]
)
def test_costs_are_near_those_of_synthesis(
    architecture: str, points: int, area_error: float, energy_error: float
) -> None:
    """Energies are of gate simulation: the components', times cycles and the one factor of the architecture.

    The fractured unit that was synthesized shifts further than the one that serves these layers.
    """
    model = RtlRescalerModel(load_technology("osu018"), architecture=architecture)
    areas, energies = [], []
    with (RESULTS / "dataset_osu018.csv").open() as file:
        for row in csv.DictReader(file):
            if row["architecture"] != architecture:
                continue
            k, low = int(row["multiplier_bits"]), int(row["shift_min"])
            unit = model.unit_cost(
                convolution(
                    operand_bits=int(row["acc_bits"]),
                    multiplier_bits=k,
                    right_shift_min=low,
                    right_shift_max=low + (1 << int(row["shift_bits"])) - 1,
                )
            )
            areas.append(abs((unit.area_um2 or math.inf) / float(row["area_um2"]) - 1))
            energies.append(abs((unit.energy_pj or math.inf) / float(row["energy_channel_innermost_pj"]) - 1))
    assert len(areas) == points
    assert np.mean(areas) < area_error
    assert np.mean(energies) < energy_error


def cycles(style: str, architecture: str, *widths: int, lanes: int = 4) -> list[int]:
    """Rescale cycles of layers with 1000 outputs each, of these multiplier widths, and of an ADD with 500."""
    layers = [
        convolution(name=f"{index}", multiplier_bits=k, right_shift_min=k, right_shift_max=k + 4, macs=MACS)
        for index, k in enumerate(widths)
    ]
    template = Accelerator(style=style, mac_lanes=64, rescaler_lanes=lanes)  # type: ignore[arg-type]
    workloads = [*layers, addition()]
    cost = accelerator_cost(workloads, AnalyticRescalerModel(TABLE, architecture), template)
    times = layer_times(workloads, cost.rescalers, template)
    expected = [max(time.mac_cycles, time.rescale_cycles) for time in times]
    assert [time.cycles for time in times] == expected
    drains = len(widths) if architecture == "serial" else 0  # the last result of a layer leaves a cycle later
    assert cost.latency_cycles == (sum(expected) + drains if style == "shared" else max(expected))
    return [time.rescale_cycles for time in times]


def test_a_serial_rescale_takes_a_cycle_a_bit_and_one() -> None:
    assert cycles("streaming", "serial", 8, 31, 1) == [250 * 9, 250 * 32, 250, 125]
    assert cycles("streaming", "serial", 8, lanes=3) == [334 * 9, 167]


def test_a_serial_bank_takes_as_long_as_its_widest_multiplier() -> None:
    assert cycles("shared", "serial", 8, 31, 1) == [250 * 32] * 3 + [125]


def test_a_fractured_unit_does_four_narrow_rescales_or_two_or_one() -> None:
    for style in ("streaming", "shared"):
        assert cycles(style, "fractured", 8, 9, 17, lanes=1) == [250, 500, 1000, 500]


def test_single_cycle_units_take_a_cycle_whatever_the_width() -> None:
    assert cycles("streaming", "array", 1, 31) == [250, 250, 125]


def test_a_bank_that_does_not_narrow_spends_its_own_energy_on_every_layer() -> None:
    wide, narrow = (convolution(name=str(k), multiplier_bits=k) for k in (31, 8))
    for architecture, rescales_in_a_cycle in (("serial", 1), ("fractured", 4)):
        model = AnalyticRescalerModel(TABLE, architecture)
        layers = network_cost([wide, narrow], model, style="shared", lanes=1).layers
        assert layers[1].energy_nj == pytest.approx((layers[0].energy_nj or 0) / rescales_in_a_cycle)


def test_a_wider_serial_multiplier_never_gets_cheaper() -> None:
    units = [AnalyticRescalerModel(TABLE, "serial").unit_cost(convolution(multiplier_bits=k)) for k in range(1, 33)]
    energies = [unit.energy_pj or 0 for unit in units]
    assert energies == sorted(energies)
    assert units[30].area_um2 is not None
    assert units[30].area_um2 < (AnalyticRescalerModel(TABLE).unit_cost(convolution(multiplier_bits=31)).area_um2 or 0)


@pytest.mark.parametrize("architecture", CHOICES)
def test_an_add_and_its_cost_are_those_of_the_one_unit_there_is(architecture: str) -> None:
    shipped = RtlRescalerModel(TABLE).unit_cost(addition())
    assert RtlRescalerModel(TABLE, architecture=architecture).unit_cost(addition()) == shipped


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(HardwareError, match="architecture is 'analog'; use one of array, serial, fractured"):
        AnalyticRescalerModel(TABLE, "analog")
    with pytest.raises(HardwareError, match="1 registers at 'product' of its pipeline; the serial architecture"):
        RtlRescalerModel(TABLE, architecture="serial").unit_cost(replace(convolution(), pipeline=Pipeline(product=1)))
    with pytest.raises(HardwareError, match="'conv': 5 bits cannot be cut into 4 slices"):
        RtlRescalerModel(TABLE).unit_cost(replace(convolution(multiplier_bits=5), pipeline=Pipeline(product=4)))
    with pytest.raises(HardwareError, match="'mine' another"):
        RtlRescalerModel(TABLE, source=RtlSource((Path("mine.v"),), "mine", ()), architecture="fractured")
    with pytest.raises(
        HardwareError, match="'conv': the fractured architecture takes multipliers of 1 to 32 bits, not 33"
    ):
        replace(AnalyticRescalerModel(TABLE), architecture="fractured").unit_cost(convolution(multiplier_bits=33))
