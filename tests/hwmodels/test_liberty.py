"""Liberty files: syntax, units, tables, conditions, pins, and the time scale of a library."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_liberty import flip_flop, small_liberty

from hwmodels import HardwareError
from hwmodels.synthesis.full_adder import full_adder_map
from hwmodels.synthesis.functions import compile_function
from hwmodels.synthesis.liberty import Cell, Library, build_library, load_liberty, mean_delay, mean_energy
from hwmodels.synthesis.liberty_syntax import parse_liberty
from hwmodels.synthesis.typical_gate import time_scale

HEAD = """library(extra) {
  time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW"; capacitive_load_unit (1, pf);
  nom_voltage : 1.0; nom_temperature : 25; default_input_pin_cap : 0.5;
  type (pair) { base_type : array; data_type : bit; bit_width : 2; bit_from : 1; bit_to : 0; }
  lu_table_template(both) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("0.1, 0.2, 0.3"); index_2 ("1, 2");
  }
"""
INPUTS = "".join(f"pin({name}) {{ direction : input; capacitance : 0.01; }}" for name in "ABC")


def library(tmp_path: Path, text: str) -> Library:
    path = tmp_path / "made.lib"
    path.write_text(text)
    return load_liberty(path)


def cell(tmp_path: Path, body: str) -> Cell:
    """Return a cell of a library with its templates, from the text between its braces."""
    return library(tmp_path, f"{HEAD} cell (X) {{ area : 1; {body} }}\n}}\n").cells["X"]


def constant_table(kind: str, value: float) -> str:
    return f'{kind}(scalar) {{ values ("{value}"); }}'


def power(
    value: float, *, when: str = "", related: str = "", rise: bool = True, fall: bool = True, more: str = ""
) -> str:
    sides = [constant_table(kind, value) for kind, wanted in (("rise_power", rise), ("fall_power", fall)) if wanted]
    return (
        "internal_power() { "
        + (f'when : "{when}"; ' if when else "")
        + (f'related_pin : "{related}"; ' if related else "")
        + f"{more} {' '.join(sides)} }}"
    )


class TestFile:
    def test_units_tables_and_functions_are_read(self, tmp_path: Path) -> None:
        small = library(tmp_path, small_liberty())
        assert (small.name, small.voltage_v, set(small.cells)) == (
            "small", 2.0, {"INV", "NAND2", "NOR2", "XOR2", "BUF", "DFF"},
        )  # fmt: skip
        gate = small.cells["NAND2"]
        assert (gate.area_um2, gate.leakage_uw) == (2.0, pytest.approx(0.002))
        assert mean_delay([gate.pins["Y"].delays["A"]], 0.5, 0.3) == pytest.approx(0.15)
        assert mean_delay([gate.pins["Y"].delays["A"]], 2.0, 0.3) == pytest.approx(0.3)  # extrapolated
        assert small.cells["DFF"].next_state == "D"

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("area : 2.0;", "", r"cell NAND2 has no area"),
            ("area : 2.0;", 'area : "big";', r"area is 'big'; a number is needed"),
            ("area : 2.0;", "area : nan;", r"area is 'nan'; a number is needed"),
            ("area : 2.0;", "area : -2.0;", r"bad\.lib:\d+: cell NAND2: area is -2.0; at least 0 is expected"),
            ("capacitance : 0.01;", "capacitance : -0.01;", r"pin A: capacitance is -0.01; at least 0"),
            ("cell_leakage_power : 2;", "cell_leakage_power : -2;", r"cell_leakage_power is -2; at least 0"),
            ('time_unit : "1ns";', "", r"time_unit is ''"),
            ('time_unit : "1ns";', 'time_unit : "0ns";', r"time_unit is '0ns'; a positive number"),
            ('voltage_unit : "1V";', "", r"voltage_unit is ''"),
            ("capacitive_load_unit (1, pf);", "", r"capacitive_load_unit is None"),
            ('leakage_power_unit : "1nW";', 'leakage_power_unit : "1hp";', r"leakage_power_unit is '1hp'"),
            ("nom_voltage : 2.0;", "nom_voltage : 0;", r"nom_voltage is 0"),
            ("nom_voltage : 2.0;", "", r"library small has no nom_voltage"),
            ("library(small) {", "module(small) {", r"not a Liberty file"),
            ('values ("0.1, 0.1", "0.2, 0.2");', "", r"cell_rise t is not a complete table: .* want 2 x 2 .* has none"),
            ('values ("0.1, 0.1", "0.2, 0.2");', 'values ("0.1, 0.1", "0.2");', r"want 2 x 2 values, it has 2 \+ 1"),
            ('values ("0.1, 0.1", "0.2, 0.2");', 'values ("0.1, 0.1, 0.2", "0.2");', r"it has 3 \+ 1"),
            ('values ("0.1, 0.1", "0.2, 0.2");', 'values ("0.1, much", "0.2, 0.2");', r"values: .*'much'"),
            ('values ("0.1, 0.1", "0.2, 0.2");', 'values ("0.1, inf", "0.2, 0.2");', r"not a finite number"),
            ('values ("0.1, 0.1", "0.2, 0.2");', 'values ("0.1, 0.1"); "0.2";', r"'\"0.2\";.*' inside cell_rise t"),
            ('index_2 ("0.0, 1.0"); values', 'index_2 ("1.0, 0.0"); values', r"index_2: '1.0, 0.0' must ascend"),
            ('index_2 ("0.0, 1.0"); values', 'index_2 (""); values', r"index_2: there is none"),
            ("cell_rise(t)", "cell_rise(unknown)", r"cell_rise unknown: no template of this name"),
            ("variable_2 : input_net_transition;", "", r"its indices want 2 values, it has 2 \+ 2"),
            ("timing_sense : non_unate;", "timing_sense : odd;", r"timing_sense is 'odd'; expected one of"),
            ('related_pin : "A"; timing_sense', 'related_pin : "A"; when : "A $ B"; timing_sense', r"when: .*'A \$ B'"),
        ],
    )  # fmt: skip
    def test_bad_libraries_are_refused_in_one_line(self, old: str, new: str, message: str, tmp_path: Path) -> None:
        text = small_liberty()
        path = tmp_path / "bad.lib"
        assert old in text
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(HardwareError, match=message) as caught:
            load_liberty(path)
        assert "bad.lib" in str(caught.value)
        assert "\n" not in str(caught.value)

    @given(st.integers(30, len(small_liberty()) - 4))
    def test_a_truncated_library_is_refused_wherever_it_ends(self, length: int) -> None:
        with pytest.raises(HardwareError, match=r"cut\.lib"):
            parse_liberty(small_liberty()[:length], "cut.lib")

    @given(st.integers(0, len(small_liberty())), st.integers(0, 40), st.text('{}();:",\\\n01.-ab/*', max_size=6))
    def test_a_damaged_library_is_read_or_refused_in_one_line(self, at: int, cut: int, put: str) -> None:
        """Whatever is cut out and put in: no other error, and no loop."""
        text = small_liberty()[:at] + put + small_liberty()[at + cut :]
        message = ""
        try:
            damaged = build_library(parse_liberty(text, "odd.lib"), Path("odd.lib"))
            time_scale(damaged)
            full_adder_map(damaged)
        except HardwareError as error:
            message = str(error)
        assert "\n" not in message

    def test_what_follows_the_library_is_refused(self) -> None:
        with pytest.raises(HardwareError, match=r"two\.lib:\d+: 'library\(second\) .*' after the library"):
            parse_liberty(small_liberty() + "library(second) { }\n", "two.lib")

    def test_a_compressed_library_is_the_same_whatever_its_name(self, tmp_path: Path) -> None:
        plain, packed = library(tmp_path, small_liberty()), tmp_path / "packed.lib"
        packed.write_bytes(gzip.compress(small_liberty().encode()))
        assert load_liberty(packed).cells == plain.cells
        packed.write_bytes(packed.read_bytes()[:-20])
        with pytest.raises(HardwareError, match=r"packed\.lib: cannot be read"):
            load_liberty(packed)

    def test_layout_and_comments_do_not_matter(self) -> None:
        text = """/* "quoted" */ library ("l") { revision : "http://x/*y*/";  // a { comment
          date : "2 Jan" ; cell("A\\"B") { area : 1.5 /* um2 */
          function : A*B ; }
          values ("1, 2", \\
                  "3, 4") define (a, b, "c") empty ()
          ;; }\n"""
        group = parse_liberty(text, "odd.lib")
        [inner] = group.inner("cell")
        assert group.values == {"revision": "http://x/*y*/", "date": "2 Jan"}
        assert group.lists == {"values": ("1, 2", "3, 4"), "define": ("a", "b", "c"), "empty": ()}
        assert (inner.values, inner.line) == ({"area": "1.5", "function": "A*B"}, 2)

    def test_units_scale_numbers_and_tables(self, tmp_path: Path) -> None:
        text = small_liberty().replace('"1ns"', '"10ps"').replace("(1, pf)", '(2.0, "ff")').replace('"1V"', '"100mV"')
        small, scaled = library(tmp_path, small_liberty()), library(tmp_path, text.replace('"1nW"', '"1pW"'))
        gate, other = small.cells["NAND2"], scaled.cells["NAND2"]
        assert scaled.voltage_v == pytest.approx(0.2)
        assert other.leakage_uw == pytest.approx(gate.leakage_uw / 1000)
        assert other.pins["A"].capacitance_pf == pytest.approx(gate.pins["A"].capacitance_pf * 0.002)
        (delay, energy), (delay_2, energy_2) = (
            (c.pins["Y"].delays.values(), c.pins["Y"].energies.values()) for c in (gate, other)
        )
        load, slew = 0.5 * 0.002, 0.3 * 0.01
        assert mean_delay(delay_2, load, slew) == pytest.approx(mean_delay(delay, 0.5, 0.3) * 0.01)
        assert mean_energy(energy_2, load, slew) == pytest.approx(mean_energy(energy, 0.5, 0.3) * 0.002 * 0.01)


class TestTables:
    @pytest.mark.parametrize("order", ["load first", "slew first"])
    def test_the_template_states_the_order_of_the_indices(self, order: str, tmp_path: Path) -> None:
        """Read the other way round, a table gives another delay without a word."""
        variables = ["total_output_net_capacitance", "input_net_transition"]
        values = np.array([[1.0, 2.0, 4.0], [10.0, 20.0, 40.0]])  # by load 1, 2 and slew 0.1, 0.2, 0.3
        indices = ["1, 2", "0.1, 0.2, 0.3"]
        if order == "slew first":
            variables, indices, values = variables[::-1], indices[::-1], values.T
        rows = ", ".join('"' + ", ".join(map(str, row)) + '"' for row in values.tolist())
        template = f"lu_table_template(o) {{ variable_1 : {variables[0]}; variable_2 : {variables[1]}; }}"
        table = f'cell_rise(o) {{ index_1 ("{indices[0]}"); index_2 ("{indices[1]}"); values ({rows}); }}'
        pin = f"pin(Y) {{ direction : output; timing() {{ related_pin : A; {table} }} }}"
        [arc] = library(tmp_path, f"{HEAD}{template} cell (X) {{ area : 1; {pin} }} }}").cells["X"].pins["Y"].timing
        assert arc.delays[0] is not None
        assert arc.delays[0].at(1.0, 0.3) == pytest.approx(4.0)
        assert arc.delays[0].at(2.0, 0.1) == pytest.approx(10.0)
        assert arc.delays[0].at(1.5, 0.25) == pytest.approx(16.5)

    def test_a_scalar_and_a_table_with_the_indices_of_its_template(self, tmp_path: Path) -> None:
        tables = 'cell_rise(scalar) { values ("0.7"); } cell_fall(both) { values ("1, 2, 3, 4, 5, 6"); }'
        [arc] = (
            cell(tmp_path, f"pin(Y) {{ direction : output; timing() {{ related_pin : A; {tables} }} }}")
            .pins["Y"]
            .timing
        )
        rise, fall = arc.delays
        assert rise is not None
        assert fall is not None
        assert rise.at(5.0, 5.0) == 0.7
        assert (fall.at(1.0, 0.1), fall.at(2.0, 0.1), fall.at(1.0, 0.3)) == (1.0, 2.0, pytest.approx(5.0))

    @given(st.floats(0, 2), st.floats(0, 0.6))
    def test_interpolation_is_exact_on_a_plane(self, load: float, slew: float) -> None:
        from hwmodels.synthesis.liberty_tables import Table

        loads, slews = (0.1, 0.5, 1.0), (0.05, 0.3)
        table = Table(loads, slews, tuple(tuple(3 * x + 7 * y + 1 for y in slews) for x in loads))
        assert table.at(load, slew) == pytest.approx(3 * load + 7 * slew + 1)


class TestConditions:
    def test_an_output_averages_the_states_in_which_it_switches(self, tmp_path: Path) -> None:
        """Two states of four, of which one is named by two pins and one by a single one."""
        groups = power(1.0, when="B & C", related="A") + power(4.0, when="!B", related="A") + power(9.0, related="B")
        pin = cell(tmp_path, f'{INPUTS} pin(Y) {{ direction : output; function : "A^B"; {groups} }}').pins["Y"]
        assert mean_energy([pin.energies["A"]], 0, 0) == pytest.approx((1.0 * 1 + 4.0 * 2) / 3)
        assert mean_energy(pin.energies.values(), 0, 0) == pytest.approx((3.0 + 9.0) / 2)

    def test_a_group_without_condition_holds_for_the_other_states(self, tmp_path: Path) -> None:
        groups = power(1.0, when="B & C", related="A") + power(5.0, related="A")
        pin = cell(tmp_path, f"{INPUTS} pin(Y) {{ direction : output; {groups} }}").pins["Y"]
        assert mean_energy(pin.energies.values(), 0, 0) == pytest.approx(1.0 / 4 + 5.0 * 3 / 4)

    def test_an_input_costs_nothing_in_a_state_that_no_group_names(self, tmp_path: Path) -> None:
        body = f"{INPUTS} pin(D) {{ direction : input; {power(8.0, when='A & !B')} }}"
        assert mean_energy(cell(tmp_path, body).pins["D"].energies.values(), 0, 0) == pytest.approx(2.0)

    def test_a_stored_bit_and_its_inverse_are_one_state(self, tmp_path: Path) -> None:
        """`Q & !QN` is half of the states, not a quarter."""
        register = "ff(IQ, IQN) { next_state : D; clocked_on : C; } pin(Q) { direction : output; function : IQ; }"
        clock = f"pin(C) {{ direction : input; {power(8.0, when='!D & Q & !QN')} }} pin(D) {{ direction : input; }}"
        body = f"{register} pin(QN) {{ direction : output; function : IQN; }} {clock}"
        assert mean_energy(cell(tmp_path, body).pins["C"].energies.values(), 0, 0) == pytest.approx(2.0)

    def test_one_direction_power_of_both_and_supplies(self, tmp_path: Path) -> None:
        rise = power(4.0, related="A", fall=False)
        both = f'internal_power() {{ related_pin : "B"; {constant_table("power", 3.0)} }}'
        supplied = "".join(
            power(value, related="C", more=f"related_pg_pin : {pg};") for pg, value in (("P", 5), ("G", 2))
        )
        pin = cell(tmp_path, f"{INPUTS} pin(Y) {{ direction : output; {rise} {both} {supplied} }}").pins["Y"]
        assert {name: mean_energy([arc], 0, 0) for name, arc in pin.energies.items()} == {"A": 2.0, "B": 3.0, "C": 7.0}

    def test_leakage_of_states_is_averaged_and_summed_over_supplies(self, tmp_path: Path) -> None:
        states = 'leakage_power() { when : "A & B"; value : 8; } leakage_power() { value : 4; }'
        well = "leakage_power() { related_pg_pin : W; value : 1; }"
        assert cell(tmp_path, f"{INPUTS} {states} {well}").leakage_uw == pytest.approx((8 / 4 + 4 * 3 / 4 + 1) / 1000)
        assert cell(tmp_path, f"{INPUTS} cell_leakage_power : 3; {states}").leakage_uw == pytest.approx(0.003)
        with pytest.raises(HardwareError, match="leakage_power is -1 in the mean"):
            cell(tmp_path, f"{INPUTS} leakage_power() {{ value : -1; }}")

    def test_a_condition_that_reads_itself_is_refused(self, tmp_path: Path) -> None:
        body = 'pin(Y) { direction : output; function : "Z"; } pin(Z) { direction : output; function : "Y"; }'
        with pytest.raises(HardwareError, match="the function of Y reads itself"):
            cell(tmp_path, f"{body} pin(A) {{ direction : input; {power(1.0, when='Y')} }}")


class TestPins:
    def test_bundles_buses_and_banks(self, tmp_path: Path) -> None:
        body = """ff_bank(IQ, IQN, 2) { next_state : "D"; clocked_on : "C"; }
          bundle(D) { members(D0, D1); direction : input; capacitance : 0.02; pin(D1) { capacitance : 0.03; } }
          bundle(Q) { members(Q0, Q1); direction : output; function : "IQ"; }
          bus(S) { bus_type : pair; direction : input; capacitance : 0.04; pin(S[0]) { capacitance : 0.05; } }
          pin(C, E) { direction : input; } pin(T[1:0]) { direction : input; capacitance : 0.06; }
          pin(W) { direction : internal; } pg_pin(VDD) { pg_type : primary_power; }"""
        made = cell(tmp_path, body)
        assert {pin.name: pin.capacitance_pf for pin in made.inputs} == {
            "D0": 0.02, "D1": 0.03, "S[0]": 0.05, "S[1]": 0.04, "C": 0.5, "E": 0.5, "T[0]": 0.06, "T[1]": 0.06,
        }  # fmt: skip
        assert {pin.name: pin.function for pin in made.outputs} == {"Q0": "IQ", "Q1": "IQ"}
        assert (made.next_state, made.state) == ("", ("IQ", "IQN"))

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("bundle(D) { direction : input; }", "bundle D has no members"),
            ("bus(D) { bus_type : none; direction : input; }", "bus D: bus_type is 'none'; no such type"),
        ],
    )
    def test_bad_bundles_and_buses_are_refused(self, body: str, message: str, tmp_path: Path) -> None:
        with pytest.raises(HardwareError, match=message):
            cell(tmp_path, body)

    def test_capacitance_of_two_directions(self, tmp_path: Path) -> None:
        made = cell(tmp_path, "pin(A) { direction : input; rise_capacitance : 0.2; fall_capacitance : 0.4; }")
        assert made.pins["A"].capacitance_pf == pytest.approx(0.3)

    def test_arcs_of_clears_and_three_state_enables_are_not_delays(self, tmp_path: Path) -> None:
        kinds = ("rising_edge", "clear", "three_state_enable")
        groups = "".join(
            f"timing() {{ related_pin : C; timing_type : {kind}; {constant_table('cell_rise', place)} }}"
            for place, kind in enumerate(kinds, 1)
        )
        pin = cell(tmp_path, f"pin(Y) {{ direction : output; {groups} }}").pins["Y"]
        assert mean_delay(pin.delays.values(), 0, 0) == 1.0


class TestFullAdder:
    FUNCTIONS = ("A^B^C", "(A B)+(A C)+(B C)")

    def adder(self, name: str, area: float, functions: tuple[str, ...], more: str = "") -> str:
        outputs = "".join(
            f'pin(Y{place}) {{ direction : output; function : "{text}"; }}' for place, text in enumerate(functions)
        )
        return f"cell ({name}) {{ area : {area}; {more} {INPUTS} {outputs} }}"

    def test_the_smallest_of_several_that_may_be_used_is_taken(self, tmp_path: Path) -> None:
        cells = [
            self.adder("strong", 9, self.FUNCTIONS),
            self.adder("weak", 5, self.FUNCTIONS[::-1]),
            self.adder("forbidden", 1, self.FUNCTIONS, "dont_use : true;"),
            self.adder("inverted", 2, ("A^B^C", "!((A B)+(A C)+(B C))")),
            "cell (filler) { area : 0; } cell (opaque) { area : 1; pin(Y) { direction : output; } }",
        ]
        text = full_adder_map(library(tmp_path, HEAD + "".join(cells) + "}"))
        assert text is not None
        assert "weak adder (.A(A), .B(B), .C(C), .Y0(X), .Y1(Y))" in text

    def test_a_library_may_have_none(self, tmp_path: Path) -> None:
        assert full_adder_map(library(tmp_path, small_liberty())) is None


class TestTimeScale:
    def test_it_follows_from_the_inverter(self, tmp_path: Path) -> None:
        """Four copies are 0.04 pF: 0.104 ns in delay and transition."""
        scale = time_scale(library(tmp_path, small_liberty()))
        assert scale.fanout_of_four_ns == pytest.approx(0.104)
        assert (scale.slew_ns, scale.step_ns, scale.asymmetry) == (0.15, 0.05, pytest.approx(1.0))

    @pytest.mark.parametrize(("unit", "slew", "step"), [("1ps", 0.00015, 0.00005), ("100ps", 0.015, 0.005)])
    def test_it_scales_with_the_library(self, unit: str, slew: float, step: float, tmp_path: Path) -> None:
        scale = time_scale(library(tmp_path, small_liberty().replace('"1ns"', f'"{unit}"')))
        assert (scale.slew_ns, scale.step_ns) == (pytest.approx(slew), pytest.approx(step))

    def test_an_absurd_library_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(HardwareError, match=r"INV driving four copies .* check time_unit"):
            time_scale(library(tmp_path, small_liberty().replace('"1ns"', '"10us"')))

    def test_a_library_without_inverter_is_refused(self, tmp_path: Path) -> None:
        text = small_liberty().replace('function : "!A"', 'function : "A"')
        with pytest.raises(HardwareError, match="no cell is an inverter"):
            time_scale(library(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("!(A B)", 0b0111),
        ("A'+B", 0b1101),
        ("A^B", 0b0110),
        ("(A*!B)|(!A&B)", 0b0110),
        ("A ^ B B'", 0b1010),
        ("1", 0b1111),
    ],
)
def test_cell_functions(text: str, truth: int) -> None:
    pins = {"A": np.array([0b1010], dtype=np.uint64), "B": np.array([0b1100], dtype=np.uint64)}
    function, names = compile_function(text)
    assert int(function(pins)[0]) & 0b1111 == truth
    assert set(names) <= {"A", "B"}


def test_functions_of_the_pins_of_a_bus() -> None:
    function, names = compile_function("A[0]&!A[1]")
    assert names == ("A[0]", "A[1]")
    assert int(function({"A[0]": np.array([0b10], np.uint64), "A[1]": np.array([0b00], np.uint64)})[0]) & 0b11 == 0b10


@pytest.mark.parametrize("text", ["A &", "(A", "A $ B", "", ")"])
def test_bad_cell_functions_are_refused(text: str) -> None:
    with pytest.raises(HardwareError, match="cell function"):
        compile_function(text)


def test_the_flip_flop_of_the_small_library_has_a_clock(tmp_path: Path) -> None:
    made = library(tmp_path, small_liberty(flip_flop(clear="!R", pins="CDR"))).cells["DFF"]
    assert (made.next_state, made.clock, made.state) == ("D", "C", ("IQ", "IQN"))
