"""Always blocks to multiplexers and registers, by the rules that synthesis follows."""

from collections.abc import Hashable, Iterator
from itertools import pairwise

from pyverilog.vparser import ast

from hwmodels.parsing._design import Register
from hwmodels.parsing._expressions import Expressions
from hwmodels.parsing._facts import Shape
from hwmodels.parsing._loops import is_loop_constant, loop_passes
from hwmodels.parsing._lvalues import Lvalues, Target
from hwmodels.parsing._values import Value

Driver = Hashable  # identity of what drives a piece of a variable
Drivers = dict[Target, Driver]
_EDGES = ("posedge", "negedge")


class Process:
    """Lowers one always block (or the body of an inlined function)."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions
        self._scope = expressions.scope
        self._lvalues = Lvalues(expressions)
        self._pieces: dict[str, list[Target]] = {}  # of every assigned variable
        self._fresh = 0

    def run(self, always: ast.Always) -> Iterator[Register]:
        """Records the multiplexers of a process, and yields the registers it makes."""
        if not any(sens.type in _EDGES for sens in always.sens_list.list):
            self.lower(always.statement)
            return
        body, resets = self._without_async_resets(always)
        self._cut(body, *resets)
        outcome = self._statement(body, {})
        reset = [piece for node in resets for target in self._targets(node) for piece in self._split(target)]
        for piece in dict.fromkeys((*outcome, *reset)):
            yield Register(piece.name, piece.width, asynchronous_reset=bool(resets))

    def lower(self, statement: ast.Node) -> None:
        """Records the operators of a combinational statement."""
        self._cut(statement)
        self._statement(statement, {})

    def _without_async_resets(self, always: ast.Always) -> tuple[ast.Node, list[ast.Node]]:
        """Peels off `if (reset) ... else` for each edge beyond the clock; the reset branches need no logic."""
        edges = [name for sens in always.sens_list.list if sens.type in _EDGES for name in _names(sens.sig)]
        body, resets = _single(always.statement), list[ast.Node]()
        while len(resets) + 1 < len(edges):
            if not isinstance(body, ast.IfStatement) or not _names(body.cond) & set(edges):
                raise self._scope.source.error(
                    always.lineno, f"a process on {len(edges)} edges must begin with `if` on an asynchronous reset"
                )
            self._expressions.condition(body.cond)
            resets.append(body.true_statement)
            body = _single(body.false_statement) if body.false_statement is not None else ast.Block(())
        return body, resets

    def _cut(self, *statements: ast.Node) -> None:
        """Cuts every assigned variable at the bits at which an assignment of the process begins or ends."""
        cuts: dict[str, set[int]] = {}
        for statement in statements:
            for target in self._targets(statement):
                cuts.setdefault(target.name, set()).update((target.low, target.low + target.width))
        self._pieces = {
            name: [Target(name, low, high - low, name.endswith("[]")) for low, high in pairwise(sorted(points))]
            for name, points in cuts.items()
        }

    def _targets(self, node: ast.Node) -> Iterator[Target]:
        """Yields what a statement assigns, loops unrolled."""
        match node:
            case ast.Block():
                for inner in node.statements:
                    yield from self._targets(inner)
            case ast.IfStatement():
                yield from self._targets(node.true_statement)
                if node.false_statement is not None:
                    yield from self._targets(node.false_statement)
            case ast.CaseStatement():
                for item in node.caselist:
                    yield from self._targets(item.statement)
            case ast.ForStatement():
                for _ in loop_passes(node, self._expressions):
                    yield from self._targets(node.statement)
            case ast.BlockingSubstitution() | ast.NonblockingSubstitution():
                yield from self._lvalues.targets(node.left.var)
            case _:
                return

    def _statement(self, node: ast.Node, before: Drivers) -> Drivers:
        """Lowers a statement; returns the drivers of all pieces assigned so far."""
        match node:
            case ast.Block():
                for inner in node.statements:
                    before = self._statement(inner, before)
                return before
            case ast.IfStatement():
                return self._if(node, before)
            case ast.CaseStatement():
                return self._case(node, before)
            case ast.ForStatement():
                for _ in loop_passes(node, self._expressions):
                    before = self._statement(node.statement, before)
                return before
            case ast.BlockingSubstitution() | ast.NonblockingSubstitution():
                return self._assign(node, before)
            case ast.Decl():
                return before
            case ast.SingleStatement() if isinstance(node.statement, ast.SystemCall):
                return before  # $display and the like are not hardware
            case _:
                raise self._scope.source.error(node.lineno, f"{type(node).__name__} is not synthesizable here")

    def _assign(self, node: ast.Substitution, before: Drivers) -> Drivers:
        self._scope.spend(1 + (len(before) >> 6), node.lineno)
        after = dict(before)
        if is_loop_constant(node, self._expressions):
            return after
        targets = list(self._lvalues.targets(node.left.var, emit=True))
        width = sum(target.width for target in targets)
        value = self._expressions.lower(node.right.var, width)
        high = width
        for target in targets:
            high -= target.width
            for piece in self._split(target):
                after[piece] = self._driver(value, high + piece.low - target.low, piece.width)
        return after

    def _split(self, target: Target) -> list[Target]:
        end, pieces = target.low + target.width, self._pieces[target.name]
        self._scope.spend(len(pieces) >> 6, 1)
        return [piece for piece in pieces if target.low <= piece.low and piece.low + piece.width <= end]

    def _driver(self, value: Value, low: int, width: int) -> Driver:
        if value.constant is not None:
            return ("constant", value.number >> low & ((1 << width) - 1))
        if value.origin is not None:
            return (value.origin, value.width, value.signed, low, width)
        return self._new()

    def _new(self) -> Driver:
        self._fresh += 1
        return ("fresh", self._fresh)

    def _if(self, node: ast.IfStatement, before: Drivers) -> Drivers:
        select = self._expressions.condition(node.cond)
        if select.constant is not None:
            taken = node.true_statement if select.constant else node.false_statement
            return before if taken is None else self._statement(taken, before)
        when_true = self._statement(node.true_statement, before)
        when_false = before if node.false_statement is None else self._statement(node.false_statement, before)
        after = dict(before)
        for piece in dict.fromkeys((*when_true, *when_false)):
            true_driver, false_driver = (branch.get(piece, ("before", piece)) for branch in (when_true, when_false))
            after[piece] = self._mux(piece, true_driver, false_driver, select, node)
        return after

    def _mux(self, piece: Target, true_driver: Driver, false_driver: Driver, select: Value, node: ast.Node) -> Driver:
        if true_driver == false_driver or piece.memory:  # a memory's write enable is not a multiplexer
            return true_driver
        inputs = (_operand(piece, false_driver), _operand(piece, true_driver), select)
        self._expressions.emit("mux", inputs, piece.width, False, node.lineno)
        return self._new()

    def _case(self, node: ast.CaseStatement, before: Drivers) -> Drivers:
        shape = self._case_shape(node)
        subject = self._expressions.in_context(node.comp, *shape)
        selects, branches = [], []
        parallel = _Exclusive(shape[0])
        for number, item in enumerate(node.caselist):
            self._scope.spend(1 + (number + len(before) >> 6), node.lineno)  # each is compared with those before it
            selects.append(self._item_select(node, item, subject, shape, parallel))
            branches.append(self._statement(item.statement, before))
        after = dict(before)
        for piece in dict.fromkeys(piece for branch in branches for piece in branch):
            drivers = [branch.get(piece, ("before", piece)) for branch in branches]
            start = before.get(piece, ("before", piece))
            after[piece] = self._case_mux(piece, start, list(zip(selects, drivers, strict=True)), parallel.holds, node)
        return after

    def _case_shape(self, node: ast.CaseStatement) -> Shape:
        shapes = [self._expressions.shapes.of(node.comp)]
        shapes += [self._expressions.shapes.of(choice) for item in node.caselist for choice in item.cond or ()]
        return max(width for width, _ in shapes), all(signed for _, signed in shapes)

    def _item_select(
        self, node: ast.CaseStatement, item: ast.Case, subject: Value, shape: Shape, parallel: "_Exclusive"
    ) -> Value | None:
        """Records the comparisons of one item, and returns their result, None for the default."""
        if item.cond is None:
            return None
        matches = []
        for choice in item.cond:
            value = self._expressions.in_context(choice, *shape)
            parallel.add(value)
            matches.append(self._compare(node, subject, value, shape))
        if len(matches) == 1:
            return matches[0]
        return self._expressions.emit("reduce_or", (Value(len(matches), False),), 1, False, item.lineno)

    def _compare(self, node: ast.CaseStatement, subject: Value, value: Value, shape: Shape) -> Value:
        care = (1 << shape[0]) - 1
        if isinstance(node, ast.CasexStatement | ast.CasezStatement) and value.care is not None:
            care &= value.care
        bits = care.bit_count()
        number = None if value.constant is None else value.extended(*shape).constant
        if bits == 1 and number == care:
            return Value(1, False, origin=(subject.origin, care))
        self._expressions.emit("eq", (Value(bits, False), Value(bits, False, number)), 1, False, node.lineno)
        return Value(1, False)

    def _case_mux(
        self, piece: Target, start: Driver, items: list[tuple[Value | None, Driver]], parallel: bool, node: ast.Node
    ) -> Driver:
        """Chains the items from the last to the first; exclusive ones share one multiplexer with several selects."""
        if piece.memory:
            return self._new()
        result, base, branches = start, start, 0
        for select, driver in reversed(items):
            if select is None:
                result = base = driver
            elif branches and parallel:
                branches += driver != base
            elif driver != result:
                base, result, branches = result, self._new(), branches + 1
                if not parallel:
                    self._emit_case_mux(piece, 1, base, driver, node)
        if parallel and branches:
            self._emit_case_mux(piece, branches, base, self._new(), node)
        return result

    def _emit_case_mux(self, piece: Target, branches: int, base: Driver, driver: Driver, node: ast.Node) -> None:
        chosen = Value(branches * piece.width, False) if branches > 1 else _operand(piece, driver)
        inputs = (_operand(piece, base), chosen, Value(branches, False))
        self._expressions.emit("pmux" if branches > 1 else "mux", inputs, piece.width, False, node.lineno)


class _Exclusive:
    """Collects the constants of a case; ``holds`` is True if they are known to exclude each other."""

    def __init__(self, width: int) -> None:
        self._full = (1 << width) - 1
        self._seen: list[tuple[int, int]] = []
        self.holds = True

    def add(self, value: Value) -> None:
        """Adds one constant of a case item."""
        if value.constant is None:
            self.holds = False
            return
        bits, care = value.constant & self._full, self._full if value.care is None else value.care & self._full
        self.holds &= all((bits ^ other) & care & mask for other, mask in self._seen)
        self._seen.append((bits, care))


def _operand(piece: Target, driver: Driver) -> Value:
    known = isinstance(driver, tuple) and driver[0] == "constant"
    return Value(piece.width, False, driver[1] if known and isinstance(driver, tuple) else None)


def _single(node: ast.Node) -> ast.Node:
    while isinstance(node, ast.Block) and len(node.statements) == 1:
        node = node.statements[0]
    return node


def _names(node: ast.Node) -> set[str]:
    if isinstance(node, ast.Identifier):
        return {node.name}
    return {name for child in node.children() for name in _names(child)}
