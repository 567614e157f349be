"""Verilog text to a pyverilog syntax tree, in memory: no table, listing or preprocessor file is ever written."""

import functools
import itertools
import re
import threading
from collections.abc import Callable
from typing import Final

from ply.yacc import NullLogger, yacc
from pyverilog.vparser import ast
from pyverilog.vparser.lexer import VerilogLexer
from pyverilog.vparser.parser import ParseError, VerilogParser

from hwmodels.errors import HardwareError
from hwmodels.parsing._source import SourceText


class _Grammar(VerilogParser):  # type: ignore[misc]  # pyverilog has no type information
    """pyverilog's grammar with its LALR table built in memory, two rules corrected, and a few added.

    Added: integer inputs, signed and ANSI-style functions, generate blocks without the keyword, case-generate.
    """

    start = "source_text"

    def __init__(self) -> None:
        # The base class would create a directory and write parsetab.py and parser.out into it.
        self.lexer = VerilogLexer(error_func=self._lexer_error_func)
        self.lexer.build()
        self.tokens = self.lexer.tokens
        self.parser = yacc(module=self, method="LALR", debug=False, write_tables=False, errorlog=NullLogger())

    # ply reads each rule from a docstring and passes its own, untyped production.
    def p_ioports(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        "ioports : ioports COMMA ioport"  # noqa: D300, D403, D415
        port = p[3]
        if isinstance(port, str):
            # The original rule forgets `signed` for the second and later names of `input signed [7:0] a, b`.
            port = _same_kind(p[1][-1], port, p.lineno(3))
        p[0] = (*p[1], port)
        p.set_lineno(0, p.lineno(1))

    def p_decl_input_integer(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        "decl : INPUT INTEGER declnamelist SEMICOLON"  # noqa: D300, D403, D415
        width = _integer_width(p.lineno(1))
        inputs = (ast.Input(name=name, width=width, signed=True, lineno=p.lineno(2)) for name, _ in p[3])
        p[0] = ast.Decl(tuple(inputs), lineno=p.lineno(1))

    def p_function_integer(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        "function : FUNCTION INTEGER ID SEMICOLON function_statement ENDFUNCTION"  # noqa: D300, D403, D415
        p[0] = _function(p[3], _integer_width(p.lineno(1)), p[5], p.lineno(1), signed=True)

    def p_function_signed(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        "function : FUNCTION SIGNED width ID SEMICOLON function_statement ENDFUNCTION"  # noqa: D300, D403, D415
        p[0] = _function(p[4], p[3], p[6], p.lineno(1), signed=True)

    # One rule per kind of result: with a rule for the kind, the parser would have to choose before it sees the bracket.
    def p_function_ansi(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """function : FUNCTION ID LPAREN ioports RPAREN SEMICOLON function_body ENDFUNCTION
        | FUNCTION width ID LPAREN ioports RPAREN SEMICOLON function_body ENDFUNCTION
        | FUNCTION INTEGER ID LPAREN ioports RPAREN SEMICOLON function_body ENDFUNCTION
        | FUNCTION SIGNED width ID LPAREN ioports RPAREN SEMICOLON function_body ENDFUNCTION
        """  # noqa: D205, D403, D415
        *kind, name, _, arguments, _, _, body, _ = list(p)[2:]
        zero = ast.IntConst("0", lineno=p.lineno(1))
        width = ast.Width(zero, zero, lineno=p.lineno(1))
        if kind:
            width = _integer_width(p.lineno(1)) if kind == ["integer"] else kind[-1]
        ports = ast.Decl(tuple(port.first for port in arguments), lineno=p.lineno(1))
        signed = bool(kind) and isinstance(kind[0], str)
        p[0] = _function(name, width, (ports, *body), p.lineno(1), signed=signed)

    def p_function_body(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """function_body : funcvardecls function_calc
        | function_calc
        """  # noqa: D205, D415
        p[0] = (p[1],) if len(p) == 2 else (*p[1], p[2])

    def p_item_bare_generate(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """item : generate_if
        | generate_for
        | generate_case

        generate_item : generate_case
        """  # noqa: D205, D403, D415
        p[0] = p[1]

    def p_generate_case(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        "generate_case : CASE LPAREN case_comp RPAREN generate_choices ENDCASE"  # noqa: D300, D415
        p[0] = ast.CaseStatement(p[3], p[5], lineno=p.lineno(1))
        p.set_lineno(0, p.lineno(1))

    def p_generate_choices(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """generate_choices : generate_choices generate_choice
        | generate_choice
        """  # noqa: D205, D415
        p[0] = (p[1],) if len(p) == 2 else (*p[1], p[2])

    def p_generate_choice(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """generate_choice : casecontent_condition COLON generate_forcontent
        | DEFAULT COLON generate_forcontent
        """  # noqa: D205, D415
        p[0] = ast.Case(None if p[1] == "default" else p[1], p[3], lineno=p.lineno(2))


def _integer_width(line: int) -> ast.Width:
    return ast.Width(ast.IntConst("31", lineno=line), ast.IntConst("0", lineno=line), lineno=line)


def _function(
    name: str, width: ast.Width, statements: tuple[ast.Node, ...], line: int, *, signed: bool
) -> ast.Function:
    """Returns a function whose result's signedness, which pyverilog's node has no place for, is kept."""
    function = ast.Function(name, width, statements, lineno=line)
    function.signed = signed
    return function


def _same_kind(previous: ast.Ioport, name: str, line: int) -> ast.Ioport:
    first, second = (
        None if part is None else type(part)(name=name, width=part.width, signed=part.signed, lineno=line)
        for part in (previous.first, previous.second)
    )
    return ast.Ioport(first, second, lineno=line)


@functools.cache
def _grammar() -> _Grammar:
    return _Grammar()


_COLUMN = re.compile(r"^\s*\d+:")  # in front of an illegal character, counted from the start of the file
_MAX_TOKENS = 200_000  # the grammar's lists grow by copying: beyond, a file would keep it busy for minutes
_LOCK = threading.Lock()  # the table's stack and the lexer belong to one parse at a time


def parse(source: SourceText) -> ast.Source:
    """Returns pyverilog's syntax tree of preprocessed Verilog; its line numbers are those of ``source.text``.

    Raises:
        HardwareError: on a syntax error, with its file and line.
    """
    if not source.text.strip():
        raise HardwareError(f"{source.where(1)}: no module in this file")
    with _LOCK:
        grammar = _grammar()
        grammar.lexer.reset_lineno()
        grammar.lexer.directives.clear()
        grammar.lexer.default_nettype = "wire"
        try:
            # The lexer needs a line end after a final comment.
            tree = grammar.parser.parse(
                source.text + "\n", lexer=grammar.lexer, tokenfunc=_bounded(grammar.lexer, source)
            )
        except ParseError as error:
            raise _syntax_error(source, str(error)) from None
        finally:
            grammar.parser.symstack = []
            grammar.parser.statestack = []
    if not isinstance(tree, ast.Source):
        raise HardwareError(f"{source.where(1)}: no module in this file")
    return tree


def _bounded(lexer: VerilogLexer, source: SourceText) -> Callable[[], object]:
    """Returns the lexer's function of the next token, which refuses a file of too many.

    It leaves out the word ``automatic`` of a function: calls are inlined, and share no variables anyway.
    """
    tokens = itertools.count(1)
    in_function = False

    def token() -> object:
        nonlocal in_function
        if next(tokens) > _MAX_TOKENS:
            raise HardwareError(f"{source.where(1)}: more than {_MAX_TOKENS} tokens; cost a smaller part of the design")
        read = lexer.token()
        if in_function and read is not None and read.value == "automatic":
            read = lexer.token()
        in_function = read is not None and read.type == "FUNCTION"
        return read

    return token


# What SystemVerilog has and Verilog-2001 has not, as it looks in a line that does not parse.
_SYSTEM_VERILOG: Final = (
    (re.compile(r"\b(typedef|enum|struct|union|package|import|interface|modport|class|program)\b"), "{}"),
    (re.compile(r"\b(int|bit|byte|shortint|longint|void|string|return|break|continue|unique0?|priority)\b"), "{}"),
    (re.compile(r"\b(always_latch|assert|property|sequence|foreach|do|inside|let|var|localparam\s+\w+\s+\w+)\b"), "{}"),
    (re.compile(r"('[01xXzZ]\b|'\{)"), "{}"),
    (re.compile(r"(\w'\()"), "a cast {}"),
    (re.compile(r"(\+\+|--|[-+*/&|^%]=|<<=|>>=)"), "{}"),
    (re.compile(r"(\]\s*\[[^\]]*\]\s*\w)"), "several packed dimensions"),
    (re.compile(r"(\w\.\*|\(\s*\.\*)"), "the connection .*"),
    (re.compile(r"(\bend\w*\s*:\s*\w+)"), "a label behind end"),
    (re.compile(r"(::)"), "{}"),
)


def _construct(line: str) -> str | None:
    """Returns the construct of SystemVerilog that a line has, None if none is recognized."""
    for pattern, name in _SYSTEM_VERILOG:
        match = pattern.search(line)
        if match:
            return name.format(repr(match[1].strip()))
    return None


def _syntax_error(source: SourceText, message: str) -> HardwareError:
    """Turns pyverilog's ' line:N: before: "x"' into a place and a reason."""
    head, _, tail = message.partition(":")
    number, _, rest = tail.partition(":")
    digits = number.split()[0] if number.split() else ""
    if head.strip() != "line" or not digits.isdigit():
        return source.error(len(source.origins), "syntax error at end of input: a module is not closed")
    what = _COLUMN.sub("", rest).strip() or "here"
    lines = source.text.split("\n")[max(int(digits) - 2, 0) : int(digits)]  # it may have been noticed a line too late
    construct = next(filter(None, map(_construct, reversed(lines))), None)
    if construct is not None:
        return source.error(
            int(digits),
            f"{construct} is SystemVerilog, of which only logic and always_ff/_comb are read (syntax error {what})",
        )
    return source.error(
        int(digits), f"syntax error {what} (Verilog-2001 is read, and of SystemVerilog logic, always_ff/_comb)"
    )
