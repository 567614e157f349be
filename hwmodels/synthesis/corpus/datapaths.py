"""Random datapaths as fixed-point hardware has them: a seed gives the same Verilog on every machine."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from hwmodels.synthesis.corpus.design import TOP, CorpusDesign

_WIDEST = 64
# Modes, shift amounts and table addresses come from ports of their own: those that are bits of the data would
# contradict each other in ways that a synthesizer finds and no designer writes.
_CONTROLS = ("input [63:0] mode", "input [5:0] amount", "input [5:0] address")


@dataclass(frozen=True, slots=True)
class _Signal:
    name: str
    bits: int
    signed: bool


def datapath_designs(seeds: range) -> Iterator[CorpusDesign]:
    """Yields one datapath per seed."""
    for seed in seeds:
        yield CorpusDesign(f"datapath_{seed}", "datapath", _Writer(random.Random(seed)).write())  # noqa: S311


@dataclass
class _Writer:
    """Writes one module: input ports, steps that each use earlier signals, output ports of what no step used."""

    random: random.Random
    signals: list[_Signal] = field(default_factory=list)
    unused: dict[str, _Signal] = field(default_factory=dict)
    declarations: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    modes: int = 0  # bits of the mode that are in use
    taken: set[str] = field(default_factory=set)  # by the step at hand: no step uses a signal twice

    def write(self) -> str:
        """Returns the text of the module."""
        ports = ["input clk", "input rst", "input rst_n", "input en", *_CONTROLS]
        for index in range(self.random.randint(2, 4)):
            bits = self.random.choice((4, 6, 8, 8, 10, 12, 16, 16, 20, 24, 32, 32))
            port = _Signal(f"in{index}", bits, self.random.random() < 0.6)
            ports.append(f"input {_shape(port)} {port.name}")
            self._add(port)
        for _ in range(self.random.randint(4, 16)):
            self.taken.clear()
            self.random.choices(_STEPS, _WEIGHTS)[0](self)
        outputs = list(self.unused.values())
        for index, signal in enumerate(outputs):
            registered = self.random.random() < 0.7
            ports.append(f"output {'reg ' if registered else ''}{_shape(signal)} out{index}")
            assigned = f"always @(posedge clk) out{index} <=" if registered else f"assign out{index} ="
            self.lines.append(f"{assigned} {signal.name};")
        body = "\n".join(f"    {line}" for line in (*self.declarations, *self.lines))
        return f"module {TOP} (\n    " + ",\n    ".join(ports) + f"\n);\n{body}\nendmodule\n"

    def _add(self, signal: _Signal) -> _Signal:
        self.signals.append(signal)
        self.unused[signal.name] = signal
        return signal

    def _pick(self, widest: int = _WIDEST, narrowest: int = 1) -> _Signal:
        """Returns a signal, one that nothing uses yet if there is one."""
        fits = self._fitting(self.unused.values(), widest, narrowest)
        if not fits or self.random.random() < 0.25:
            fits = self._fitting(self.signals, widest, narrowest) or fits
        if not fits:
            return self._fitted(widest, narrowest)
        signal = self.random.choice(fits)
        self.unused.pop(signal.name, None)
        self.taken.add(signal.name)
        return signal

    def _fitting(self, signals: Iterable[_Signal], widest: int, narrowest: int) -> list[_Signal]:
        return [each for each in signals if narrowest <= each.bits <= widest and each.name not in self.taken]

    def _fitted(self, widest: int, narrowest: int) -> _Signal:
        """Returns the low bits of a signal that is too wide, or one that is too narrow, extended."""
        source = self.random.choice([each for each in self.signals if each.name not in self.taken] or self.signals)
        self.taken.add(source.name)
        bits = self.random.randint(narrowest, min(widest, max(source.bits, narrowest)))
        wide = bits > source.bits
        result = self._wire(bits, wide and source.signed, source.name if wide else f"{source.name}[{bits - 1}:0]")
        self.unused.pop(result.name)
        return result

    def _new(self, bits: int, signed: bool, kind: str) -> _Signal:
        signal = _Signal(f"s{len(self.signals)}", min(max(bits, 1), _WIDEST), signed)
        self.declarations.append(f"{kind} {_shape(signal)} {signal.name};")
        return self._add(signal)

    def _wire(self, bits: int, signed: bool, expression: str) -> _Signal:
        signal = self._new(bits, signed, "wire")
        self.lines.append(f"assign {signal.name} = {expression};")
        return signal

    def _condition(self) -> str:
        """Returns a condition: a mode, a comparison of two signals, or a sign."""
        choice = self.random.random()
        if choice < 0.4:
            return self._mode(1)
        if choice < 0.65:
            bits = self.random.randint(2, 3)
            return f"({self._mode(bits)} == {bits}'d{self.random.randrange(1 << bits)})"
        signal = self._pick(narrowest=4)
        if choice < 0.85:
            return f"({signal.name} < {self._pick(narrowest=4).name})"
        return f"{signal.name}[{signal.bits - 1}]"

    def _mode(self, bits: int) -> str:
        """Returns bits of the mode that no other step reads."""
        low = self.modes
        self.modes = (self.modes + bits) % 60
        return f"mode[{low + bits - 1}:{low}]" if bits > 1 else f"mode[{low}]"

    def _amount(self, widest: int, narrowest: int = 1) -> _Signal:
        """Returns a shift amount: bits of its port, or a signal."""
        if self.random.random() < 0.2:
            return self._pick(widest, narrowest)
        bits = self.random.randint(narrowest, widest)
        return _Signal(f"amount[{bits - 1}:0]", bits, False)

    def add(self) -> None:
        """Adds or subtracts two signals, with or without room for the carry."""
        a, b = self._pick(), self._pick()
        room = self.random.choice((0, 1, 1))
        self._wire(max(a.bits, b.bits) + room, a.signed and b.signed, f"{a.name} {self.random.choice('++-')} {b.name}")

    def sum_of_several(self) -> None:
        """Adds three to six signals."""
        terms = [self._pick(32) for _ in range(self.random.randint(3, 6))]
        bits = max(term.bits for term in terms) + 2
        self._wire(bits, all(term.signed for term in terms), " + ".join(term.name for term in terms))

    def add_constant(self) -> None:
        """Adds a constant: a rounding half, a zero point, one."""
        a = self._pick()
        room = min(a.bits - 1, 30)
        half, zero_point = 1 << self.random.randrange(max(room, 1)), self.random.randrange(1, 1 << max(min(room, 8), 1))
        constant = self.random.choice((1, half, zero_point))
        self._wire(a.bits + self.random.randint(0, 1), a.signed, f"{a.name} + {_literal(constant, a)}")

    def multiply(self) -> None:
        """Multiplies two signals, the product whole or cut to its low bits."""
        a, b = self._pick(32, 2), self._pick(16, 2)
        whole = a.bits + b.bits
        bits = whole if self.random.random() < 0.7 else self.random.randint(max(a.bits, b.bits), whole)
        self._wire(bits, a.signed and b.signed, f"{a.name} * {b.name}")

    def multiply_by_constant(self) -> None:
        """Multiplies by a constant."""
        a = self._pick(32, 2)
        constant = self.random.randrange(3, 1 << self.random.randint(3, 15))
        self._wire(a.bits + constant.bit_length(), a.signed, f"{a.name} * {_literal(constant, a)}")

    def take_part(self) -> None:
        """Takes some bits: what a product keeps behind a constant shift."""
        a = self._pick(_WIDEST, 3)
        low = self.random.randrange(a.bits // 2 + 1)
        high = self.random.randint(low + 1, a.bits - 1)
        self._wire(high - low + 1, a.signed and high == a.bits - 1, f"{a.name}[{high}:{low}]")

    def shift_right(self) -> None:
        """Shifts right by a signal, arithmetically or logically, perhaps a word that is padded."""
        a, by = self._pick(_WIDEST, 4), self._amount(6, 2)
        if self.random.random() < 0.2 and a.bits <= 32:
            a = self._wire(2 * a.bits, False, f"{{{a.name}, {a.bits}'d0}}")
            self.unused.pop(a.name)
        bits = a.bits if self.random.random() < 0.6 else self.random.randint(max(a.bits // 2, 1), a.bits)
        self._wire(bits, a.signed, f"{a.name} {self.random.choice(('>>', '>>>', '>>>'))} {by.name}")

    def shift_left(self) -> None:
        """Shifts left by a signal."""
        a, by = self._pick(32, 2), self._amount(4, 1)
        self._wire(a.bits + self.random.choice((0, (1 << by.bits) - 1)), a.signed, f"{a.name} << {by.name}")

    def round_and_shift(self) -> None:
        """Shifts right with rounding by a half that a shifter makes."""
        a, by = self._pick(48, 8), self._amount(5, 2)
        one = f"{{{{{a.bits}{{1'b0}}}}, 1'b1}}"
        half = self._wire(a.bits + 1, False, f"({one} << {by.name}) >> 1")
        self.unused.pop(half.name)
        text = f"{a.name} + $signed({{1'b0, {half.name}}})" if a.signed else f"{a.name} + {half.name}"
        total = self._wire(a.bits + 1, a.signed, text)
        self.unused.pop(total.name)
        self._wire(a.bits, a.signed, f"{total.name} >>> {by.name}")

    def saturate(self) -> None:
        """Clamps to fewer bits, by comparisons or by testing the bits above."""
        a = self._pick(_WIDEST, 6)
        bits = self.random.randint(min(8, a.bits - 1), a.bits - 1)
        if a.signed and self.random.random() < 0.4:
            sign, top = f"{a.name}[{a.bits - 1}]", f"{a.name}[{a.bits - 1}:{bits - 1}]"
            fits = f"(&{top} || ~|{top})"
            limit = f"{{{sign}, {{{bits - 1}{{~{sign}}}}}}}"
            self._wire(bits, True, f"{fits} ? {a.name}[{bits - 1}:0] : {limit}")
            return
        bits = min(bits, 31)
        high = (1 << (bits - a.signed)) - 1
        expression = f"({a.name} > {_literal(high, a)}) ? {_literal(high, a)} : "
        if a.signed:
            expression += f"({a.name} < -{_literal(high + 1, a)}) ? -{_literal(high + 1, a)} : "
        self._wire(bits, a.signed, f"{expression}{a.name}")

    def choose(self) -> None:
        """Chooses between two signals."""
        a, b = self._pick(), self._pick()
        self._wire(max(a.bits, b.bits), a.signed and b.signed, f"{self._condition()} ? {a.name} : {b.name}")

    def choose_in_process(self) -> None:
        """Chooses by a chain of ``if`` in a process."""
        options = [self._pick(40) for _ in range(self.random.randint(2, 4))]
        conditions = [self._condition() for _ in options[1:]]
        result = self._new(max(each.bits for each in options), all(each.signed for each in options), "reg")
        chain = "".join(
            f"if {condition if condition[0] == '(' else f'({condition})'} {result.name} = {option.name}; else "
            for condition, option in zip(conditions, options, strict=False)
        )
        self.lines.append(f"always @* {chain}{result.name} = {options[-1].name};")

    def select_by_case(self) -> None:
        """Selects one of several signals by a case."""
        bits = self.random.randint(2, 3)
        by = _Signal(self._mode(bits), bits, False)
        options = [self._pick(32) for _ in range(self.random.randint(2, 1 << by.bits))]
        result = self._new(max(each.bits for each in options), False, "reg")
        items = " ".join(f"{by.bits}'d{i}: {result.name} = {each.name};" for i, each in enumerate(options[1:]))
        self.lines.append(f"always @* case ({by.name}) {items} default: {result.name} = {options[0].name}; endcase")

    def look_up(self) -> None:
        """Looks constants up in a table of a case."""
        address, bits = self.random.randint(2, 6), self.random.randint(4, 20)
        by = _Signal(f"address[{address - 1}:0]", address, False)
        result = self._new(bits, False, "reg")
        items = " ".join(
            f"{by.bits}'d{i}: {result.name} = {bits}'d{self.random.randrange(1 << bits)};"
            for i in range(self.random.randint(1 << (by.bits - 1), (1 << by.bits) - 1))
        )
        self.lines.append(f"always @* case ({by.name}) {items} default: {result.name} = 0; endcase")

    def logic(self) -> None:
        """Combines two signals bit by bit."""
        a, b = self._pick(), self._pick()
        operator = self.random.choice(("&", "|", "^", "~^"))
        self._wire(max(a.bits, b.bits), a.signed and b.signed, f"{a.name} {operator} {b.name}")

    def magnitude(self) -> None:
        """Returns the absolute value or the negative of a signal."""
        a = self._pick()
        text = f"{a.name}[{a.bits - 1}] ? -{a.name} : {a.name}" if self.random.random() < 0.6 else f"-{a.name}"
        self._wire(a.bits, a.signed, text)

    def store(self) -> None:
        """Keeps a signal in a register, with or without reset and enable."""
        a = self._pick()
        result = self._new(a.bits, a.signed, "reg")
        edge, reset = self.random.choice(
            (
                ("", ""),
                ("", ""),
                ("", "if (rst)"),
                (" or negedge rst_n", "if (!rst_n)"),
                (" or posedge rst", "if (rst)"),
            )
        )
        enable = self.random.choice(("", "if (en) "))
        body = f"{enable}{result.name} <= {a.name};"
        if reset:
            body = f"{reset} {result.name} <= 0; else {body}"
        self.lines.append(f"always @(posedge clk{edge}) {body}")

    def accumulate(self) -> None:
        """Sums up a signal in a register."""
        a = self._pick(24)
        result = self._new(a.bits + 8, a.signed, "reg")
        self.lines.append(
            f"always @(posedge clk) if (rst) {result.name} <= 0; "
            f"else if (en) {result.name} <= {result.name} + {a.name};"
        )

    def pad(self) -> None:
        """Joins two signals, or pads one with zeros."""
        a = self._pick(32)
        if self.random.random() < 0.5:
            zeros = self.random.randint(1, 16)
            self._wire(a.bits + zeros, False, f"{{{a.name}, {zeros}'d0}}")
        else:
            b = self._pick(32)
            self._wire(a.bits + b.bits, False, f"{{{a.name}, {b.name}}}")


def _shape(signal: _Signal) -> str:
    return f"{'signed ' if signal.signed else ''}[{signal.bits - 1}:0]"


def _literal(number: int, like: _Signal) -> str:
    bits = number.bit_length() + 1
    return f"{bits}'sd{number}" if like.signed else f"{bits}'d{number}"


_CHOICES: dict[Callable[[_Writer], None], int] = {
    _Writer.add: 6, _Writer.sum_of_several: 2, _Writer.add_constant: 4, _Writer.multiply: 4,
    _Writer.multiply_by_constant: 2, _Writer.take_part: 3, _Writer.shift_right: 4, _Writer.shift_left: 1,
    _Writer.round_and_shift: 1, _Writer.saturate: 5, _Writer.choose: 4, _Writer.choose_in_process: 2,
    _Writer.select_by_case: 2, _Writer.look_up: 1, _Writer.logic: 1, _Writer.magnitude: 2, _Writer.store: 4,
    _Writer.accumulate: 1, _Writer.pad: 2,
}  # fmt: skip
_STEPS, _WEIGHTS = list(_CHOICES), list(_CHOICES.values())
