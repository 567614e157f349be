"""Renders the text files of an exported design from templates."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import jinja2

from dse import formats
from dse.export.document import DesignDocument
from dse.export.interface import Interface
from dse.export.ports import UnitPort, ports_of
from dse.export.units import Unit, variable_shift
from dse.export.vectors import Vectors
from hwmodels.parsing import parse_files
from nets.narrow import StageConstants
from nets.network import IntArray

if TYPE_CHECKING:
    from dse.export.synthesis import SynthesisReport


BARE = Interface()


@cache
def _environment() -> jinja2.Environment:
    # Verilog, C and Markdown: text from files passes through `comment`, `cell` or `quoted` instead of HTML escapes.
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("dse.export"),
        autoescape=False,  # noqa: S701 -- no HTML is made here
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        comment=comment, cell=cell, c_int=c_int, number=formats.number, signed=formats.signed, change=formats.change
    )
    made.globals.update(
        literal=literal, wired=wired, stall=_longest_stall, quoted=json.dumps, interval=formats.interval
    )
    return made


def _rendered(template: str, **values: object) -> str:
    return _environment().get_template(template).render(values)


def comment(text: object) -> str:
    """Returns the text without characters that could end a comment of Verilog or C."""
    return re.sub(r"[^\w .,:;=+()-]", "_", str(text))


def cell(text: object) -> str:
    """Returns the text without characters that could leave a cell of a Markdown table."""
    return re.sub(r"[|`<>\n\r\[\]]", "_", str(text))


def literal(value: int, bits: int) -> str:
    """Returns a signed Verilog constant of that width."""
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f"{value} does not fit {bits} signed bits")
    # The most negative value has no positive counterpart of its width, so all are written as bits.
    return f"$signed({bits}'h{value & (1 << bits) - 1:x})"


def wired(value: int, bits: int) -> str:
    """Returns an unsigned Verilog constant of that width."""
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{value} does not fit {bits} bits")
    return f"{bits}'h{int(value):x}"


def _longest_stall(interval: int) -> int:
    """Returns the longest stall of a test bench in cycles: a power of two less one, longer than two operands take."""
    return int((1 << (2 * interval).bit_length()) - 1)


def unit_verilog(unit: Unit, design: str, interface: Interface = BARE) -> str:
    """Returns the Verilog module that instantiates one rescaler."""
    connections = _connections(unit, interface)
    return _rendered(
        "unit.v.j2", unit=unit, design=design, interface=interface, ports=ports_of(unit, interface),
        parameters=interface.core_parameters(unit), connections=connections, enable=dict(connections)["enable"],
    )  # fmt: skip


def parameters_verilog(unit: Unit, design: str, interface: Interface = BARE) -> str:
    """Returns the Verilog module that holds the parameters of all channels."""
    words = []
    for word in _words(unit):
        bias, rest = word >> unit.parameter_word_bits, word & ((1 << unit.parameter_word_bits) - 1)
        words.append((bias - (bias >> (unit.accumulator_bits - 1) << unit.accumulator_bits), rest))
    return _rendered("parameters.v.j2", unit=unit, design=design, interface=interface, words=words)


def _connections(unit: Unit, interface: Interface) -> list[tuple[str, str]]:
    """Returns what every port of the instantiated module is connected to; constants are wired."""
    first, last = unit.stages[0], unit.stages[-1]
    slices = _slices(unit)
    drivers = {
        "clk": "clk",
        "reset": interface.reset_port or "1'b0",
        "enable": _enable(unit, interface),
        "start": "in_valid",
        "busy": "busy",
        "finish": "finish",
        "zero_point": literal(unit.zero_point, unit.output_bits),
        "q_min": literal(unit.q_min, unit.output_bits),
        "q_max": literal(unit.q_max, unit.output_bits),
        "q": "q",
    }
    if unit.is_add:
        for name, each in zip(("scaled", "halved"), unit.constants.inputs, strict=True):
            drivers[f"{name}_input"] = f"~{name}_input" if each.complemented else f"{name}_input"
            drivers[f"{name}_zero"] = literal(each.zero_point, unit.operand_bits)
        drivers |= {"mult_in": _wired_multiplier(first), "shift_in": "1'b0"}
        drivers |= {"mult_out": _wired_multiplier(last), "shift_out": "1'b0"}
    else:
        drivers |= {"acc": "acc", "mult": _multiplier(unit, slices)}
        drivers["shift"] = f"word[{slices['shift']}]" if "shift" in slices else "1'b0"
    return [(port.name, drivers[port.name]) for port in parse_files(unit.files, unit.module, unit.parameters).ports]


def _enable(unit: Unit, interface: Interface) -> str:
    if unit.serial or interface.handshake == "valid_ready":
        return "advance"
    return "enable" if interface.handshake == "enable" else "1'b1"


def _wired_multiplier(stage: StageConstants) -> str:
    return wired(int(stage.multiplier[0]), stage.multiplier_bits)


def _multiplier(unit: Unit, slices: Mapping[str, str]) -> str:
    if "mult" in slices:
        return f"{{1'b1, word[{slices['mult']}]}}"
    return _wired_multiplier(unit.stages[-1])


def _slices(unit: Unit) -> dict[str, str]:
    """Returns the bit range of each field of a word of parameters, which has no bias."""
    slices, high = {}, unit.parameter_word_bits - 1
    for name, width in unit.parameter_fields:
        slices[name] = f"{high}:{high - width + 1}"
        high -= width
    return slices


def memory_hex(unit: Unit) -> str:
    """Returns the parameter memory for $readmemh."""
    return _hex_lines(unit.fields, _words(unit))


def _words(unit: Unit) -> list[int]:
    """Returns a memory word per channel; none if the constants are wired."""
    if unit.bias is None:
        return []
    last = unit.stages[-1]
    stored = {"bias": unit.bias, "mult": last.multiplier, "shift": variable_shift(last)}
    return _packed(unit.fields, [stored[name] for name, _ in unit.fields])


def vectors_hex(unit: Unit, vectors: Vectors) -> str:
    """Returns test vectors for $readmemh, fields in the order of the test bench."""
    columns = [*vectors.operands.T, vectors.expected]
    if not unit.is_add:
        columns = [vectors.channel, *([] if unit.bias is None else [unit.bias[vectors.channel]]), *columns]
    return _hex_lines(unit.vector_fields, _packed(unit.vector_fields, columns))


def _packed(fields: Sequence[tuple[str, int]], columns: Sequence[IntArray]) -> list[int]:
    """Returns a word per row: the fields' two's complements side by side, the first one highest."""
    words = [0] * len(columns[0])
    for (_, bits), column in zip(fields, columns, strict=True):
        words = [word << bits | value & (1 << bits) - 1 for word, value in zip(words, column.tolist(), strict=True)]
    return words


def _hex_lines(fields: Sequence[tuple[str, int]], words: Sequence[int]) -> str:
    digits = (sum(bits for _, bits in fields) + 3) // 4
    return "".join(f"{word:0{digits}x}\n" for word in words)


def testbench(
    units: tuple[Unit, ...], vectors: dict[str, Vectors], design: str, samples: int, interface: Interface
) -> str:
    """Returns the self-checking test bench of all units."""
    benches = [(unit, len(vectors[unit.name])) for unit in units]
    ports = {unit.identifier: ports_of(unit, interface) for unit in units}
    return _rendered(
        "testbench.v.j2", benches=benches, design=design, samples=samples, interface=interface, ports=ports
    )


def c_header(units: tuple[Unit, ...], design: str, contract: str) -> str:
    """Returns a C header with the constants of every rescaler."""
    guard = f"RESCALERS_{re.sub(r'[^A-Z0-9]', '_', design.upper())}_H"
    return _rendered("rescalers.h.j2", units=units, design=design, contract=contract, guard=guard)


def c_int(value: int) -> str:
    """Returns a C literal; INT32_MIN has none of its own."""
    return "INT32_MIN" if value == -(2**31) else str(value)


def readme(
    document: DesignDocument,
    units: tuple[Unit, ...],
    design: str,
    samples: int,
    interface: Interface = BARE,
    report: SynthesisReport | None = None,
    style: str = "streaming",
) -> str:
    """Returns the README: the folder's contents, the units' ports, and how to simulate and synthesize them."""
    return _rendered(
        "README.md.j2", document=document, units=units, design=design, samples=samples, interface=interface,
        report=report, style=style, ports=port_rows([ports_of(unit, interface) for unit in units]),
    )  # fmt: skip


def port_rows(ports: Sequence[Sequence[UnitPort]]) -> list[tuple[UnitPort, str]]:
    """Returns every port once, with the range of its widths in bits; meanings and times that units differ in follow."""
    every: dict[str, list[UnitPort]] = {}
    for port in itertools.chain.from_iterable(ports):
        every.setdefault(port.name, []).append(port)
    widths = {name: sorted({port.bits for port in group}) for name, group in every.items()}
    alike = {
        name: replace(
            group[0],
            meaning="; or ".join(dict.fromkeys(port.meaning for port in group)),
            timing=" or ".join(dict.fromkeys(port.timing for port in group)),
        )
        for name, group in every.items()
    }
    return [
        (alike[name], str(widths[name][0]) if len(widths[name]) == 1 else f"{widths[name][0]} to {widths[name][-1]}")
        for name in every
    ]


def synthesis_script(units: Sequence[Unit], design: str, script: str, adders: bool) -> str:
    """Returns a shell script that synthesizes the units with yosys.

    Args:
        units: the units.
        design: title of the design.
        script: ABC script that maps logic.
        adders: whether ``synthesis/adders.v`` maps full adders to those of a library.
    """
    return _rendered("yosys.sh.j2", units=units, design=design, script=script, adders=adders)


def constraints(interface: Interface, design: str, clock_mhz: float | None) -> str:
    """Returns timing constraints that hold for every unit."""
    return _rendered("constraints.sdc.j2", interface=interface, design=design, clock_mhz=clock_mhz)
