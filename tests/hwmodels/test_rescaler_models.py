import math
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from hw_workloads import addition, built_for, constant, convolution
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels import (
    AnalyticRescalerModel,
    CalibratedRescalerModel,
    CostModel,
    HardwareError,
    RescalerWorkload,
    RescaleStage,
    RtlRescalerModel,
    RtlSource,
    cost_verilog,
    load_technology,
    network_cost,
)
from hwmodels.architectures import ARRAY
from hwmodels.architectures.blocks import product_bits
from hwmodels.costs import unit_cost
from hwmodels.models.parsed_parts import design_costs
from hwmodels.workload import Pipeline

MODELS = [
    pytest.param(model(load_technology(name)), id=f"{model.__name__}-{name}")
    for model in (AnalyticRescalerModel, RtlRescalerModel)
    for name in ("aladdin40", "horowitz45")
]
CONTRACTS = ("half_up", "floor", "half_away", "tflite_double")
OSU018 = load_technology("osu018")
ADD_OR_CONV = st.sampled_from([convolution, addition])


def energy(model: CostModel, workload: RescalerWorkload) -> float:
    value = model.unit_cost(workload).energy_pj
    assert value is not None
    return value


@pytest.mark.parametrize("model", MODELS)
class TestContract:
    """What the CostModel protocol promises, for every implementation."""

    @settings(max_examples=40)
    @given(k=st.integers(1, 32), wider=st.integers(1, 8), build=ADD_OR_CONV)
    def test_a_wider_multiplier_never_costs_less(
        self, model: CostModel, k: int, wider: int, build: type[RescalerWorkload]
    ) -> None:
        narrow, wide = build(multiplier_bits=k), build(multiplier_bits=k + wider)
        assert energy(model, narrow) < energy(model, wide)

    @settings(max_examples=40)
    @given(bits=st.integers(2, 40), span=st.integers(0, 12), k=st.integers(1, 31))
    def test_a_wider_operand_or_shift_range_never_costs_less(
        self, model: CostModel, bits: int, span: int, k: int
    ) -> None:
        shape = {"multiplier_bits": k, "right_shift_min": k}
        base = convolution(operand_bits=bits, right_shift_max=k + span, **shape)
        assert energy(model, base) <= energy(
            model, convolution(operand_bits=bits + 1, right_shift_max=k + span, **shape)
        )
        assert energy(model, base) <= energy(
            model, convolution(operand_bits=bits, right_shift_max=k + span + 1, **shape)
        )

    def test_the_unit_is_the_sum_of_its_components(self, model: CostModel) -> None:
        for workload in (convolution(), addition()):
            unit = model.unit_cost(workload)
            assert unit.energy_pj == pytest.approx(sum(part.energy_pj or 0 for part in unit.components))
            if unit.area_um2 is not None:
                assert unit.area_um2 == pytest.approx(sum(part.area_um2 or 0 for part in unit.components))

    def test_what_the_table_lacks_is_none_with_a_reason(self, model: CostModel) -> None:
        unit = model.unit_cost(convolution())
        assert (unit.area_um2 is None) == (model.technology.name == "horowitz45")
        assert (unit.area_um2 is None) == bool(unit.missing)

    def test_a_pure_shift_has_no_multiplier(self, model: CostModel) -> None:
        parts = model.unit_cost(convolution(multiplier_bits=1)).components
        assert not any(part.name.startswith(("mul", "multiplier")) for part in parts)

    def test_what_cannot_be_built_is_refused(self, model: CostModel) -> None:
        with pytest.raises(HardwareError, match="output_bits is 1"):
            model.unit_cost(convolution(output_bits=1))
        with pytest.raises(HardwareError, match="beyond 512"):
            model.unit_cost(convolution(operand_bits=1000))

    def test_models_and_costs_are_picklable(self, model: CostModel) -> None:
        cost = network_cost([convolution(), addition()], model, style="streaming", lanes=2)
        assert pickle.loads(pickle.dumps(cost)) == cost  # noqa: S301  # what Ray does between processes
        assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301


