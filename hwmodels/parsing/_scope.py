"""Names of a module: parameters, nets and variables, functions, and the generate blocks in which they live."""

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from pyverilog.vparser import ast

from hwmodels.parsing._facts import ExpressionFacts, Shape
from hwmodels.parsing._source import SourceText
from hwmodels.parsing._values import Value
from hwmodels.parsing._wiring import Wires, Wiring
from hwmodels.parsing._work import Work


class Net(NamedTuple):
    """A declared net or variable.

    Attributes:
        name: full name, with its generate blocks.
        width: bits of one word.
        signed: whether it was declared signed.
        lsb: index of its lowest bit.
        descending: whether the range was written [msb:lsb] with msb >= lsb.
        words: words of a memory, or 0 for a plain vector.
        first: lowest address of a memory.
        apart: whether the words are variables of their own, as no address that varies writes them.
        known: low bits that are constant, as (count, their value).
        depth: gate levels in front of it.
        filled: bits that carry information if fewer than ``width`` are known to (see ``Value``).
    """

    name: str
    width: int
    signed: bool
    lsb: int = 0
    descending: bool = True
    words: int = 0
    first: int = 0
    apart: bool = False
    filled: int | None = None
    known: tuple[int, int] = (0, 0)
    depth: float = 0.0

    def offset(self, index: int) -> int:
        """Returns the position from bit 0 of a declared index."""
        return index - self.lsb if self.descending else self.lsb - index

    @property
    def lowest_index(self) -> int:
        """The smallest declared index."""
        return self.lsb if self.descending else self.lsb - self.width + 1

    def word(self, index: int) -> "Net | None":
        """Returns the variable that a word of an array is, None outside of it."""
        if not 0 <= index - self.first < self.words:
            return None
        return Net(f"{self.name}[{index}]", self.width, self.signed, self.lsb, self.descending)

    def value(self, signed: bool, bits: Wires) -> Value:
        """Returns the whole of it in an expression, where its wires are ``bits``."""
        return Value(self.width, signed, filled=self.filled, known=self.known, depth=self.depth, bits=bits)


Symbol: TypeAlias = Net | Value | ast.Function


@dataclass(slots=True)
class Scope:
    """One level of names.

    Attributes:
        source: for the place of errors.
        prefix: hierarchical name of the level, '' at the top of a module.
        names: symbols declared at this level.
        parent: the level around it, or None.
        shapes: (width, signed) of expressions seen at this level, by the identity of their node.
        numbers: values of constant expressions seen at this level, by the identity of their node.
        facts: facts of the module's expressions that no parameter changes.
        work: the work of the whole elaboration.
        wiring: the wires of the whole elaboration.
    """

    source: SourceText
    prefix: str = ""
    facts: ExpressionFacts = field(default_factory=ExpressionFacts)
    names: dict[str, Symbol] = field(default_factory=dict)
    parent: "Scope | None" = None
    work: Work = field(default_factory=Work)
    wiring: Wiring = field(default_factory=Wiring)
    shapes: dict[int, Shape] = field(init=False, default_factory=dict)
    numbers: dict[int, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.shapes.update(self.facts.shapes)
        self.numbers.update(self.facts.numbers)

    def child(self, name: str) -> "Scope":
        """Returns a new level below this one."""
        self._spend_copy()
        return Scope(self.source, f"{self.prefix}{name}.", self.facts, parent=self, work=self.work, wiring=self.wiring)

    def spend(self, steps: int, line: int) -> None:
        """Counts steps of work that the code at ``line`` causes; see :meth:`Work.spend`."""
        self.work.spend(steps, self.source, line)

    def find(self, name: str) -> Symbol | None:
        """Returns the symbol of a name at this level or the nearest one around it, None if there is none."""
        level = self._level(name)
        return None if level is None else level.names[name]

    def replace(self, name: str, symbol: Symbol) -> None:
        """Replaces the symbol of a name, at the level that declared it."""
        level = self._level(name)
        if level is not None:
            level.names[name] = symbol

    def _level(self, name: str) -> "Scope | None":
        scope: Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.parent
        return scope

    def assign(self, name: str, symbol: Symbol) -> None:
        """Gives a name of this level another meaning, and drops the cached facts of expressions."""
        self.names[name] = symbol
        self._spend_copy()
        self.forget()

    def _spend_copy(self) -> None:
        """Counts a copy of the module's facts."""
        self.spend(1 + (len(self.facts.shapes) >> 6), 1)

    def forget(self) -> None:
        """Forgets the cached facts of expressions."""
        self.shapes.clear()
        self.numbers.clear()
        self.__post_init__()

    def declare(self, name: str, symbol: Symbol, line: int) -> None:
        """Adds a name to this level; a second, different declaration is an error."""
        if name in self.names:
            raise self.source.error(line, f"{name!r} is declared twice")
        self.names[name] = symbol
