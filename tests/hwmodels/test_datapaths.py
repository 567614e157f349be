"""Serial and fractured rescalers: what they cost by two models and by synthesis, and how long they take."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hw_workloads import addition, convolution
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels import AnalyticRescalerModel, HardwareError, RtlRescalerModel, RtlSource, load_technology, network_cost
from hwmodels.accelerator import Accelerator, accelerator_cost
from hwmodels.architectures.datapaths import DATAPATHS, Datapath

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "hardware"
TABLE = load_technology("aladdin40")
NEW: tuple[Datapath, ...] = ("serial", "fractured")
MACS = 100_000  # of every layer


@settings(max_examples=40)
@given(
    bits=st.integers(8, 32), k=st.integers(2, 32), low=st.integers(-4, 40), span=st.integers(0, 12),
    out=st.integers(4, 16), datapath=st.sampled_from(NEW),
)  # fmt: skip
def test_formulas_and_parsed_rtl_describe_the_same_hardware(
    bits: int, k: int, low: int, span: int, out: int, datapath: Datapath
) -> None:
    workload = convolution(
        operand_bits=bits, multiplier_bits=k, right_shift_min=low, right_shift_max=low + span, output_bits=out
    )
    formula = AnalyticRescalerModel(TABLE, datapath).unit_cost(workload)
    rtl = RtlRescalerModel(TABLE, datapath=datapath).unit_cost(workload)
    assert rtl.area_um2 == pytest.approx(formula.area_um2, rel=0.08)
    assert rtl.energy_pj == pytest.approx(formula.energy_pj, rel=0.08)
    assert (rtl.cycles, rtl.results) == (formula.cycles, formula.results)
    for unit in (formula, rtl):
        assert unit.energy_pj == pytest.approx(sum(part.energy_pj or 0 for part in unit.components))


@pytest.mark.parametrize(
    ("datapath", "area_error", "energy_error"), [("serial", 0.02, 0.06), ("fractured", 0.11, 0.22)]
)
def test_costs_are_near_those_of_synthesis(datapath: Datapath, area_error: float, energy_error: float) -> None:
    """Energies are of gate simulation: the components', times cycles and the one factor of the architecture.

    The fractured unit that was synthesized shifts further than the one that serves these layers.
    """
    model = RtlRescalerModel(load_technology("osu018"), datapath=datapath)
    areas, energies = [], []
    with (RESULTS / "dataset_osu018.csv").open() as file:
        for row in csv.DictReader(file):
            if row["architecture"] != datapath:
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
            energies.append(abs((unit.energy_pj or math.inf) / float(row["energy_pj"]) - 1))
    assert len(areas) > 60
    assert np.mean(areas) < area_error
    assert np.mean(energies) < energy_error


def cycles(style: str, datapath: Datapath, *widths: int, lanes: int = 4) -> list[int]:
    """Rescale cycles of layers with 1000 outputs each, of these multiplier widths, and of an ADD with 500."""
    layers = [
        convolution(name=f"{index}", multiplier_bits=k, right_shift_min=k, right_shift_max=k + 4, macs=MACS)
        for index, k in enumerate(widths)
    ]
    template = Accelerator(style=style, mac_lanes=64, rescaler_lanes=lanes, clock_mhz=100.0)  # type: ignore[arg-type]
    cost = accelerator_cost([*layers, addition()], AnalyticRescalerModel(TABLE, datapath), template)
    expected = [max(time.mac_cycles, time.rescale_cycles) for time in cost.layers]
    assert [time.cycles for time in cost.layers] == expected
    assert cost.latency_cycles == (sum(expected) if style == "shared" else max(expected))
    return [time.rescale_cycles for time in cost.layers]


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
    for datapath, rescales_in_a_cycle in (("serial", 1), ("fractured", 4)):
        model = AnalyticRescalerModel(TABLE, datapath)  # type: ignore[arg-type]
        layers = network_cost([wide, narrow], model, style="shared", lanes=1).layers
        assert layers[1].energy_nj == pytest.approx((layers[0].energy_nj or 0) / rescales_in_a_cycle)


def test_a_wider_serial_multiplier_never_gets_cheaper() -> None:
    units = [AnalyticRescalerModel(TABLE, "serial").unit_cost(convolution(multiplier_bits=k)) for k in range(1, 33)]
    energies = [unit.energy_pj or 0 for unit in units]
    assert energies == sorted(energies)
    assert units[30].area_um2 is not None
    assert units[30].area_um2 < (AnalyticRescalerModel(TABLE).unit_cost(convolution(multiplier_bits=31)).area_um2 or 0)


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_an_add_and_its_cost_are_those_of_the_one_unit_there_is(datapath: Datapath) -> None:
    shipped = RtlRescalerModel(TABLE).unit_cost(addition())
    assert RtlRescalerModel(TABLE, datapath=datapath).unit_cost(addition()) == shipped


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(HardwareError, match="datapath is 'analog'; use one of array, serial, fractured"):
        AnalyticRescalerModel(TABLE, "analog")  # type: ignore[arg-type]
    with pytest.raises(HardwareError, match="the serial datapath has no pipelined form"):
        RtlRescalerModel(TABLE, pipeline=True, datapath="serial")
    with pytest.raises(HardwareError, match="'mine' is another"):
        RtlRescalerModel(TABLE, source=RtlSource((Path("mine.v"),), "mine", ()), datapath="fractured")
    with pytest.raises(HardwareError, match="'conv': the fractured datapath takes multipliers of 1 to 32 bits, not 33"):
        replace(AnalyticRescalerModel(TABLE), datapath="fractured").unit_cost(convolution(multiplier_bits=33))
