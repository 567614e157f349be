"""What yosys' operators compute, as terms of the solver (yosys manual, "Internal cell library")."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from bitwuzla import Kind, Term

from hwmodels.errors import HardwareError
from hwmodels.proof._exact import Exact
from hwmodels.proof._netlist import Cell
from hwmodels.proof._products import Products
from hwmodels.proof._words import Bits, Words, constant, extended, is_constant, number

_ARITHMETIC: Final = {"$add": Kind.BV_ADD, "$sub": Kind.BV_SUB}
_BITWISE: Final = {"$and": Kind.BV_AND, "$or": Kind.BV_OR, "$xor": Kind.BV_XOR, "$xnor": Kind.BV_XNOR}
_ABSORBING: Final = {"$and": 0, "$or": 1}  # a constant bit that decides the result; the other one passes it on
_COMPARISONS: Final = {
    "$eq": (Kind.EQUAL, Kind.EQUAL),
    "$eqx": (Kind.EQUAL, Kind.EQUAL),
    "$ne": (Kind.DISTINCT, Kind.DISTINCT),
    "$nex": (Kind.DISTINCT, Kind.DISTINCT),
    "$lt": (Kind.BV_ULT, Kind.BV_SLT),
    "$le": (Kind.BV_ULE, Kind.BV_SLE),
    "$gt": (Kind.BV_UGT, Kind.BV_SGT),
    "$ge": (Kind.BV_UGE, Kind.BV_SGE),
}
_REDUCTIONS: Final = {
    "$reduce_and": Kind.BV_REDAND,
    "$reduce_or": Kind.BV_REDOR,
    "$reduce_bool": Kind.BV_REDOR,
    "$reduce_xor": Kind.BV_REDXOR,
    "$reduce_xnor": Kind.BV_REDXOR,
}
_QUOTIENTS: Final = {
    "$div": (Kind.BV_UDIV, Kind.BV_SDIV),
    "$mod": (Kind.BV_UREM, Kind.BV_SREM),
}


class Operators:
    """Builds the result of a cell from the bits of its inputs.

    What the language leaves undefined (an index out of range, a division by 0) becomes an unknown word.
    """

    def __init__(self, words: Words, products: Products) -> None:
        self._words, self._products, self._unknowns = words, products, 0
        self._manager, self._exact = words.manager, products.exact
        self._polynomials: dict[str, Callable[[Cell, Mapping[str, Bits]], Exact | None]] = {
            "$add": self._exact_sum,
            "$sub": self._exact_sum,
            "$neg": self._exact_negative,
            "$mux": self._exact_choice,
            "$and": self._exact_mask,
        }
        self._rules: dict[str, Callable[[Cell, Mapping[str, Bits]], Bits]] = {
            **dict.fromkeys(_ARITHMETIC, self._arithmetic),
            **dict.fromkeys(_BITWISE, self._bitwise),
            **dict.fromkeys(_COMPARISONS, self._comparison),
            **dict.fromkeys(_REDUCTIONS, self._reduction),
            **dict.fromkeys(_QUOTIENTS, self._quotient),
            **dict.fromkeys(("$shl", "$sshl", "$shr", "$sshr", "$shift", "$shiftx"), self._shift),
            **dict.fromkeys(("$logic_and", "$logic_or", "$logic_not"), self._logic),
            **dict.fromkeys(("$not", "$neg", "$pos"), self._unary),
            "$mul": self._product,
            "$mux": self._mux,
            "$mem_v2": self._memory,
        }

    def result(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        """Returns the bits of a cell's output.

        Raises:
            HardwareError: it is an operator of which nothing can be proven.
        """
        rule = self._rules.get(cell.kind)
        if rule is None:
            raise HardwareError(f"{cell.where}: no rule says what the operator {cell.kind} computes")
        made = rule(cell, inputs)
        combine = self._polynomials.get(cell.kind)
        if combine is None or is_constant(made) or not made:
            return made
        return self._exact.noted(made, combine(cell, inputs))

    def _exact_sum(self, cell: Cell, inputs: Mapping[str, Bits]) -> Exact | None:
        signed = cell.flag("A_SIGNED") and cell.flag("B_SIGNED")
        first, second = (self._exact.of(inputs[name], signed=signed) for name in "AB")
        return first.plus(second, 1 if cell.kind == "$add" else -1) if first and second else None

    def _exact_negative(self, cell: Cell, inputs: Mapping[str, Bits]) -> Exact | None:
        operand = self._exact.of(inputs["A"], signed=cell.flag("A_SIGNED"))
        return Exact({}, 0, 0, 0).plus(operand, -1) if operand else None

    def _exact_choice(self, _cell: Cell, inputs: Mapping[str, Bits]) -> Exact | None:
        """Returns ``a + s * (b - a)``, both as signed integers."""
        if is_constant(inputs["S"]):
            return None
        first, second = (self._exact.of(inputs[name], signed=True) for name in "AB")
        select = self._exact.of(inputs["S"], signed=False)
        if first is None or second is None or select is None:
            return None
        apart = second.plus(first, -1).times(select)
        if apart is None:
            return None
        whole = first.plus(apart)
        return replace(whole, low=min(first.low, second.low), high=max(first.high, second.high))

    def _exact_mask(self, _cell: Cell, inputs: Mapping[str, Bits]) -> Exact | None:
        """Returns ``s * a`` if one operand repeats a bit."""
        for mask, other in (("A", "B"), ("B", "A")):
            if len(set(inputs[mask])) == 1 and len(inputs[mask]) == len(inputs[other]):
                operand, select = (
                    self._exact.of(inputs[other], signed=True),
                    self._exact.of(inputs[mask][:1], signed=False),
                )
                return operand.times(select) if operand and select else None
        return None

    def current(self, bits: Bits) -> Bits:
        """Returns a row in which bits that are known to be a product's are these."""
        return self._exact.current(bits)

    def unknown(self, what: str, width: int) -> Bits:
        """Returns a new word of which nothing is known."""
        self._unknowns += 1
        return self._words.unknown(f"{what}{self._unknowns}", width)

    def _made(self, term: Term, inputs: Mapping[str, Bits]) -> Bits:
        """Returns the bits of a term; those of a term of constants are constants."""
        settled = all(is_constant(bits) for bits in inputs.values())
        return self._words.settled(term) if settled else self._words.bits(term)

    def _term(self, kind: Kind, *operands: Term) -> Term:
        return self._manager.mk_term(kind, list(operands))

    def _operands(self, cell: Cell, inputs: Mapping[str, Bits], *widths: int) -> tuple[Term, Term, bool]:
        """Returns both operands in their common width, and whether they are signed."""
        signed = cell.flag("A_SIGNED") and cell.flag("B_SIGNED")
        width = max(len(inputs["A"]), len(inputs["B"]), *widths, 1)
        first, second = (self._words.term(extended(inputs[name], width, signed=signed)) for name in "AB")
        return first, second, signed

    def _arithmetic(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        width = len(cell.ports["Y"])
        first, second, _ = self._operands(cell, inputs, width)
        return self._made(self._term(_ARITHMETIC[cell.kind], first, second), inputs)[:width]

    def _product(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        signed = cell.flag("A_SIGNED") and cell.flag("B_SIGNED")
        width = len(cell.ports["Y"])
        # Operands that are wider than the result wrap like it, and have then no exact product of their own.
        first, second = (inputs[name][:width] for name in "AB")
        whole = self._products.product(first, second, signed=signed, where=cell.where)
        return extended(whole.bits, width, signed=whole.signed)

    def _quotient(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        width = len(cell.ports["Y"])
        first, second, signed = self._operands(cell, inputs, width)
        quotient = self._term(_QUOTIENTS[cell.kind][signed], first, second)
        size = second.sort().bv_size()
        is_zero = self._term(Kind.EQUAL, second, self._words.value(0, size))
        undefined = self._words.term(self.unknown("quotient", size))
        return self._made(self._term(Kind.ITE, is_zero, undefined, quotient), inputs)[:width]

    def _bitwise(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        width = len(cell.ports["Y"])
        signed = cell.flag("A_SIGNED") and cell.flag("B_SIGNED")
        first, second = (extended(inputs[name], width, signed=signed) for name in "AB")
        term = self._term(_BITWISE[cell.kind], self._words.term(first), self._words.term(second))
        whole = self._made(term, inputs)
        deciding = _ABSORBING.get(cell.kind)
        if deciding is None:
            return whole
        return tuple(
            deciding if deciding in (a, b) else b if isinstance(a, int) else a if isinstance(b, int) else y
            for a, b, y in zip(first, second, whole, strict=True)
        )

    def _comparison(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        first, second, signed = self._operands(cell, inputs)
        return self._truth(self._term(_COMPARISONS[cell.kind][signed], first, second), cell, inputs)

    def _truth(self, condition: Term, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        """Returns a condition as 0 or 1 in the width of the output."""
        word = self._term(Kind.ITE, condition, self._words.value(1, 1), self._words.value(0, 1))
        return extended(self._made(word, inputs), len(cell.ports["Y"]), signed=False)

    def _reduction(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        reduced = self._term(_REDUCTIONS[cell.kind], self._words.term(inputs["A"]))
        if cell.kind == "$reduce_xnor":
            reduced = self._term(Kind.BV_NOT, reduced)
        return extended(self._made(reduced, inputs), len(cell.ports["Y"]), signed=False)

    def _logic(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        truths = [self._term(Kind.BV_REDOR, self._words.term(inputs[name])) for name in "AB" if name in inputs]
        if cell.kind == "$logic_not":
            word = self._term(Kind.BV_NOT, truths[0])
        else:
            word = self._term(Kind.BV_AND if cell.kind == "$logic_and" else Kind.BV_OR, *truths)
        return extended(self._made(word, inputs), len(cell.ports["Y"]), signed=False)

    def _unary(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        bits = extended(inputs["A"], len(cell.ports["Y"]), signed=cell.flag("A_SIGNED"))
        if cell.kind == "$pos":
            return bits
        kind = Kind.BV_NOT if cell.kind == "$not" else Kind.BV_NEG
        return self._made(self._term(kind, self._words.term(bits)), inputs)

    def _mux(self, _cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        select = inputs["S"]
        if is_constant(select):
            return inputs["B"] if number(select, signed=False) else inputs["A"]
        return self._chosen(select, inputs["B"], inputs["A"])

    def _chosen(self, select: Bits, chosen: Bits, otherwise: Bits) -> Bits:
        if chosen == otherwise:
            return chosen
        condition = self._term(Kind.EQUAL, self._words.term(select), self._words.value(1, 1))
        return self._words.bits(self._term(Kind.ITE, condition, self._words.term(chosen), self._words.term(otherwise)))

    def _shift(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        """Returns a shift; the amount is as wide as the solver wants it, the operand at least as wide."""
        kind, width = cell.kind, len(cell.ports["Y"])
        amount, either_way = inputs["B"], cell.kind in ("$shift", "$shiftx") and cell.flag("B_SIGNED")
        signed = cell.flag("A_SIGNED") and kind != "$shiftx"
        if is_constant(amount):
            return self._wired(cell, inputs["A"], number(amount, signed=either_way), signed)
        size = max(len(inputs["A"]), width, len(amount) + 1)
        filled = kind in ("$shl", "$sshl", "$sshr")  # a logical shift right fills with zeros, whatever the sign
        widened = extended(inputs["A"], size if filled else max(len(inputs["A"]), width), signed=signed)
        operand = self._words.term(extended(widened, size, signed=False))
        inside = self._words.term(extended(constant((1 << len(inputs["A"])) - 1, size), size, signed=False))
        steps = self._words.term(extended(amount, size, signed=either_way))
        right = Kind.BV_ASHR if kind == "$sshr" and signed else Kind.BV_SHR
        if not either_way:
            moved, kept = (
                (self._term(Kind.BV_SHL if kind in ("$shl", "$sshl") else right, x, steps)) for x in (operand, inside)
            )
        else:
            negative = self._term(Kind.BV_SLT, steps, self._words.value(0, size))
            back = self._term(Kind.BV_NEG, steps)
            moved, kept = (
                self._term(Kind.ITE, negative, self._term(Kind.BV_SHL, x, back), self._term(right, x, steps))
                for x in (operand, inside)
            )
        if kind == "$shiftx":  # bits from beyond the operand are undefined
            undefined = self._words.term(self.unknown("index", size))
            outside = self._term(Kind.BV_AND, undefined, self._term(Kind.BV_NOT, kept))
            moved = self._term(Kind.BV_OR, self._term(Kind.BV_AND, moved, kept), outside)
        return self._made(moved, inputs)[:width]

    def _wired(self, cell: Cell, bits: Bits, amount: int, signed: bool) -> Bits:
        """Returns a shift by a constant, which moves bits only."""
        width = len(cell.ports["Y"])
        if cell.kind in ("$shl", "$sshl"):
            amount = -amount
        if amount < 0:
            below: Bits = (0,) * -amount if cell.kind != "$shiftx" else self.unknown("index", -amount)
            return extended((*below, *extended(bits, max(width, len(bits)), signed=signed)), width, signed=signed)
        if cell.kind == "$shiftx":
            bits = (*bits, *self.unknown("index", max(amount + width - len(bits), 1)))
        elif cell.kind == "$sshr":
            bits = extended(bits, max(len(bits), amount + width), signed=signed)
        else:  # as wide as operand and result, with zeros above
            bits = extended(bits, max(len(bits), width), signed=signed)
            bits = extended(bits, max(len(bits), amount + width), signed=False)
        return bits[amount : amount + width]

    def _memory(self, cell: Cell, inputs: Mapping[str, Bits]) -> Bits:
        """Returns what the read ports of a memory hold that is never written."""
        if int(cell.parameters["WR_PORTS"], 2):
            raise HardwareError(f"{cell.where}: the memory is written, and nothing can be proven of its contents")
        width, size, ports = (int(cell.parameters[name], 2) for name in ("WIDTH", "SIZE", "RD_PORTS"))
        text, first = cell.parameters["INIT"], int(cell.parameters["OFFSET"], 2)
        contents = [self._word(text, width, place) for place in range(size)]
        address_bits = int(cell.parameters["ABITS"], 2)
        addresses = inputs["RD_ADDR"]
        read: Bits = ()
        for port in range(ports):
            address = addresses[port * address_bits : (port + 1) * address_bits]
            words = {first + place: word for place, word in enumerate(contents)}
            read += self._looked_up(words, address, width)
        return read

    def _word(self, text: str, width: int, place: int) -> Bits:
        """Returns a word of a memory's initial contents, whose undefined bits are unknown."""
        row = text[::-1][place * width : (place + 1) * width]
        return tuple(int(bit) if bit in "01" else self.unknown("memory", 1)[0] for bit in row.ljust(width, "x"))

    def _looked_up(self, words: Mapping[int, Bits], address: Bits, width: int) -> Bits:
        if not words:
            return self.unknown("address", width)
        if not address:
            return words.get(0, next(iter(words.values())))
        *lower, top = address
        half = 1 << len(lower)
        if isinstance(top, int):
            kept = {place - half * top: word for place, word in words.items() if (place >= half) == bool(top)}
            return self._looked_up(kept, tuple(lower), width)
        high = self._looked_up({p - half: w for p, w in words.items() if p >= half}, tuple(lower), width)
        low = self._looked_up({p: w for p, w in words.items() if p < half}, tuple(lower), width)
        return self._chosen((top,), high, low)
