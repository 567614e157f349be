"""Verilog text to a pyverilog syntax tree, in memory: no table, listing or preprocessor file is ever written."""

import functools
import threading

from ply.yacc import NullLogger, yacc
from pyverilog.vparser import ast
from pyverilog.vparser.lexer import VerilogLexer
from pyverilog.vparser.parser import ParseError, VerilogParser

from hwmodels.errors import HardwareError
from hwmodels.parsing._source import SourceText


class _Grammar(VerilogParser):  # type: ignore[misc]  # pyverilog has no type information
    """pyverilog's grammar with its LALR table built in memory, and one of its rules corrected."""

    start = "source_text"

    def __init__(self) -> None:
        # The base class would create a directory and write parsetab.py and parser.out into it.
        self.lexer = VerilogLexer(error_func=self._lexer_error_func)
        self.lexer.build()
        self.tokens = self.lexer.tokens
        self.parser = yacc(module=self, method="LALR", debug=False, write_tables=False, errorlog=NullLogger())

    def p_ioports(self, p) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # ply passes its own untyped production
        "ioports : ioports COMMA ioport"  # noqa: D300, D403, D415  # ply reads the rule from the docstring
        port = p[3]
        if isinstance(port, str):
            # The original rule forgets `signed` for the second and later names of `input signed [7:0] a, b`.
            port = _same_kind(p[1][-1], port, p.lineno(3))
        p[0] = (*p[1], port)
        p.set_lineno(0, p.lineno(1))


def _same_kind(previous: ast.Ioport, name: str, line: int) -> ast.Ioport:
    first, second = (_renamed(part, name, line) for part in (previous.first, previous.second))
    return ast.Ioport(first, second, lineno=line)


def _renamed(variable: ast.Variable | None, name: str, line: int) -> ast.Variable | None:
    if variable is None:
        return None
    return type(variable)(name=name, width=variable.width, signed=variable.signed, lineno=line)


@functools.cache
def _grammar() -> _Grammar:
    return _Grammar()


_LOCK = threading.Lock()  # the table's stack and the lexer belong to one parse at a time


def parse(source: SourceText) -> ast.Source:
    """Parse preprocessed Verilog.

    Args:
        source: text without compiler directives.

    Returns:
        The root of pyverilog's syntax tree; line numbers are those of ``source.text``.

    Raises:
        HardwareError: on a syntax error, with its file and line.
    """
    with _LOCK:
        grammar = _grammar()
        grammar.lexer.reset_lineno()
        grammar.lexer.directives.clear()
        try:
            # The lexer needs a line end after a final comment.
            tree = grammar.parser.parse(source.text + "\n", lexer=grammar.lexer)
        except ParseError as error:
            raise _syntax_error(source, str(error)) from None
        finally:
            grammar.parser.symstack = []
            grammar.parser.statestack = []
    if not isinstance(tree, ast.Source):
        raise HardwareError(f"{source.where(1)}: no module in this file")
    return tree


def _syntax_error(source: SourceText, message: str) -> HardwareError:
    """Turn pyverilog's ' line:N: before: "x"' into a place and a reason."""
    head, _, tail = message.partition(":")
    number, _, rest = tail.partition(":")
    digits = number.split()[0] if number.split() else ""
    if head.strip() != "line" or not digits.isdigit():
        return source.error(len(source.origins), "syntax error at end of input: a module is not closed")
    return source.error(
        int(digits),
        f"syntax error {rest.strip() or 'here'} (Verilog-2001 is read, and of SystemVerilog logic, always_ff/_comb)",
    )
