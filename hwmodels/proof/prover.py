"""Proofs that a unit computes what is claimed of it, for all inputs.

A proof is a search for inputs at which both differ, by the SMT solver Bitwuzla. First every product is an unknown word
that is only known to be the same for the same operands, so that no multiplier stands in the way of what follows it; if
that does not prove the claim, the products are what they are. What takes longer than the limit is not proven.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bitwuzla import Bitwuzla, Kind, Option, Options, Result, Term

from hwmodels.errors import HardwareError
from hwmodels.proof._cells import Operators
from hwmodels.proof._cycles import outputs_after
from hwmodels.proof._netlist import WordNetlist
from hwmodels.proof._products import Product, Products
from hwmodels.proof._words import Bits, Words, constant, extended, is_constant, number
from hwmodels.proof.claims import Claim
from hwmodels.proof.contracts import CONTRACTS, Integer
from hwmodels.proof.interface import OUTPUT, Interface

_FIRST_SHARE: Final = 0.5  # of the time that is left goes to the search with unknown products
_MOST_SHIFT_BITS: Final = 8  # whose values are taken one by one


class Outcome(StrEnum):
    """What a proof ended with."""

    PROVEN = "proven"
    REFUTED = "refuted"
    OPEN = "not proven"


@dataclass(frozen=True)
class Counterexample:
    """Inputs at which a unit differs from what is claimed of it.

    Attributes:
        integers: every role's integer.
        unit: the unit's output.
        expected: the output that is claimed.
        cycles: value of every input port in every cycle.
    """

    integers: Mapping[str, int]
    unit: int
    expected: int
    cycles: tuple[Mapping[str, int], ...]


@dataclass(frozen=True)
class Proof:
    """The outcome of a proof.

    Attributes:
        outcome: whether the claim is proven, refuted, or neither.
        contract: rounding contract that was claimed.
        seconds: how long it took.
        products: how multiplications entered it; empty if it is not proven.
        counterexample: inputs that refute it, or None.
    """

    outcome: Outcome
    contract: str
    seconds: float
    products: str = ""
    counterexample: Counterexample | None = None


@dataclass(frozen=True)
class _Problem:
    """Both sides of a claim as terms.

    Attributes:
        differs: that unit and claim differ.
        given: what is assumed of the inputs.
        shift: the variable shift, by which a proof can be split, with its values; None if there is none.
    """

    words: Words
    products: Products
    differs: Term
    given: tuple[Term, ...]
    unit: Term
    expected: Term
    integers: Mapping[str, Integer]
    cycles: Sequence[Mapping[str, Bits]]
    shift: tuple[Term, range] | None


class Prover:
    """Proves claims of one design. What it has proven once, for another channel say, it does not prove again."""

    def __init__(self, netlist: WordNetlist) -> None:
        self._netlist = netlist
        self._words = Words()
        self._proven: dict[tuple[object, ...], str] = {}

    def prove(self, interface: Interface, claim: Claim, time_limit: float) -> Proof:
        """Tries to prove that the unit computes what is claimed of it, whatever its registers held before.

        Args:
            interface: how it is driven.
            claim: what is claimed.
            time_limit: seconds after which the claim counts as not proven.

        Raises:
            HardwareError: the interface does not fit the unit, or the claim has no meaning for it.
        """
        start = time.monotonic()
        problem = self._problem(interface, claim)
        if _solved(problem.words, problem.given, time_limit)[0] == Result.UNSAT:  # of none, everything is true
            raise HardwareError(
                "no inputs have the ranges, bounds and values that are given; there is nothing to prove"
            )
        key = (problem.differs, *problem.given, problem.products.key)
        how, counterexample = self._proven.get(key), None
        outcome = Outcome.PROVEN
        if how is None:
            outcome, how, counterexample = _decided(problem, start + time_limit)
        if outcome is Outcome.PROVEN:
            self._proven[key] = how
        return Proof(outcome, claim.contract, time.monotonic() - start, how, counterexample)

    def others(self, interface: Interface, claim: Claim, time_limit: float) -> dict[str, Outcome]:
        """Returns the outcome of the same claim under every other named contract that is defined for it."""
        outcomes = {}
        for contract in CONTRACTS:
            if contract == claim.contract:
                continue
            try:
                outcomes[contract] = self.prove(interface, claim.under(contract), time_limit).outcome
            except HardwareError:  # it is not defined for these inputs
                continue
        return outcomes

    def constants(self, ties: Mapping[str, int]) -> dict[str, int]:
        """Returns the output ports that are constant while some inputs have the given values, as unsigned integers."""
        inputs = {
            port.name: constant(ties[port.name], len(port.nets))
            if port.name in ties
            else self._words.unknown(port.name, len(port.nets))
            for port in self._netlist.ports.values()
            if port.direction == "input"
        }
        outputs = outputs_after(self._netlist, Operators(self._words, Products(self._words)), [inputs])
        return {name: number(bits, signed=False) for name, bits in outputs.items() if is_constant(bits)}

    def _problem(self, interface: Interface, claim: Claim) -> _Problem:
        netlist, words = self._netlist, self._words
        interface.check(netlist, claim.roles)
        products = Products(words)
        cycles = interface.cycles(netlist, words)
        operands = cycles[len(cycles) - 1 - interface.latency]
        integers = {role: interface.integer(role, netlist, operands) for role in claim.roles}
        expected = claim.expected(integers, interface.ranges, words, products)
        outputs = outputs_after(netlist, Operators(words, products), cycles)
        out = interface.integer(OUTPUT, netlist, outputs)
        width = max(expected.sort().bv_size(), len(out.bits)) + 1
        unit, wide = words.term(extended(out.bits, width, signed=True)), words.bits(expected)
        expected = words.term(extended(wide, width, signed=True))
        return _Problem(
            words=words,
            products=products,
            differs=words.manager.mk_term(Kind.DISTINCT, [unit, expected]),
            given=tuple(_given(interface, integers, words)),
            unit=unit,
            expected=expected,
            integers=integers,
            cycles=cycles,
            shift=_split(interface, integers, words),
        )


def _given(interface: Interface, integers: Mapping[str, Integer], words: Words) -> Iterator[Term]:
    """Yields what is assumed: ranges, multipliers that are not negative, bounds in order."""
    least = {role: 0 for role in integers if role.startswith("multiplier")}
    lows = least | {role: low for role, (low, _) in interface.ranges.items()}
    for role, low in lows.items():
        yield _compared(words, Integer((0,), signed=False), integers[role], low)
    for role, (_, high) in interface.ranges.items():
        yield _compared(words, integers[role], Integer((0,), signed=False), -high)
    if "q_min" in integers:
        yield _compared(words, integers["q_min"], integers["q_max"], 0)


def _compared(words: Words, low: Integer, high: Integer, apart: int) -> Term:
    """Returns that ``low + apart <= high``."""
    width = max(len(low.bits), len(high.bits), abs(apart).bit_length()) + 3
    first, second = (words.term(extended(each.bits, width, signed=each.signed)) for each in (low, high))
    moved = words.manager.mk_term(Kind.BV_ADD, [first, words.value(apart, width)])
    return words.manager.mk_term(Kind.BV_SLE, [moved, second])


def _split(interface: Interface, integers: Mapping[str, Integer], words: Words) -> tuple[Term, range] | None:
    shift = integers.get("shift")
    if shift is None or len(shift.bits) > _MOST_SHIFT_BITS or "shift" in interface.values:
        return None
    return words.term(shift.bits), range(1 << len(shift.bits))


def _decided(problem: _Problem, deadline: float) -> tuple[Outcome, str, Counterexample | None]:
    """Decides a claim, one value of the shift after the other if that varies."""
    entering = _entering(problem)
    facts = list(_facts(problem.words, entering))
    definitions = [problem.products.definition(each) for each in entering]
    how = "equal products are one unknown" if definitions else "no multiplication"
    for case in _cases(problem):
        shared = [*problem.given, *case, *facts, problem.differs]
        result, solver = _solved(problem.words, shared, _share(deadline, whole=not definitions))
        if result != Result.UNSAT and definitions:  # with unknown products, what is found may not exist
            how = "multiplications bit by bit"
            result, solver = _solved(problem.words, [*shared, *definitions], _share(deadline, whole=True))
        if result == Result.UNKNOWN or solver is None:
            return Outcome.OPEN, "", None
        if result == Result.SAT:
            return Outcome.REFUTED, "", _counterexample(problem, solver)
    return Outcome.PROVEN, how, None


def _cases(problem: _Problem) -> Iterator[tuple[Term, ...]]:
    """Yields what each case of a proof assumes: together they are everything."""
    if problem.shift is None:
        yield ()
        return
    term, values = problem.shift
    for value in values:
        fixed = problem.words.value(value, term.sort().bv_size())
        yield (problem.words.manager.mk_term(Kind.EQUAL, [term, fixed]),)


def _share(deadline: float, *, whole: bool) -> float:
    """Returns the seconds that one search may take: all that is left, or the part before a search that may follow."""
    left = deadline - time.monotonic()
    return left if whole else left * _FIRST_SHARE


def _solved(words: Words, asserted: Sequence[Term], seconds: float) -> tuple[Result, Bitwuzla | None]:
    if seconds <= 0:
        return Result.UNKNOWN, None
    options = Options()
    options.set(Option.PRODUCE_MODELS, True)
    options.set(Option.TIME_LIMIT_PER, max(int(seconds * 1000), 1))
    solver = Bitwuzla(words.manager, options)
    for term in asserted:
        solver.assert_formula(term)
    return solver.check_sat(), solver


def _entering(problem: _Problem) -> list[Product]:
    """Returns the products that either side depends on, by way of others, too."""
    reached, found = _parts_of([problem.differs]), []
    left = [each for each in problem.products if not each.wired]
    while hits := [each for each in left if problem.words.term(each.bits) in reached]:
        left = [each for each in left if each not in hits]
        found += hits
        reached |= _parts_of([problem.words.term(bits) for each in hits for bits, _ in each.factors])
    return found


def _parts_of(terms: Sequence[Term]) -> set[Term]:
    """Returns the terms that some terms are made of."""
    reached: set[Term] = set()
    left = list(terms)
    while left:
        term = left.pop()
        if term not in reached:
            reached.add(term)
            left += term.children()
    return reached


def _facts(words: Words, products: Sequence[Product]) -> Iterator[Term]:
    """Yields what is known of any products: equal factors make equal products, and signs go with them."""
    for index, first in enumerate(products):
        for second in products[:index]:
            yield from _alike(words, first, second)
            yield from _alike(words, first, second, crossed=True)
        yield from _bounds(words, first)


def _alike(words: Words, first: Product, second: Product, *, crossed: bool = False) -> Iterator[Term]:
    """Yields that products are equal, or opposite, if their factors are."""
    mk = words.manager.mk_term
    factors = second.factors[::-1] if crossed else second.factors
    width = max(len(bits) for bits, _ in (*first.factors, *second.factors, first.whole, second.whole)) + 2

    def word(pair: tuple[Bits, bool]) -> Term:
        return words.term(extended(pair[0], width, signed=pair[1]))

    same, opposite = [], []
    for mine, other in zip(first.factors, factors, strict=True):
        same.append(mk(Kind.EQUAL, [word(mine), word(other)]))
        opposite.append(mk(Kind.EQUAL, [word(mine), mk(Kind.BV_NEG, [word(other)])]))
    equal = mk(Kind.EQUAL, [word(first.whole), word(second.whole)])
    negated = mk(Kind.EQUAL, [word(first.whole), mk(Kind.BV_NEG, [word(second.whole)])])
    for condition, result in (
        ((same[0], same[1]), equal),
        ((opposite[0], opposite[1]), equal),
        ((opposite[0], same[1]), negated),
        ((same[0], opposite[1]), negated),
    ):
        yield mk(Kind.IMPLIES, [mk(Kind.AND, list(condition)), result])


def _bounds(words: Words, product: Product) -> Iterator[Term]:
    """Yields the smallest and the largest value of a product."""
    corners = [a * b for a in product.ends(0) for b in product.ends(1)]
    width = len(product.bits) + 2
    word = words.term(extended(product.bits, width, signed=product.signed))
    for kind, value in ((Kind.BV_SGE, min(corners)), (Kind.BV_SLE, max(corners))):
        yield words.manager.mk_term(kind, [word, words.value(value, width)])


def _counterexample(problem: _Problem, solver: Bitwuzla) -> Counterexample:
    def value(bits: Bits, *, signed: bool) -> int:
        return _number(solver.get_value(problem.words.term(bits)), signed=signed)

    return Counterexample(
        integers={role: value(each.bits, signed=each.signed) for role, each in problem.integers.items()},
        unit=_number(solver.get_value(problem.unit), signed=True),
        expected=_number(solver.get_value(problem.expected), signed=True),
        cycles=tuple({name: value(bits, signed=False) for name, bits in each.items()} for each in problem.cycles),
    )


def _number(term: Term, *, signed: bool) -> int:
    value, width = int(term.value(10)), term.sort().bv_size()
    return value - (1 << width) if signed and value >> (width - 1) else value
