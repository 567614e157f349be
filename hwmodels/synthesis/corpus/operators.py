"""Single operators of 4 to 64 bits between input ports and an output register."""

from collections.abc import Iterator

from hwmodels.synthesis.corpus.design import TOP, CorpusDesign

_WIDTHS = (4, 8, 16, 32, 64)


def operator_designs() -> Iterator[CorpusDesign]:
    """Yields every operator of the language at every width."""
    for bits in _WIDTHS:
        yield from _arithmetic(bits)
        yield from _comparisons(bits)
        yield from _shifts(bits)
        yield from _selections(bits)
        yield from _registers(bits)
    yield from _multipliers()
    yield from _tables()


def _arithmetic(n: int) -> Iterator[CorpusDesign]:
    yield _design(f"add_{n}", n, n, n + 1, "a + b")
    yield _design(f"add_signed_{n}", n, n, n + 1, "a + b", signed=True)
    yield _design(f"add_wrapping_{n}", n, n, n, "a + b")
    yield _design(f"add_half_{n}", n, max(n // 2, 2), n + 1, "a + b", signed=True)
    yield _design(f"add_half_unsigned_{n}", n, max(n // 2, 2), n + 1, "a + b")
    yield _design(f"add_bit_{n}", n, 1, n + 1, "a + b")
    yield _design(f"subtract_{n}", n, n, n + 1, "a - b", signed=True)
    yield _design(f"increment_{n}", n, 0, n + 1, "a + 1")
    yield _design(f"decrement_{n}", n, 0, n, "a - 1")
    yield _design(f"add_constant_{n}", n, 0, n + 1, f"a + {n}'d{_constant(n)}")
    yield _design(f"negate_{n}", n, 0, n, "-a", signed=True)
    yield _design(f"absolute_{n}", n, 0, n, f"a[{n - 1}] ? -a : a", signed=True)
    yield _design(f"add_three_{n}", n, n, n + 2, "a + b + c", third=n)


def _comparisons(n: int) -> Iterator[CorpusDesign]:
    for name, sign in (("less", "<"), ("at_most", "<="), ("equal", "==")):
        yield _design(f"{name}_{n}", n, n, 1, f"a {sign} b")
    yield _design(f"less_signed_{n}", n, n, 1, "a < b", signed=True)
    yield _design(f"less_constant_{n}", n, 0, 1, f"a < {n}'d{_constant(n)}")
    yield _design(f"equal_constant_{n}", n, 0, 1, f"a == {n}'d{_constant(n)}")
    yield _design(f"any_{n}", n, 0, 1, "|a")
    yield _design(f"parity_{n}", n, 0, 1, "^a")


def _shifts(n: int) -> Iterator[CorpusDesign]:
    amount = (n - 1).bit_length()
    yield _design(f"right_arithmetic_{n}", n, amount, n, "a >>> b", signed=True)
    yield _design(f"right_logical_{n}", n, amount, n, "a >> b")
    yield _design(f"left_{n}", n, amount, n, "a << b")
    yield _design(f"left_padded_{n}", n, amount, 2 * n, "a << b")
    yield _design(f"right_of_high_half_{n}", n, amount, 2 * n, f"{{a, {n}'d0}} >> b")
    yield _design(f"one_hot_{n}", 0, amount, n, f"{n}'d1 << b")


def _selections(n: int) -> Iterator[CorpusDesign]:
    yield _design(f"mux_{n}", n, n, n, "c[0] ? a : b", third=1)
    yield _design(f"mux_constant_{n}", n, 0, n, f"c[0] ? a : {n}'d{_constant(n)}", third=1)
    yield _design(f"maximum_{n}", n, n, n, "(a > b) ? a : b", signed=True)
    yield _design(f"and_{n}", n, n, n, "a & b")
    yield _design(f"xor_{n}", n, n, n, "a ^ b")
    yield _design(f"index_{n}", n, (n - 1).bit_length(), 1, "a[b]")
    high, low = (1 << (n // 2 - 1)) - 1, -(1 << (n // 2 - 1))
    yield _design(f"clamp_{n}", n, 0, n // 2, f"(a > {high}) ? {high} : (a < {low}) ? {low} : a", signed=True)


def _registers(n: int) -> Iterator[CorpusDesign]:
    edges = {"plain": "", "low_reset": " or negedge rst_n", "high_reset": " or posedge rst"}
    bodies = {
        "plain": "y <= a;",
        "enable": "if (en) y <= a;",
        "reset": "if (rst) y <= 0; else y <= a;",
        "reset_enable": "if (rst) y <= 0; else if (en) y <= a;",
        "low_reset": "if (!rst_n) y <= 0; else y <= a;",
        "high_reset": "if (rst) y <= 0; else if (en) y <= a;",
        "accumulate": "if (rst) y <= 0; else y <= y + a;",
        "count": "if (rst) y <= 0; else if (en) y <= y + 1;",
    }
    for name, body in bodies.items():
        text = (
            f"module {TOP} (input clk, input rst, input rst_n, input en, input [{n - 1}:0] a,"
            f" output reg [{n - 1}:0] y);\nalways @(posedge clk{edges.get(name, '')}) {body}\nendmodule\n"
        )
        yield CorpusDesign(f"register_{name}_{n}", "operator", text)


def _multipliers() -> Iterator[CorpusDesign]:
    for a, b in ((4, 4), (8, 8), (16, 8), (16, 16), (24, 12), (32, 8), (32, 16), (32, 32), (48, 16), (64, 8)):
        yield _design(f"multiply_{a}_{b}", a, b, a + b, "a * b")
        yield _design(f"multiply_signed_{a}_{b}", a, b, a + b, "a * b", signed=True)
    for n in (4, 8, 16, 32):
        yield _design(f"multiply_low_{n}", n, n, n, "a * b")
        yield _design(f"square_{n}", n, 0, 2 * n, "a * a", signed=True)
        for constant in (3, 10, 23, 119, 43691):
            if constant < 1 << n:
                yield _design(f"multiply_by_{constant}_{n}", n, 0, n + constant.bit_length(), f"a * {constant}")
    for n in (16, 32):
        yield _design(f"multiply_add_{n}", n, n // 2, n + n // 2, "a * b + c", signed=True, third=n)


def _tables() -> Iterator[CorpusDesign]:
    for address, width in ((3, 8), (4, 8), (4, 31), (5, 16), (6, 8), (6, 31), (8, 8)):
        items = "\n".join(
            f"    {address}'d{i}: t = {width}'d{(i + 1) * 2654435761 % (1 << 32) >> (32 - width)};"
            for i in range((1 << address) - 1)
        )
        text = (
            f"module {TOP} (input clk, input [{address - 1}:0] a, output reg [{width - 1}:0] y);\n"
            f"reg [{width - 1}:0] t;\nalways @* case (a)\n{items}\n    default: t = 0;\nendcase\n"
            "always @(posedge clk) y <= t;\nendmodule\n"
        )
        yield CorpusDesign(f"table_{address}_{width}", "operator", text)


def _constant(bits: int) -> int:
    """Returns a constant of ones and zeros without a pattern."""
    return 0xB5A3_6C97_D24E_8F1B >> (64 - bits)


def _design(
    name: str, a: int, b: int, result: int, expression: str, *, signed: bool = False, third: int = 0
) -> CorpusDesign:
    sign = "signed " if signed else ""
    ports = [f"input {sign}[{bits - 1}:0] {port}" for port, bits in (("a", a), ("b", b), ("c", third)) if bits]
    text = (
        f"module {TOP} (input clk, {', '.join(ports)}, output reg {sign}[{result - 1}:0] y);\n"
        f"always @(posedge clk) y <= {expression};\nendmodule\n"
    )
    return CorpusDesign(name, "operator", text)
