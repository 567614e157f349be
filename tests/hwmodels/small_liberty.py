"""A small cell library that any design can be mapped to, with round numbers to check results by."""

from pathlib import Path

_TABLE = 'index_1 ("0.0, 1.0"); index_2 ("0.0, 1.0"); values ("{a}, {a}", "{b}, {b}");'
_HEAD = """library(small) {
  time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1uA"; leakage_power_unit : "1nW";
  capacitive_load_unit (1, pf); nom_voltage : 2.0; nom_temperature : 25;
  lu_table_template(t) {
    variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
    index_1 ("0.0, 1.0"); index_2 ("0.0, 1.0");
  }
  power_lut_template(passive) { variable_1 : input_transition_time; index_1 ("0.0, 1.0"); }
  /* every gate: 0.1 ns at no load and 0.1 ns more per pF; 0.05 pJ inside; inputs of 0.01 pF */
"""


def _gate(name: str, area: float, function: str, pins: str) -> str:
    inputs = "".join(f"  pin({pin}) {{ direction : input; capacitance : 0.01; }}\n" for pin in pins)
    delay = _TABLE.format(a=0.1, b=0.2)
    energy = _TABLE.format(a=0.05, b=0.05)
    arcs = "".join(
        f'timing() {{ related_pin : "{pin}"; timing_sense : non_unate;'
        f" cell_rise(t) {{ {delay} }} cell_fall(t) {{ {delay} }}"
        f" rise_transition(t) {{ {delay} }} fall_transition(t) {{ {delay} }} }}\n"
        f'internal_power() {{ related_pin : "{pin}"; rise_power(t) {{ {energy} }} fall_power(t) {{ {energy} }} }}\n'
        for pin in pins
    )
    return (
        f"cell ({name}) {{ area : {area}; cell_leakage_power : 2;\n{inputs}"
        f'  pin(Y) {{ direction : output; function : "{function}"; {arcs} }}\n}}\n'
    )


def flip_flop(
    *, next_state: str = "D", clear: str = "", output: str = "Q", function: str = "IQ", pins: str = "CD"
) -> str:
    """Return a flip-flop whose clock is C, with an asynchronous clear if one is given."""
    delay = _TABLE.format(a=0.1, b=0.2)
    energy = 'index_1 ("0.0, 1.0"); values ("0.02, 0.02");'
    power = f"internal_power() {{ rise_power(passive) {{ {energy} }} fall_power(passive) {{ {energy} }} }}"
    inputs = "".join(
        f"  pin({pin}) {{ direction : input; capacitance : 0.01; {'clock : true; ' + power if pin == 'C' else ''} }}\n"
        for pin in pins
    )
    clears = f'clear : "{clear}"; ' if clear else ""
    return (
        "cell (DFF) { area : 8; cell_leakage_power : 4;\n"
        f'  ff(IQ, IQN) {{ next_state : "{next_state}"; clocked_on : "C"; {clears}}}\n{inputs}'
        f'  pin({output}) {{ direction : output; function : "{function}"; timing() {{ related_pin : "C";'
        f" timing_type : rising_edge; cell_rise(t) {{ {delay} }} cell_fall(t) {{ {delay} }} }} }}\n}}\n"
    )


def small_liberty(register: str | None = None) -> str:
    """Return the text of the library, with another flip-flop if one is given."""
    gates = [
        _gate("INV", 1.0, "!A", "A"),
        _gate("NAND2", 2.0, "!(A B)", "AB"),
        _gate("NOR2", 2.0, "!(A+B)", "AB"),
        _gate("XOR2", 4.0, "(A^B)", "AB"),
        _gate("BUF", 1.5, "A", "A"),
    ]
    return _HEAD + "".join(gates) + (register or flip_flop()) + "}\n"


def write_small_liberty(folder: Path) -> Path:
    """Write the library into a folder."""
    path = folder / "small.lib"
    path.write_text(small_liberty())
    return path
