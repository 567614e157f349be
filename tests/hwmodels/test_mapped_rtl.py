"""A user's module as cost model: the shipped rescaler, mapped by hand, must cost what the shipped model says."""

from pathlib import Path

import pytest

from hwmodels import MappedRtlModel, RtlRescalerModel, load_technology
from hwmodels.errors import HardwareError
from hwmodels.rtl_model import RTL_FOLDER
from hwmodels.workload import RescalerWorkload, RescaleStage

MAPPING: tuple[tuple[str, int | str], ...] = (
    ("ACC_WIDTH", "operand_bits"),
    ("MULT_WIDTH", "multiplier_bits"),
    ("SHIFT_WIDTH", "shift_bits"),
    ("SHIFT_MIN", "right_shift_min"),
    ("OUT_WIDTH", "output_bits"),
    ("PIPELINE", 0),
)


def workload(bits: int, stages: int = 1) -> RescalerWorkload:
    stage = RescaleStage(operand_bits=20, multiplier_bits=bits, right_shift_min=bits + 1, right_shift_max=bits + 4)
    return RescalerWorkload(
        name="conv_0",
        stages=(stage,) * stages,
        output_bits=8,
        channels=4,
        rescales_per_inference=100,
        macs_per_inference=1000,
        weight_bits=8,
        activation_bits=8,
    )


def model(mapping: tuple[tuple[str, int | str], ...] = MAPPING, files: tuple[Path, ...] = ()) -> MappedRtlModel:
    return MappedRtlModel(load_technology("aladdin40"), files or (RTL_FOLDER / "rescaler.v",), "rescaler", mapping)


@pytest.mark.parametrize("bits", [1, 4, 31])
def test_shipped_module_costs_the_same_as_a_users(bits: int) -> None:
    shipped = RtlRescalerModel(load_technology("aladdin40")).unit_cost(workload(bits))
    mapped = model().unit_cost(workload(bits))
    assert (mapped.area_um2, mapped.energy_pj) == (shipped.area_um2, shipped.energy_pj)


def test_two_stages_are_two_instances() -> None:
    one, two = (model().unit_cost(workload(6, stages)) for stages in (1, 2))
    assert one.area_um2 is not None
    assert two.area_um2 == pytest.approx(2 * one.area_um2)


def test_a_parameter_follows_the_layer() -> None:
    areas = [model().unit_cost(workload(bits)).area_um2 for bits in (2, 4, 8, 16)]
    assert areas == sorted(areas)
    assert len(set(areas)) == 4


def test_unknown_quantity_and_parameter_are_named() -> None:
    with pytest.raises(HardwareError, match="MULT_WIDTH = 'bits': give a whole number or one of operand_bits"):
        model((("MULT_WIDTH", "bits"),))
    with pytest.raises(HardwareError, match="WIDTH"):
        model((("NO_SUCH_WIDTH", 4),)).unit_cost(workload(4))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match=r"none\.v"):
        model(files=(tmp_path / "none.v",)).unit_cost(workload(4))