def test_rtl_designs_are_cached_per_parameter_set() -> None:
    model = RtlRescalerModel(load_technology("aladdin40"))
    assert model.design(convolution(name="one")) is model.design(convolution(name="two", channels=3))
    assert model.design(convolution()) is not model.design(convolution(multiplier_bits=9))


def test_the_users_own_rescaler_is_costed_per_layer(tmp_path: Path) -> None:
    path = tmp_path / "mine.v"
    path.write_text(
        "module mine #(parameter A = 8, K = 8, S = 2, O = 8, EXTRA = 0)\n"
        "(input clk, input signed [A-1:0] acc, input [K-1:0] m, input [S-1:0] s, output reg signed [O-1:0] q);\n"
        "wire signed [K:0] n = {1'b0, m};\nwire signed [A+K-1:0] p = acc * n;\n"
        "always @(posedge clk) q <= p >>> s;\nendmodule\n"
    )
    fields = (("A", "operand_bits"), ("K", "multiplier_bits"), ("S", "shift_bits"), ("O", "output_bits"), ("EXTRA", 3))
    model = RtlRescalerModel(load_technology("aladdin40"), source=RtlSource((path,), "mine", fields))
    design = model.design(convolution(multiplier_bits=11))
    assert design.parameters == {"A": 20, "K": 11, "S": 3, "O": 8, "EXTRA": 3}
    assert energy(model, convolution(multiplier_bits=4)) < energy(model, convolution(multiplier_bits=5))
    assert model.unit_cost(addition()) == RtlRescalerModel(load_technology("aladdin40")).unit_cost(addition())
    path.write_text(path.read_text().replace("p >>> s", "p"))
    assert len(model.design(convolution(multiplier_bits=11)).operators) < len(design.operators)
    with pytest.raises(HardwareError, match="takes 'width'; a layer has: operand_bits"):
        RtlSource((path,), "mine", (("A", "width"),))
    with pytest.raises(HardwareError, match=r"mine\.v:1: module 'mine' has no parameter 'B'"):
        energy(RtlRescalerModel(model.technology, source=RtlSource((path,), "mine", (("B", 4),))), convolution())


@pytest.mark.parametrize("table", ["osu018", "aladdin40"])
def test_the_users_own_rescaler_costs_what_dse_cost_prints(table: str) -> None:
    """By gates if the table has their figures, by components otherwise; a new parameter is a new cost."""
    technology = load_technology(table)
    fields = (("ACC_WIDTH", "operand_bits"), ("MULT_WIDTH", "multiplier_bits"), ("SHIFT_MIN", "right_shift_min"))
    source = RtlSource(ARRAY.files, ARRAY.top, fields)
    model = RtlRescalerModel(technology, source=source)
    for k in (3, 9, 3):
        workload = convolution(multiplier_bits=k)
        unit = model.unit_cost(workload)
        printed = cost_verilog(source.files, source.top, source.resolve(workload), technology)
        assert (unit.area_um2, unit.energy_pj) == (printed.area_um2, printed.energy_pj)
        assert unit.leakage_uw == printed.leakage_uw
        assert (unit.delay_ns, unit.period_ns) == (printed.delay_ns, printed.period_ns)
        assert (unit.area_error, unit.energy_error) == (printed.area_error, printed.energy_error)
        assert model.delay_ns(workload) == unit.delay_ns
        assert unit.register_bits == model.design(workload).register_bits
        by_components = unit_cost(design_costs(model.design(workload), technology))
        assert (unit.area_um2 == by_components.area_um2) == (technology.gates is None)


def test_a_pipeline_adds_registers_of_product_and_shift() -> None:
    table, workload = load_technology("aladdin40"), convolution()
    single = RtlRescalerModel(table).design(workload).register_bits
    piped = RtlRescalerModel(table).design(replace(workload, pipeline=Pipeline(product=1))).register_bits
    [stage] = workload.stages
    assert piped - single == product_bits(stage) + stage.shift_bits


