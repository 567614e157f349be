"""Loops with constant bounds, and the constants that run through them."""

from collections.abc import Iterator

from pyverilog.vparser import ast

from hwmodels.parsing._expressions import Expressions
from hwmodels.parsing._values import Value, constant

MAX_PASSES = 4096  # far beyond any unrolled hardware; a guard against loops that do not end


def loop_passes(loop: ast.ForStatement, expressions: Expressions) -> Iterator[int]:
    """Unrolls a loop: yields once per pass, with the loop variable set in the scope to its value of that pass."""
    scope = expressions.scope
    for part, name in ((loop.pre, "start"), (loop.cond, "condition"), (loop.post, "step")):
        if part is None:
            raise scope.source.error(loop.lineno, f"a loop without {name} is not supported")
    target = loop.pre.left.var
    if not isinstance(target, ast.Identifier):
        raise scope.source.error(loop.lineno, "the loop variable must be a plain name")
    variable = target.name
    outer = scope.names.get(variable)
    try:
        scope.assign(variable, _number(loop.pre, expressions))
        for count in range(MAX_PASSES + 1):
            if expressions.evaluate(loop.cond) == 0:
                return
            if count == MAX_PASSES:
                raise scope.source.error(loop.lineno, f"the loop does not end within {MAX_PASSES} passes")
            scope.spend(1, loop.lineno)
            yield count
            scope.assign(variable, _number(loop.post, expressions))
    finally:
        if outer is None:
            del scope.names[variable]
        else:
            scope.names[variable] = outer
        scope.forget()


def _number(assignment: ast.Substitution, expressions: Expressions) -> Value:
    return constant(expressions.evaluate(assignment.right.var))


def is_loop_constant(node: ast.Substitution, expressions: Expressions) -> bool:
    """Returns whether an assignment is to the variable of a loop that is being unrolled, a constant."""
    target = node.left.var
    return isinstance(target, ast.Identifier) and isinstance(expressions.scope.find(target.name), Value)
