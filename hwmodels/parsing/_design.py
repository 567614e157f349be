"""Elaborated designs: operators, registers, memories and ports with resolved widths."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hwmodels.parsing._wiring import Wires


@dataclass(frozen=True, slots=True)
class Operand:
    """An input of an operator.

    Attributes:
        width: bits by the rules of the language.
        signed: whether it is read as two's complement.
        constant: its value, or None for a signal.
        active: bits that carry information; those above repeat the sign or are zero.
        low_zeros: low bits that are constant zeros.
        lowest: its lowest bit, if that is constant.
    """

    width: int
    signed: bool
    constant: int | None
    active: int
    low_zeros: int = 0
    lowest: int | None = None


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of a design.

    An operand keeps its own width (its context would only extend it); the result has the width of its context
    (IEEE 1364-2005, 5.4). Hardware costs follow the active bits, which leave out what extension adds.

    Attributes:
        kind: name as in yosys' cell library without '$': add, sub, mul, sshr, lt, mux, ...
        operands: inputs in order; of a mux: value if false, value if true, select.
        width: bits of the result.
        active: bits of the result that carry information.
        signed: whether the operator computes on signed numbers.
        where: file and line.
        free_bits: low bits of the result that need no logic, as constants fix them or one operand passes through.
        depth: estimate of the gate levels in front of it since the last register or input.
        path: hierarchical name of the instance that holds it, '' at the top.
        inputs: wires of each operand, the lowest bit first.
        outputs: wires of the result.
        stride: bits that one step of the index of a shiftx or demux skips.
        first: index that means bit 0 there.
    """

    kind: str
    operands: tuple[Operand, ...]
    width: int
    active: int
    signed: bool
    where: str = ""
    path: str = ""
    free_bits: int = 0
    depth: float = 0.0
    inputs: tuple[Wires, ...] = ()
    outputs: Wires = ()
    stride: int = 1
    first: int = 0


@dataclass(frozen=True, slots=True)
class Register:
    """Flip-flops of one variable.

    Attributes:
        name: the variable, with the instance that holds it.
        width: number of bits.
        asynchronous_reset: whether they have one.
        where: file and line of the process.
        path: hierarchical name of the instance that holds it, '' at the top.
        state: wires that hold the stored bits.
        following: wires of the next value.
        reset_value: wires of the value after an asynchronous reset.
    """

    name: str
    width: int
    asynchronous_reset: bool = False
    where: str = ""
    path: str = ""
    state: Wires = ()
    following: Wires = ()
    reset_value: Wires = ()


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the top module."""

    name: str
    direction: str
    width: int
    signed: bool
    wires: Wires = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """An array of words that is read or written by address."""

    name: str
    width: int
    words: int


@dataclass(frozen=True, slots=True)
class Design:
    """An elaborated design: the top module's name, resolved parameters and ports in order, the hierarchy's hardware.

    Attributes:
        drivers: per connected wire, the wire that drives it.
        driven_twice: wires that several connections drive.
    """

    top: str
    parameters: Mapping[str, int]
    ports: tuple[Port, ...]
    operators: tuple[Operator, ...]
    registers: tuple[Register, ...]
    memories: tuple[Memory, ...] = ()
    drivers: Mapping[int, int] = field(default_factory=dict, repr=False)
    driven_twice: frozenset[int] = frozenset()

    @property
    def register_bits(self) -> int:
        """Total number of flip-flops."""
        return sum(register.width for register in self.registers)