class TestNetwork:
    model = AnalyticRescalerModel(load_technology("aladdin40"))

    def test_streaming_areas_add_up(self) -> None:
        layers = [convolution(name="a"), convolution(name="b", multiplier_bits=31, channels=64), addition()]
        cost = network_cost(layers, self.model, style="streaming", lanes=3)
        expected = 0.0
        for workload, layer in zip(layers, cost.layers, strict=True):
            unit = self.model.unit_cost(workload)
            assert layer.datapath_area_um2 == pytest.approx(3 * (unit.area_um2 or math.nan))
            assert layer.parameter_area_um2 == pytest.approx(layer.parameter_bits * 0.4672)
            assert layer.energy_nj == pytest.approx((unit.energy_pj or 0) * workload.rescales_per_inference / 1000)
            expected += (layer.datapath_area_um2 or 0) + (layer.parameter_area_um2 or 0)
        assert cost.rescaler_area_um2 == pytest.approx(expected)
        assert cost.parameter_bits == sum(layer.parameter_bits for layer in cost.layers)

    def test_parameter_bits_leave_out_the_implied_one_and_the_constant_shift(self) -> None:
        [layer] = network_cost([convolution()], self.model, style="streaming", lanes=1).layers
        # 16 channels of 7 multiplier bits and 3 shift bits (a span of 4); their 20-bit biases are the accelerator's.
        assert layer.parameter_bits == 16 * (7 + 3)
        assert layer.bias_bits == 16 * 20
        [layer] = network_cost([addition()], self.model, style="streaming", lanes=1).layers
        assert layer.parameter_bits == 7 + 7

    def test_a_constant_shift_stores_no_parameter_and_is_its_datapath_alone(self) -> None:
        wired = replace(convolution(multiplier_bits=1, right_shift_max=12), folded=True)
        [layer] = network_cost([built_for(wired)], self.model, style="streaming", lanes=1).layers
        assert (layer.parameter_bits, layer.parameter_area_um2) == (0, 0)
        assert layer.area_um2 == layer.datapath_area_um2
        assert layer.bias_area_um2 == pytest.approx(16 * 20 * 0.4672)

    def test_a_shared_bank_is_programmable_and_folded_only_if_all_of_its_layers_are(self) -> None:
        pure = convolution(name="pure", multiplier_bits=1)
        folded, wide = built_for(replace(pure, folded=True)), built_for(convolution(name="wide"))
        adds = replace(addition(multiplier_bits=1), folded=True)
        for layers, plain in (
            ([folded], [replace(pure, folded=True)]),
            ([folded, wide], [pure, convolution(name="wide")]),
            ([folded, built_for(adds)], [replace(pure, folded=True), addition(multiplier_bits=1)]),
            (
                [built_for(constant(171)), wide],
                [
                    replace(convolution(operand_bits=32, right_shift_min=17, right_shift_max=17, channels=1)),
                    convolution(name="wide"),
                ],
            ),
        ):
            assert network_cost(layers, self.model, style="shared", lanes=2) == network_cost(
                plain, self.model, style="shared", lanes=2
            )

    def test_a_shared_bank_is_as_wide_as_the_widest_layer(self) -> None:
        wide = convolution(name="wide", multiplier_bits=31, right_shift_min=41, right_shift_max=45)
        narrow = convolution(name="narrow", multiplier_bits=2)  # whose scales are those of the other layer
        alone = network_cost([wide], self.model, style="shared", lanes=4)
        both = network_cost([wide, narrow], self.model, style="shared", lanes=4)
        assert both.rescaler_area_um2 == pytest.approx(alone.rescaler_area_um2)

    def test_a_narrow_layer_in_a_shared_bank_saves_energy_but_less_than_its_own_unit(self) -> None:
        wide = convolution(name="wide", multiplier_bits=31, right_shift_min=41, right_shift_max=45)
        narrow = convolution(name="narrow", multiplier_bits=2)  # whose scales are those of the other layer
        shared = network_cost([wide, narrow], self.model, style="shared", lanes=1).layers
        own = network_cost([wide, narrow], self.model, style="streaming", lanes=1).layers
        assert shared[0].energy_nj == pytest.approx(own[0].energy_nj)
        assert (own[1].energy_nj or 0) < (shared[1].energy_nj or 0) < (shared[0].energy_nj or 0)

    def test_identical_layers_cost_the_same_energy_in_both_styles(self) -> None:
        layers = [convolution(name=name) for name in "abc"]
        costs = [network_cost(layers, self.model, style=style, lanes=1) for style in ("shared", "streaming")]
        assert costs[0].rescaler_energy_nj == pytest.approx(costs[1].rescaler_energy_nj)
        assert (costs[0].rescaler_area_um2 or 0) * 3 == pytest.approx(costs[1].rescaler_area_um2)

    def test_missing_figures_spread_with_their_reason(self) -> None:
        cost = network_cost(
            [convolution()], AnalyticRescalerModel(load_technology("horowitz45")), style="shared", lanes=1
        )
        assert cost.rescaler_area_um2 is None
        assert cost.rescaler_energy_nj is not None
        assert any("energies only" in reason for reason in cost.missing)

    @pytest.mark.parametrize(
        ("layers", "style", "lanes", "message"),
        [
            ([convolution()], "tiled", 1, "style is 'tiled'"),
            ([convolution()], "shared", 0, "lanes is 0"),
            ([convolution()], "shared", 1.5, "lanes is 1.5"),
            ([], "shared", 1, "at least one rescaler"),
            ([convolution(), convolution()], "shared", 1, "two rescalers are named 'conv'"),
        ],
    )
    def test_bad_arguments_are_refused(
        self, layers: list[RescalerWorkload], style: str, lanes: int, message: str
    ) -> None:
        with pytest.raises(HardwareError, match=message):
            network_cost(layers, self.model, style=style, lanes=lanes)  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [1, 4, 16, 31])
