import json
from dataclasses import asdict
from pathlib import Path

import pytest

from hwmodels import HardwareError, cost_verilog, load_technology
from hwmodels.architectures.base import RTL_FOLDER

RESCALER = (RTL_FOLDER / "rescaler.v", RTL_FOLDER / "rescaler_register.v")


def test_a_rescaler_costs_more_with_each_multiplier_bit_and_prints_as_json() -> None:
    table = load_technology("aladdin40")
    areas = [cost_verilog(RESCALER, "rescaler", {"MULT_WIDTH": k}, table).area_um2 or 0 for k in range(1, 33)]
    assert areas == sorted(areas)
    assert areas[30] > 5 * areas[0]
    document = json.loads(json.dumps(asdict(cost_verilog(RESCALER, "rescaler", {}, table))))
    assert {"area_um2", "energy_pj", "operators", "missing"} <= document.keys()
    assert document["operators"][0]["kind"] == "mul"


def test_what_a_table_cannot_give_is_null_with_the_reason() -> None:
    result = cost_verilog(RESCALER, "rescaler", {}, load_technology("horowitz45"))
    assert result.area_um2 is None
    assert result.energy_pj is not None
    assert any("area_um2" in reason for reason in result.missing)


def test_an_operator_that_no_table_knows_makes_the_sum_unknown(tmp_path: Path) -> None:
    path = tmp_path / "divider.v"
    path.write_text("module divider(input [7:0] a, b, output [7:0] y); assign y = a / b; endmodule")
    result = cost_verilog(path, "divider", {}, load_technology("aladdin40"))
    assert result.area_um2 is None
    assert any(reason.endswith("divider.v:1: no table gives the cost of a div") for reason in result.missing)


def test_shifts_by_constants_are_wiring(tmp_path: Path) -> None:
    path = tmp_path / "wires.v"
    path.write_text("module wires(input [7:0] a, output [7:0] y); assign y = {a[3:0], a[7:4]} >> 2; endmodule")
    assert cost_verilog(path, "wires", {}, load_technology("aladdin40")).area_um2 == 0


def test_parameters_must_be_whole_numbers() -> None:
    with pytest.raises(HardwareError, match=r"MULT_WIDTH is 1\.5"):
        cost_verilog(RESCALER, "rescaler", {"MULT_WIDTH": 1.5}, load_technology("aladdin40"))  # type: ignore[dict-item]


def test_figures_carry_the_error_of_their_class_of_designs(tmp_path: Path) -> None:
    table = load_technology("osu018")
    assert table.gates is not None
    errors = table.gates.errors["area_um2"]
    path = tmp_path / "design.v"
    path.write_text("module t(input [7:0] a, b, output [7:0] y); assign y = a + b; endmodule")
    assert cost_verilog(path, "t", {}, table).area_error == pytest.approx(errors["operator"].mean)
    path.write_text("module t(input [7:0] a, b, output [7:0] y); assign y = (a > b) ? a + b : a - b; endmodule")
    result = cost_verilog(path, "t", {}, table)
    assert result.area_error == pytest.approx(errors["datapath"].mean)
    assert f"{errors['datapath'].points} random datapaths" in result.errors
    path.write_text("module t(input [7:0] a, b, output [7:0] y); assign y = a / b; endmodule")
    result = cost_verilog(path, "t", {}, table)
    assert result.area_error == pytest.approx(errors["redundant"].worst), "the corpus has no division"
    assert "unlike them" in result.errors
    assert cost_verilog(RESCALER, "rescaler", {}, load_technology("horowitz45")).area_error is None
