"""Verilog functions: evaluated if all arguments are constant, inlined as logic if not."""

from pyverilog.vparser import ast

from hwmodels.parsing._declarations import declare, vector_range
from hwmodels.parsing._expressions import Expressions, Record
from hwmodels.parsing._loops import MAX_PASSES
from hwmodels.parsing._processes import Process
from hwmodels.parsing._scope import Net
from hwmodels.parsing._values import Value, constant
from hwmodels.parsing._wiring import extended

_MAX_DEPTH = 64
_CALL_STEPS = 20  # of work, for what is set up around the statements of a call


class FunctionCalls:
    """Lowers the calls of the instance of hierarchical name ``path``; ``record`` receives their operators."""

    def __init__(self, record: Record, path: str) -> None:
        self._record = record
        self._path = path
        self._depth = 0

    def __call__(
        self, function: ast.Function, arguments: list[Value], caller: Expressions, call: ast.FunctionCall
    ) -> Value:
        """Returns the value of a call; constant if all arguments are."""
        scope = caller.scope
        if self._depth >= _MAX_DEPTH:
            raise scope.source.error(call.lineno, f"function {function.name!r} calls itself without end")
        self._depth += 1
        try:
            return self._inside(function, arguments, caller, call)
        finally:
            self._depth -= 1

    def _inside(
        self, function: ast.Function, arguments: list[Value], caller: Expressions, call: ast.FunctionCall
    ) -> Value:
        scope = caller.scope
        scope.spend(_CALL_STEPS, call.lineno)
        inner = scope.child(f"{function.name}@{call.lineno}")
        folded = all(argument.constant is not None for argument in arguments)
        expressions = Expressions(inner, self._record, self, self._path)
        low, width = vector_range(function.retwidth, expressions)
        signed = bool(getattr(function, "signed", False))
        declared = [item for statement in function.statement[:-1] for item in statement.list]
        for item in declared:
            declare(item, expressions)
        inputs = [item.name for item in declared if isinstance(item, ast.Input)]
        if len(inputs) != len(arguments):
            raise scope.source.error(
                call.lineno, f"function {function.name!r} takes {len(inputs)} arguments, got {len(arguments)}"
            )
        if not folded:
            result = inner.names[function.name] = Net(f"{inner.prefix}{function.name}", width, signed, low)
            bound = dict(caller.visible)
            for net in inner.names.values():
                if isinstance(net, Net):
                    scope.wiring.renew(net.name, net.width)
            for name, argument in zip(inputs, arguments, strict=True):
                net = inner.names[name]
                if isinstance(net, Net):
                    wires = extended(argument.wires, net.width, argument.signed)
                    bound.update(zip(scope.wiring.named(net.name, net.width), wires, strict=True))
            bits = Process(expressions).of_function(function.statement[-1], result, bound)
            return Value(width, signed, bits=bits)
        for name, argument in zip(inputs, arguments, strict=True):
            net = inner.names[name]
            inner.assign(name, constant(argument.number, net.width, net.signed) if isinstance(net, Net) else argument)
        inner.assign(function.name, constant(0, width, signed))
        _Interpreter(expressions).run(function.statement[-1])
        value = inner.names[function.name]
        assert isinstance(value, Value)  # noqa: S101  # set above, and only ever replaced by values
        return value


class _Interpreter:
    """Runs the statements of a constant function on numbers."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions
        self._scope = expressions.scope

    def run(self, node: ast.Node | None) -> None:
        """Runs one statement."""
        match node:
            case None | ast.Decl():
                return
            case ast.Block():
                for inner in node.statements:
                    self.run(inner)
            case ast.IfStatement():
                self.run(node.true_statement if self._expressions.evaluate(node.cond) else node.false_statement)
            case ast.BlockingSubstitution():
                self._assign(node)
            case ast.ForStatement():
                self._assign(node.pre)
                self._loop(node, node.statement, node.post)
            case ast.WhileStatement():
                self._loop(node, node.statement)
            case ast.CaseStatement():
                self._case(node)
            case _:
                raise self._scope.source.error(
                    node.lineno, f"{type(node).__name__} cannot be evaluated in a constant function"
                )

    def _loop(self, node: ast.ForStatement | ast.WhileStatement, *body: ast.Node) -> None:
        for _ in range(MAX_PASSES):
            if not self._expressions.evaluate(node.cond):
                return
            self._scope.spend(1, node.lineno)
            for statement in body:
                self.run(statement)
        raise self._scope.source.error(node.lineno, f"the loop does not end within {MAX_PASSES} passes")

    def _assign(self, node: ast.Substitution) -> None:
        target = node.left.var
        if not isinstance(target, ast.Identifier):
            raise self._scope.source.error(node.lineno, "a constant function must assign plain names")
        old = self._expressions.scope.find(target.name)
        if not isinstance(old, Net | Value):
            raise self._scope.source.error(node.lineno, f"{target.name!r} is not declared")
        value = self._expressions.lower(node.right.var, old.width)
        if value.constant is None:
            raise self._scope.source.error(node.lineno, "a constant function must not depend on a signal")
        self._scope.assign(target.name, constant(value.number, old.width, old.signed))

    def _case(self, node: ast.CaseStatement) -> None:
        subject = self._expressions.evaluate(node.comp)
        for item in node.caselist:
            if item.cond is None or any(self._expressions.evaluate(choice) == subject for choice in item.cond):
                self.run(item.statement)
                return
