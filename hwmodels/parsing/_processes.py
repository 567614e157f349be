"""Always blocks to multiplexers and registers, by the rules that synthesis follows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from pyverilog.vparser import ast

from hwmodels.parsing._design import Register
from hwmodels.parsing._expressions import Expressions
from hwmodels.parsing._facts import Shape
from hwmodels.parsing._loops import is_loop_constant, loop_passes
from hwmodels.parsing._lvalues import Lvalues, Target
from hwmodels.parsing._scope import Net
from hwmodels.parsing._values import Value
from hwmodels.parsing._wiring import UNKNOWN, Wires, extended

_EDGES = ("posedge", "negedge")


@dataclass(slots=True)
class _State:
    """What the variables of a process hold at a point of it.

    Attributes:
        visible: per wire of a variable, the wire that a reader sees, if a blocking assignment or argument set it.
        assigned: per wire of a variable, the wire that will drive it.
        pieces: pieces of variables that have been assigned.
    """

    visible: dict[int, int] = field(default_factory=dict)
    assigned: dict[int, int] = field(default_factory=dict)
    pieces: dict[Target, None] = field(default_factory=dict)

    def copy(self) -> "_State":
        """Returns a state that can go its own way."""
        return _State(dict(self.visible), dict(self.assigned), dict(self.pieces))

    def driver(self, piece: Target) -> Wires:
        """Returns the wires that will drive a piece; its own if it keeps its value."""
        return tuple([self.assigned.get(wire, wire) for wire in piece.wires])

    def set(self, piece: Target, driver: Wires, *, blocking: bool) -> None:
        """Assigns a piece."""
        self.pieces[piece] = None
        self.assigned.update(zip(piece.wires, driver, strict=True))
        if blocking:
            self.visible.update(zip(piece.wires, driver, strict=True))

    def sees(self, piece: Target) -> bool:
        """Returns whether a reader sees what was assigned to a piece."""
        return bool(piece.wires) and piece.wires[0] in self.visible


class Process:
    """Lowers one always block (or the body of an inlined function)."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions
        self._scope = expressions.scope
        self._lvalues = Lvalues(expressions)
        self._pieces: dict[str, list[Target]] = {}  # of every assigned variable

    def run(self, always: ast.Always) -> Iterator[Register]:
        """Records the multiplexers of a process, and yields the registers it makes."""
        state = _State()
        if not any(sens.type in _EDGES for sens in always.sens_list.list):
            self._cut(always.statement)
            self._run(always.statement, state)
            for piece in state.pieces:
                self._scope.wiring.connect(piece.wires, state.driver(piece))
            return
        body, resets = self._without_async_resets(always)
        self._cut(body, *resets)
        self._run(body, state)
        reset = _State()
        for node in reversed(resets):
            self._run(node, reset)
        for piece in dict.fromkeys((*state.pieces, *reset.pieces)):
            value = reset.driver(piece) if resets else ()
            yield Register(
                piece.name, piece.width, bool(resets), self._scope.source.where(always.lineno),
                self._expressions.path, piece.wires, state.driver(piece), value,
            )  # fmt: skip

    def of_function(self, statement: ast.Node, result: Net, bound: dict[int, int]) -> Wires:
        """Records the operators of a function's body, given the wires of its arguments; returns those of its result."""
        self._cut(statement)
        state = _State(visible=bound)
        self._run(statement, state)
        return tuple(
            [state.assigned.get(wire, UNKNOWN) for wire in self._scope.wiring.named(result.name, result.width)]
        )

    def _run(self, statement: ast.Node, state: _State) -> None:
        self._statement(statement, state)
        self._expressions.visible = self._expressions.assigned = {}

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
        wires: dict[tuple[str, int], int] = {}
        for statement in statements:
            for target in self._targets(statement):
                cuts.setdefault(target.name, set()).update((target.low, target.low + target.width))
                wires.update(((target.name, target.low + place), wire) for place, wire in enumerate(target.wires))
        self._pieces = {
            name: [
                Target(
                    name,
                    low,
                    high - low,
                    name.endswith("[]"),
                    wires=tuple([wires.get((name, place), UNKNOWN) for place in range(low, high)]),
                )
                for low, high in pairwise(sorted(points))
            ]
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

    def _statement(self, node: ast.Node, state: _State) -> None:
        """Lowers a statement, and adds to the state what it assigns."""
        match node:
            case ast.Block():
                for inner in node.statements:
                    self._statement(inner, state)
            case ast.IfStatement():
                self._if(node, state)
            case ast.CaseStatement():
                self._case(node, state)
            case ast.ForStatement():
                for _ in loop_passes(node, self._expressions):
                    self._statement(node.statement, state)
            case ast.BlockingSubstitution() | ast.NonblockingSubstitution():
                self._assign(node, state)
            case ast.Decl():
                return
            case ast.SingleStatement() if isinstance(node.statement, ast.SystemCall):
                return  # $display and the like are not hardware
            case _:
                raise self._scope.source.error(node.lineno, f"{type(node).__name__} is not synthesizable here")

    def _at(self, state: _State) -> Expressions:
        """Returns the expressions as this point of the process sees them."""
        self._expressions.visible, self._expressions.assigned = state.visible, state.assigned
        return self._expressions

    def _assign(self, node: ast.Substitution, state: _State) -> None:
        self._scope.spend(1, node.lineno)
        if is_loop_constant(node, self._expressions):
            return
        expressions = self._at(state)
        targets = list(self._lvalues.targets(node.left.var, emit=True))
        width = sum(len(target.written) or target.width for target in targets)
        value = expressions.lower(node.right.var, width)
        wires = extended(value.wires, width, value.signed)
        blocking, high = isinstance(node, ast.BlockingSubstitution), width
        for target in targets:
            high -= len(target.written) or target.width
            self._scope.wiring.connect(target.written, wires[high : high + len(target.written)])
            for piece in self._split(target):
                low = piece.low if target.result else high + piece.low - target.low
                driver = (target.result or wires)[low : low + piece.width]
                state.set(piece, driver, blocking=blocking)

    def _split(self, target: Target) -> list[Target]:
        end, pieces = target.low + target.width, self._pieces[target.name]
        self._scope.spend(len(pieces) >> 6, 1)
        return [piece for piece in pieces if target.low <= piece.low and piece.low + piece.width <= end]

    def _if(self, node: ast.IfStatement, state: _State) -> None:
        select = self._at(state).condition(node.cond)
        if select.constant is not None:
            taken = node.true_statement if select.constant else node.false_statement
            if taken is not None:
                self._statement(taken, state)
            return
        when_true, when_false = self._branch(node.true_statement, state), self._branch(node.false_statement, state)
        for piece in dict.fromkeys((*when_true.pieces, *when_false.pieces)):
            drivers = when_true.driver(piece), when_false.driver(piece)
            blocking = when_true.sees(piece) or when_false.sees(piece)
            state.set(piece, self._mux(piece, *drivers, select, node), blocking=blocking)

    def _branch(self, node: ast.Node | None, state: _State) -> _State:
        """Returns the state behind a branch."""
        self._scope.spend(1 + (len(state.assigned) + len(state.visible) >> 8), 1)
        after = state.copy()
        if node is not None:
            self._statement(node, after)
        return after

    def _mux(self, piece: Target, true_driver: Wires, false_driver: Wires, select: Value, node: ast.Node) -> Wires:
        if true_driver == false_driver or piece.memory:  # a memory's write enable is not a multiplexer
            return true_driver
        inputs = (_operand(false_driver), _operand(true_driver), select)
        return self._expressions.emit("mux", inputs, piece.width, False, node.lineno).bits

    def _case(self, node: ast.CaseStatement, state: _State) -> None:
        shape = self._case_shape(node)
        subject = self._at(state).in_context(node.comp, *shape)
        selects, branches = [], []
        parallel = _Exclusive(shape[0])
        for number, item in enumerate(node.caselist):
            self._scope.spend(1 + (number >> 6), node.lineno)  # each is compared with those before it
            self._at(state)
            selects.append(self._item_select(node, item, subject, shape, parallel))
            branches.append(self._branch(item.statement, state))
        for piece in dict.fromkeys(piece for branch in branches for piece in branch.pieces):
            items = [(select, branch.driver(piece)) for select, branch in zip(selects, branches, strict=True)]
            default = next((driver for select, driver in items if select is None), None)
            start = default or ((UNKNOWN,) * piece.width if parallel.complete else state.driver(piece))
            choices = [(select, driver) for select, driver in items if select is not None]
            driver = self._case_mux(piece, start, choices, parallel.holds, node)
            state.set(piece, driver, blocking=any(branch.sees(piece) for branch in branches))

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
        joined = Value(len(matches), False, bits=tuple([wire for match in matches for wire in match.wires]))
        return self._expressions.emit("reduce_or", (joined,), 1, False, item.lineno)

    def _compare(self, node: ast.CaseStatement, subject: Value, value: Value, shape: Shape) -> Value:
        care = (1 << shape[0]) - 1
        if isinstance(node, ast.CasexStatement | ast.CasezStatement) and value.care is not None:
            care &= value.care
        cared = [place for place in range(shape[0]) if care >> place & 1]
        left, right = (
            tuple([wires[place] for place in cared])
            for wires in (extended(side._replace(care=None).wires, *shape) for side in (subject, value))
        )
        if right == (1,):
            return Value(1, False, bits=left)
        if not cared:
            return Value(1, False, 1)
        both = (Value(len(cared), False, bits=left), _operand(right))
        return Value(1, False, bits=self._expressions.emit("eq", both, 1, False, node.lineno).bits)

    def _case_mux(
        self, piece: Target, start: Wires, items: list[tuple[Value, Wires]], parallel: bool, node: ast.Node
    ) -> Wires:
        """Chains the items from the last to the first; exclusive ones share one multiplexer with several selects."""
        if piece.memory:
            return start
        if parallel:
            return self._parallel_mux(piece, start, [item for item in items if item[1] != start], node)
        result = start
        for select, driver in reversed(items):
            if driver != result:
                inputs = (_operand(result), _operand(driver), select)
                result = self._expressions.emit("mux", inputs, piece.width, False, node.lineno).bits
        return result

    def _parallel_mux(self, piece: Target, base: Wires, items: list[tuple[Value, Wires]], node: ast.Node) -> Wires:
        if not items:
            return base
        selects = tuple([wire for select, _ in items for wire in select.wires])
        chosen = tuple([wire for _, driver in items for wire in driver])
        if len(items) == 1:
            inputs = (_operand(base), _operand(chosen), Value(1, False, bits=selects))
            return self._expressions.emit("mux", inputs, piece.width, False, node.lineno).bits
        several = Value(len(chosen), False, bits=chosen), Value(len(selects), False, bits=selects)
        return self._expressions.emit("pmux", (_operand(base), *several), piece.width, False, node.lineno).bits


class _Exclusive:
    """Collects the constants of a case; ``holds`` is True if they are known to exclude each other."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._full = (1 << width) - 1
        self._seen: list[tuple[int, int]] = []
        self.holds = True

    @property
    def complete(self) -> bool:
        """Whether the constants are all that there are, so that no other value is possible."""
        covered = sum(1 << self._width - care.bit_count() for _, care in self._seen)
        return self.holds and covered == 1 << self._width

    def add(self, value: Value) -> None:
        """Adds one constant of a case item."""
        if value.constant is None:
            self.holds = False
            return
        bits, care = value.constant & self._full, self._full if value.care is None else value.care & self._full
        self.holds &= all((bits ^ other) & care & mask for other, mask in self._seen)
        self._seen.append((bits, care))


def _operand(wires: Wires) -> Value:
    """Returns wires as an operand, a constant if they are."""
    if all(wire <= 1 for wire in wires):
        return Value(len(wires), False, sum(wire << place for place, wire in enumerate(wires)))
    return Value(len(wires), False, bits=wires)


def _single(node: ast.Node) -> ast.Node:
    while isinstance(node, ast.Block) and len(node.statements) == 1:
        node = node.statements[0]
    return node


def _names(node: ast.Node) -> set[str]:
    if isinstance(node, ast.Identifier):
        return {node.name}
    return {name for child in node.children() for name in _names(child)}