def test_rounding_costs_what_its_contract_asks_for(k: int) -> None:
    """Cutting off is cheapest; rounding away from zero and rounding twice take adders of their own."""
    workload = convolution(operand_bits=24, multiplier_bits=k, right_shift_min=k + 4, right_shift_max=k + 8)
    for model in (AnalyticRescalerModel(OSU018), RtlRescalerModel(OSU018), CalibratedRescalerModel(OSU018)):
        area = {name: model.unit_cost(replace(workload, contract=name)).area_um2 or math.nan for name in CONTRACTS}
        assert all(math.isfinite(value) for value in area.values())
        if isinstance(model, AnalyticRescalerModel):
            assert area["floor"] < area["half_up"]
        if not isinstance(model, CalibratedRescalerModel):  # the mapper sometimes finds less for more
            assert area["half_up"] < min(area["half_away"], area["tflite_double"])


def test_contracts_that_no_rescaler_has_are_refused() -> None:
    model = RtlRescalerModel(load_technology("aladdin40"))
    with pytest.raises(HardwareError, match="no rescaler is built for contract 'xnnpack_fp32'; use one of half_up"):
        model.unit_cost(replace(convolution(), contract="xnnpack_fp32"))
    serial = RtlRescalerModel(load_technology("aladdin40"), architecture="serial")
    with pytest.raises(HardwareError, match="serial architecture rounds by half_up, not by floor"):
        serial.unit_cost(replace(convolution(), contract="floor"))
    assert serial.unit_cost(replace(convolution(multiplier_bits=1), contract="floor")).cycles == 1


def test_three_stages_are_refused() -> None:
    stage = RescaleStage(operand_bits=8, multiplier_bits=2, right_shift_min=1, right_shift_max=1)
    workload = RescalerWorkload(
        name="odd", stages=(stage,) * 3, output_bits=8, channels=1, rescales_per_inference=1, macs_per_inference=0,
        weight_bits=0, activation_bits=8,
    )  # fmt: skip
    with pytest.raises(HardwareError, match="'odd' has 3 stages"):
        AnalyticRescalerModel(load_technology("aladdin40")).unit_cost(workload)
