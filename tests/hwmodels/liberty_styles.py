"""Rewrites a Liberty library in the style of others: units, order of indices, quotation marks, other models."""

from dataclasses import dataclass

from hwmodels.synthesis.liberty_syntax import Group

_TIMES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
_ENERGIES = ("rise_power", "fall_power")
_SLEWS = ("input_net_transition", "input_transition_time")
# What other tools find in libraries of today, and this project does not read.
_CURRENTS = """output_current_rise () { vector (ccs) { reference_time : 5.5; index_1 ("5"); index_2 ("0.7");
  index_3 ("1, 2, 3"); values ("-0.01, 0.2, 0.3"); } }
  receiver_capacitance () { receiver_capacitance1_rise (t) { values ("0.1, 0.2", "0.1, 0.2"); } }
  ocv_sigma_cell_rise (t) { sigma_type : "early"; values ("0.1, 0.2", "0.1, 0.2"); }
"""
_SETUP = """timing () { related_pin : "C"; timing_type : setup_rising;
  rise_constraint (constraint) { values ("-0.2, -0.1", "0.3, -1e-2"); } }
"""
_HEAD = """define ("drive", cell, integer); define_group (user_table, library); technology (cmos);
  date : "$Date: Mon, 1 // 2 /* 3 */ $"; delay_model : table_lookup; voltage_map (VDD, 2.0); voltage_map (VSS, 0);
  operating_conditions (typical) { process : 1; temperature : 25; voltage : 2.0; tree_type : "balanced_tree"; }
  ocv_table_template (aocv) { variable_1 : path_depth; index_1 ("1, 2"); }
  output_current_template (ccs) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    variable_3 : time; }
  lu_table_template (constraint) { variable_1 : constrained_pin_transition; variable_2 : related_pin_transition;
    index_1 ("0, 1"); index_2 ("0, 1"); }
"""


@dataclass(frozen=True)
class Style:
    """How a library is written.

    Attributes:
        ps, ff, pw: whether times are in ps, loads in fF, leakages in pW; else in ns, pF, nW.
        slew_first: whether the first index of a table is the input transition; else the load.
        quoted: whether rows of numbers are in quotation marks, each row its own; else all numbers are bare.
        modern: whether there are groups of other models, constraints, supplies and user attributes.
    """

    ps: bool
    ff: bool
    pw: bool
    slew_first: bool
    quoted: bool
    modern: bool


def restyled(library: Group, style: Style) -> str:
    """Return the text of a library in ns, pF and nW whose tables have the load first, written in a style."""
    head = _HEAD if style.modern else ""
    return f"library({library.arguments[0]}) {{ /* made \n by a test */ \n{head}{_body(library, style, 'library')}}}\n"


def _body(group: Group, style: Style, kind: str) -> str:
    lines = []
    values = group.values
    if style.slew_first and "variable_2" in values:
        values = {**values, "variable_1": values["variable_2"], "variable_2": values["variable_1"]}
    lines += [f"{name} : {_simple(name, value, style)} ;" for name, value in values.items()]
    for name, words in group.lists.items():
        if name == "capacitive_load_unit":
            words = ("1", "ff") if style.ff else words
        if not name.startswith(("index_", "values")):
            lines.append(f"{name} ({','.join(words)});")
    if kind in ("lu_table_template", "power_lut_template", *_TIMES, *_ENERGIES):
        lines += _table(group, style, kind)
    lines += [_inner(inner, style) for members in group.groups.values() for inner in members]
    lines += _modern(group, kind) if style.modern else []
    return "".join(f"  {line}\n" for line in lines)


def _inner(group: Group, style: Style) -> str:
    arguments = ", ".join(group.arguments)
    if style.quoted and group.kind in _TIMES:
        arguments = f'"{arguments}"'
    return f"{group.kind} ({arguments}) {{\n{_body(group, style, group.kind)}}}"


def _modern(group: Group, kind: str) -> list[str]:
    if kind == "pin" and group.arguments == ("D",):
        return [_SETUP]
    supply = "pg_pin (VDD) { pg_type : primary_power; voltage_name : VDD; }"
    return {"timing": [_CURRENTS], "cell": [supply]}.get(kind, [])


def _simple(name: str, value: str, style: Style) -> str:
    match name:
        case "time_unit" if style.ps:
            value = "1ps"
        case "leakage_power_unit" if style.pw:
            value = "1pW"
        case "capacitance" if style.ff:
            value = str(float(value) * 1e3)
        case "cell_leakage_power" if style.pw:
            value = str(float(value) * 1e3)
    numeric = value.replace(".", "").isdigit()
    return value if numeric and not style.quoted else f'"{value}"'


def _table(group: Group, style: Style, kind: str) -> list[str]:
    """Return variables, indices and values; of two indices, in the order of the style."""
    lists = {key: [[float(w) for w in word.replace(",", " ").split()] for word in group.lists[key]]
             for key in group.lists}  # fmt: skip
    slews = {"index_1": group.values.get("variable_1", "") in _SLEWS or "index_2" not in lists, "index_2": True}
    scales = {name: (1e3 if style.ps else 1.0) if slew else (1e3 if style.ff else 1.0) for name, slew in slews.items()}
    indices = {name: [x * scales[name] for row in lists[name] for x in row] for name in scales if name in lists}
    energy = 1e3 if style.ff else 1.0
    scale = (1e3 if style.ps else 1.0) if kind in _TIMES else energy
    rows = [[x * scale for x in row] for row in lists.get("values", [])]
    if style.slew_first and len(indices) == 2:
        indices = {"index_1": indices["index_2"], "index_2": indices["index_1"]}
        rows = [list(column) for column in zip(*rows, strict=True)]
    lines = [f"{name} ({_row(points, style)});" for name, points in indices.items()]
    return lines + ([f"values ({_rows(rows, style)});"] if rows else [])


def _row(points: list[float], style: Style) -> str:
    text = ", ".join(map(repr, points))
    return f'"{text}"' if style.quoted else text


def _rows(rows: list[list[float]], style: Style) -> str:
    glue = ", \\ \n" if style.quoted else ",\\\n"  # a blank behind the backslash, as some have it
    return glue.join(_row(row, style) for row in rows)
