"""Words of gates, built the way logic synthesis builds them (the structures of yosys' ``techmap`` and ``maccmap``)."""

from collections.abc import Sequence
from typing import Final

from hwmodels.gates.graph import FALSE, TRUE, Graph, Literal, Word

_NARROW: Final = 8


def inverted(word: Word) -> Word:
    """Returns every bit inverted."""
    return tuple([bit ^ 1 for bit in word])


def stretched(word: Word, width: int) -> Word:
    """Returns a word cut to a width, or extended by its highest bit."""
    return word[:width] if len(word) >= width else word + word[-1:] * (width - len(word))


def signed_length(word: Word) -> int:
    """Returns the bits of a word above which it repeats its highest bit, which is its sign."""
    length = len(word)
    while length > 1 and word[length - 1] == word[length - 2]:
        length -= 1
    return length


def tree(graph: Graph, bits: Sequence[Literal], *, conjunction: bool) -> Literal:
    """Returns the conjunction or disjunction of bits."""
    row = list(bits) or [TRUE if conjunction else FALSE]
    while len(row) > 1:
        pairs = zip(row[::2], row[1::2], strict=False)
        joined = [graph.land(*pair) if conjunction else graph.lor(*pair) for pair in pairs]
        row = [*joined, *(row[-1:] if len(row) % 2 else ())]
    return row[0]


def parity(graph: Graph, bits: Sequence[Literal]) -> Literal:
    """Returns the exclusive-or of bits."""
    row = list(bits)
    while len(row) > 1:
        joined = [graph.xor(a, b) for a, b in zip(row[::2], row[1::2], strict=False)]
        row = [*joined, *(row[-1:] if len(row) % 2 else ())]
    return row[0] if row else FALSE


def carries(graph: Graph, a: Word, b: Word, carry_in: Literal) -> tuple[list[Literal], list[Literal]]:
    """Returns the sum bits and the carries out of every bit of a Brent-Kung adder.

    A carry that depends on one bit of each operand and the carry below it is that of a full adder, which synthesis
    finds; the others are prefixes.
    """
    width = len(a)
    propagate = [graph.xor(x, y) for x, y in zip(a, b, strict=True)]
    generate = [graph.land(x, y) for x, y in zip(a, b, strict=True)]
    total: list[Literal | None] = [None] * width
    total[0], generate[0] = graph.add3(a[0], b[0], carry_in)
    group, single = list(propagate), [True] * width

    def join(high: int, low: int, complete: bool) -> None:
        if single[high] and complete:
            total[high], generate[high] = graph.add3(a[high], b[high], generate[low])
        else:
            generate[high] = graph.lor(generate[high], graph.land(group[high], generate[low]))
            if not complete:
                group[high] = graph.land(group[high], group[low])
        single[high] = False

    levels = max(width - 1, 0).bit_length()
    for level in range(1, levels + 1):
        span = 1 << level
        for high in range(span - 1, width, span):
            join(high, high - span // 2, high == span - 1)
    for level in range(levels, 0, -1):
        span = 1 << level
        for high in range(span + span // 2 - 1, width, span):
            join(high, high - span // 2, True)
    sums = [
        graph.xor(propagate[place], generate[place - 1]) if known is None else known
        for place, known in enumerate(total)
    ]
    return sums, generate


def add(graph: Graph, a: Word, b: Word, width: int, carry_in: Literal = FALSE) -> Word:
    """Returns the low ``width`` bits of the sum of two words whose highest bits are their signs."""
    needed = min(max(signed_length(a), signed_length(b)) + 1, width)
    low = _free_bits(a, b, carry_in)
    if low >= needed:
        return stretched(_passed(a, b, needed), width)
    sums, _ = carries(graph, stretched(a, needed)[low:], stretched(b, needed)[low:], carry_in if low == 0 else FALSE)
    return stretched((*_passed(a, b, low), *sums), width)


def _free_bits(a: Word, b: Word, carry_in: Literal) -> int:
    """Returns the low bits at which one operand is zero."""
    if carry_in != FALSE:
        return 0
    return max(_low_zeros(a), _low_zeros(b))


def _low_zeros(word: Word) -> int:
    return next((place for place, bit in enumerate(word) if bit != FALSE), 1 << 30)


def _passed(a: Word, b: Word, width: int) -> Word:
    one = b if _low_zeros(a) >= width else a
    return stretched(one, width)


def less(graph: Graph, a: Word, b: Word, *, signed: bool, or_equal: bool = False) -> Literal:
    """Returns whether a < b, or a <= b.

    Of wide words synthesis joins a < b with a == b; of narrow ones it finds that a <= b is the opposite of b < a.
    """
    if or_equal and len(a) <= _NARROW:
        return less(graph, b, a, signed=signed) ^ 1
    while len(a) > 1 and a[-1] == a[-2] and b[-1] == b[-2]:
        a, b = a[:-1], b[:-1]
    if signed:
        a, b = (*a[:-1], a[-1] ^ 1), (*b[:-1], b[-1] ^ 1)
    while len(a) > 1 and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    while len(a) > 1 and a[0] == b[0]:
        a, b = a[1:], b[1:]
    _, out = carries(graph, a, inverted(b), TRUE)
    smaller = out[-1] ^ 1
    if not or_equal:
        return smaller
    return graph.lor(smaller, equal(graph, a, b))


def equal(graph: Graph, a: Word, b: Word) -> Literal:
    """Returns whether two words are equal."""
    return tree(graph, [graph.xor(x, y) ^ 1 for x, y in zip(a, b, strict=True)], conjunction=True)


def product_rows(graph: Graph, a: Word, b: Word, width: int, *, signed: bool, negative: bool) -> list[Word]:
    """Returns the rows whose sum is the product of two words, one row per bit of the narrower."""
    if len(a) < len(b):
        a, b = b, a
    rows = []
    for place, bit in enumerate(b[:width]):
        subtract = negative != (signed and place == len(b) - 1)
        row = tuple([graph.land(x, bit) for x in a])
        rows += _shifted_row(row, place, width, signed=signed, subtract=subtract)
    return rows


def _shifted_row(row: Word, place: int, width: int, *, signed: bool, subtract: bool) -> list[Word]:
    extension = row[-1] if signed else FALSE
    bits = (row + (extension,) * max(width - place - len(row), 0))[: width - place]
    if all(bit == FALSE for bit in bits):
        return []
    if not subtract:
        return [(FALSE,) * place + bits]
    one = tuple([TRUE if bit == place else FALSE for bit in range(width)])
    return [(FALSE,) * place + inverted(bits), one]


def plain_rows(word: Word, width: int, *, negative: bool) -> list[Word]:
    """Returns the rows whose sum is a word of ``width`` bits, or its negative."""
    return _shifted_row(word, 0, width, signed=True, subtract=negative)


def total(graph: Graph, rows: Sequence[Word], width: int) -> Word:
    """Returns the sum of rows of ``width`` bits, reduced by carry-save adders and added up at the end."""
    waiting = _with_one_constant(rows, width)
    while len(waiting) > 2:
        following = []
        for index in range(0, len(waiting) - 2, 3):
            pairs = [graph.add3(*bits) for bits in zip(*waiting[index : index + 3], strict=True)]
            following.append(tuple([pair[0] for pair in pairs]))
            following.append((FALSE, *[pair[1] for pair in pairs[:-1]]))
        rest = len(waiting) % 3
        waiting = [*waiting[len(waiting) - rest :], *following] if rest else following
    if not waiting:
        return (FALSE,) * width
    return waiting[0] if len(waiting) == 1 else add(graph, waiting[0], waiting[1], width)


def _with_one_constant(rows: Sequence[Word], width: int) -> list[Word]:
    """Returns rows whose constant bits are summed up in one of them, and compacted."""
    constant, columns = 0, [list[Literal]() for _ in range(width)]
    for row in rows:
        for place, bit in enumerate(row):
            if bit == TRUE:
                constant += 1 << place
            elif bit != FALSE:
                columns[place].append(bit)
    for place in range(width):
        if constant >> place & 1:
            columns[place].append(TRUE)
    height = max((len(column) for column in columns), default=0)
    return [tuple([column[level] if level < len(column) else FALSE for column in columns]) for level in range(height)]


def shifted_right(graph: Graph, word: Word, by: Word, fill: Literal) -> Word:
    """Returns a word shifted right by a word, ``fill`` coming in at the top."""
    stages = max(len(word) - 1, 0).bit_length()
    for stage, select in enumerate(by[:stages]):
        moved = word[1 << stage :] + (fill,) * min(1 << stage, len(word))
        word = tuple([graph.mux(select, far, near) for far, near in zip(moved, word, strict=False)])
    beyond = tree(graph, by[stages:], conjunction=False)
    return tuple([graph.mux(beyond, fill, bit) for bit in word])


def chosen(graph: Graph, words: Sequence[Word], index: Word) -> Word:
    """Returns the word of a number, by a tree of multiplexers; beyond the last any will do."""
    if len(words) == 1 or not index:
        return words[0]
    half = 1 << (len(index) - 1)
    low = chosen(graph, words[:half], index[:-1])
    if len(words) <= half:
        return low
    high = chosen(graph, words[half:], index[:-1])
    return tuple([graph.mux(index[-1], x, y) for x, y in zip(high, low, strict=True)])


def divided(graph: Graph, a: Word, b: Word) -> tuple[Word, Word]:
    """Returns quotient and remainder of two words without signs, by a restoring array."""
    remainder: Word = (FALSE,) * len(b)
    quotient = [FALSE] * len(a)
    for place in reversed(range(len(a))):
        shifted = (a[place], *remainder)
        rest, out = carries(graph, shifted, (*inverted(b), TRUE), TRUE)
        quotient[place] = out[-1]
        remainder = tuple([graph.mux(out[-1], x, y) for x, y in zip(rest, shifted, strict=True)])[: len(b)]
    return tuple(quotient), remainder


def absolute(graph: Graph, word: Word) -> Word:
    """Returns the magnitude of a signed word, in as many bits."""
    negative = add(graph, inverted(word), (FALSE,), len(word), TRUE)
    return tuple([graph.mux(word[-1], x, y) for x, y in zip(negative, word, strict=True)])
