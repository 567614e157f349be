"""Modules to one flat list of operators and registers: parameters, generate blocks and instances resolved."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pyverilog.vparser import ast

from hwmodels.errors import HardwareError
from hwmodels.parsing._declarations import declare, parameter_value, vector_range
from hwmodels.parsing._design import Design, Memory, Operator, Port, Register
from hwmodels.parsing._expressions import Expressions
from hwmodels.parsing._facts import ExpressionFacts, expression_facts
from hwmodels.parsing._functions import FunctionCalls
from hwmodels.parsing._loops import loop_passes
from hwmodels.parsing._lvalues import Lvalues
from hwmodels.parsing._processes import Process
from hwmodels.parsing._scope import Net, Scope
from hwmodels.parsing._source import SourceText
from hwmodels.parsing._values import Value, constant
from hwmodels.parsing._wiring import Wires, Wiring, extended
from hwmodels.parsing._work import Work

_MAX_DEPTH = 64
_GATES = {
    "and": "and", "nand": "and", "or": "or", "nor": "or", "xor": "xor", "xnor": "xor", "not": "not", "buf": "pos",
}  # fmt: skip
_DIRECTIONS = {ast.Input: "input", ast.Output: "output", ast.Inout: "inout"}
# A function becomes hardware at its calls; initial blocks and attributes are not hardware.
_NO_HARDWARE = (ast.Function, ast.Initial, ast.Pragma)
_INVERTED_GATES = ("nand", "nor", "xnor")


@dataclass(frozen=True)
class Module:
    """A parsed module and the text it came from, with what is the same for every set of parameters."""

    definition: ast.ModuleDef
    source: SourceText

    @functools.cached_property
    def declared(self) -> tuple[ast.Node, ...]:
        """Declarations of header and body outside of generate blocks, without ports in the header."""
        return tuple(_declared((*self.definition.paramlist.params, *self.definition.items)))

    @functools.cached_property
    def constants(self) -> tuple[ast.Parameter, ...]:
        """Parameters and localparams."""
        return tuple(item for item in self.declared if type(item) in (ast.Parameter, ast.Localparam))

    @functools.cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(item.name for item in self.constants if type(item) is ast.Parameter)

    @functools.cached_property
    def header_ports(self) -> tuple[ast.Node, ...]:
        """Declarations in the list of ports: the port, and its `reg` or `wire`."""
        ports = _of_type(self.definition.portlist.ports, ast.Ioport)
        return tuple(part for port in ports for part in (port.first, port.second) if part is not None)

    @functools.cached_property
    def functions(self) -> tuple[ast.Function, ...]:
        """Functions outside of generate blocks."""
        return tuple(_of_type(self.definition.items, ast.Function))

    @functools.cached_property
    def variables(self) -> tuple[ast.Node, ...]:
        """Nets and variables of the body."""
        constants = (ast.Assign, ast.Parameter, ast.Localparam)
        return tuple(item for item in _declared(self.definition.items) if type(item) not in constants)

    @functools.cached_property
    def body(self) -> tuple[ast.Node, ...]:
        """Items that are or contain hardware, `wire x = a + b;` included; `reg x = 0;` is for power-up."""
        return tuple(item for item in _with_assignments(self.definition.items) if type(item) not in _NO_HARDWARE)

    @functools.cached_property
    def expressions(self) -> ExpressionFacts:
        """Facts of the expressions that no parameter changes."""
        return expression_facts(self.definition)

    @functools.cached_property
    def directions(self) -> Mapping[str, str]:
        """Direction of each port, in order."""
        declared = [item for item in (*self.header_ports, *self.declared) if type(item) in _DIRECTIONS]
        by_name = {item.name: _DIRECTIONS[type(item)] for item in declared}
        order = [port.name for port in _of_type(self.definition.portlist.ports, ast.Port)]
        for name in order:
            if name not in by_name:
                raise self.source.error(self.definition.lineno, f"port {name!r} has no direction")
        return {name: by_name[name] for name in order} if order else by_name


@dataclass(slots=True)
class _Parts:
    operators: list[Operator] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    work: Work = field(default_factory=Work)
    wiring: Wiring = field(default_factory=Wiring)


def elaborate(modules: Mapping[str, Module], top: str, parameters: Mapping[str, int]) -> Design:
    """Resolves the design under a top module, given every known module by name and the top's overridden parameters.

    Raises:
        HardwareError: if the top or a parameter does not exist, or the source cannot be resolved.
    """
    if top not in modules:
        raise HardwareError(
            f"top module {top!r} does not exist; the files define: {', '.join(sorted(modules)) or 'no module'}"
        )
    parts = _Parts()
    values = {name: constant(number, max(32, number.bit_length() + 1)) for name, number in parameters.items()}
    instance = _Instance(modules, modules[top], values, "", parts, 0)
    instance.declare()
    instance.lower()
    return Design(
        top=top,
        parameters=instance.parameters(),
        ports=tuple(instance.ports()),
        operators=tuple(parts.operators),
        registers=tuple(parts.registers),
        memories=tuple(parts.memories),
        drivers=parts.wiring.drivers,
        driven_twice=frozenset(parts.wiring.twice),
    )


@dataclass
class _Instance:
    """One module with its parameters fixed."""

    modules: Mapping[str, Module]
    module: Module
    overrides: Mapping[str, Value]
    path: str
    parts: _Parts
    depth: int

    def __post_init__(self) -> None:
        self._definition, self._source = self.module.definition, self.module.source
        prefix = f"{self.path}." if self.path else ""
        self._scope = Scope(
            self._source, prefix, self.module.expressions, work=self.parts.work, wiring=self.parts.wiring
        )
        self._scope.spend(10 + len(self.module.declared), self._definition.lineno)
        self._calls = FunctionCalls(self.parts.operators.append, self.path)
        self._expressions = self._within(self._scope)
        if self.depth > _MAX_DEPTH:
            raise self._source.error(self._definition.lineno, f"module {self._definition.name!r} contains itself")

    def declare(self) -> None:
        """Declares parameters, ports and variables."""
        self._check_overrides()
        expressions = self._expressions
        for function in self.module.functions:
            self._scope.declare(function.name, function, function.lineno)
        for item in self.module.constants:
            overrides = {} if isinstance(item, ast.Localparam) else self.overrides
            self._scope.declare(item.name, parameter_value(item, expressions, overrides), item.lineno)
        for port in self.module.header_ports:
            declare(port, expressions)
        for item in self.module.variables:
            self._declare_variable(item, expressions)

    def lower(self) -> None:
        """Lowers the module's items to operators and registers."""
        for item in self.module.body:
            self._item(item, self._expressions)

    def learn(self, port: str, value: Value) -> None:
        """Adopts what the instantiating module knows of an input's value."""
        net = self._scope.names.get(port)
        if isinstance(net, Net):
            self._scope.names[port] = _learnt(net, value)

    def ports(self) -> Iterator[Port]:
        """Yields the ports in order."""
        for name, direction in self.module.directions.items():
            net = self._scope.names.get(name)
            if not isinstance(net, Net):
                raise self._source.error(self._definition.lineno, f"port {name!r} has no direction or width")
            yield Port(name, direction, net.width, net.signed, self.parts.wiring.named(net.name, net.width))

    def parameters(self) -> dict[str, int]:
        """Returns the resolved parameters (not the localparams)."""
        values = {name: self._scope.names[name] for name in self.module.parameters}
        return {name: value.number for name, value in values.items() if isinstance(value, Value)}

    def _check_overrides(self) -> None:
        for name in self.overrides:
            if name not in self.module.parameters:
                listed = ", ".join(self.module.parameters) or "none"
                raise self._source.error(
                    self._definition.lineno,
                    f"module {self._definition.name!r} has no parameter {name!r}; it has: {listed}",
                )

    def _within(self, scope: Scope) -> Expressions:
        return Expressions(scope, self.parts.operators.append, self._calls, self.path)

    def _declare_variable(self, declared: ast.Node, expressions: Expressions) -> None:
        net = declare(declared, expressions)
        if net is not None and net.words and not net.apart:
            self.parts.memories.append(Memory(net.name, net.width, net.words))

    def _item(self, item: ast.Node, expressions: Expressions) -> None:
        match item:
            case ast.Assign():
                self._assign(item, expressions)
            case ast.Always():
                registers = Process(expressions).run(item)  # memories are counted apart
                self.parts.registers += [each for each in registers if not each.name.endswith("[]")]
            case ast.InstanceList():
                for instance in item.instances:
                    self._instantiate(instance, expressions)
            case ast.GenerateStatement():
                self._generate(item.items, expressions)
            case ast.IfStatement() | ast.ForStatement() | ast.CaseStatement():
                self._generate((item,), expressions)
            case _:
                raise self._source.error(item.lineno, f"{type(item).__name__} is not supported")

    def _assign(self, item: ast.Assign, expressions: Expressions) -> None:
        self._declare_implicit(item.left.var, expressions)
        width = sum(target.width for target in Lvalues(expressions).targets(item.left.var))
        value = expressions.lower(item.right.var, width)
        self._drive(item.left.var, extended(value.wires, width, value.signed), expressions)
        if isinstance(item.left.var, ast.Identifier):
            net = expressions.scope.find(item.left.var.name)
            if isinstance(net, Net):
                expressions.scope.replace(item.left.var.name, _learnt(net, value))

    def _drive(self, node: ast.Node, wires: Wires, expressions: Expressions) -> None:
        """Connects what drives the left-hand side of a continuous assignment."""
        targets = list(Lvalues(expressions).targets(node, emit=True))
        driven = tuple([wire for target in reversed(targets) for wire in target.wires])
        self.parts.wiring.connect(driven, wires)

    def _declare_implicit(self, node: ast.Node, expressions: Expressions) -> None:
        """Declares an unknown name, left of an assign or in a port connection, as a wire (IEEE 1364-2005, 4.5)."""
        if not isinstance(node, ast.Identifier) or expressions.scope.find(node.name) is not None:
            return
        if self._definition.default_nettype != "wire":
            raise self._source.error(node.lineno, f"{node.name!r} is not declared")
        expressions.scope.declare(node.name, Net(f"{expressions.scope.prefix}{node.name}", 1, False), node.lineno)

    def _generate(self, items: tuple[ast.Node, ...], expressions: Expressions) -> None:
        scope = expressions.scope
        for function in _of_type(items, ast.Function):
            scope.declare(function.name, function, function.lineno)
        for declared in _declared(items):
            if not isinstance(declared, ast.Assign):
                self._declare_variable(declared, expressions)
        for item in _with_assignments(items):
            match item:
                case ast.IfStatement():
                    taken = item.true_statement if expressions.evaluate(item.cond) else item.false_statement
                    self._block(taken, scope, "")
                case ast.ForStatement():
                    for count in loop_passes(item, expressions):
                        self._block(item.statement, scope, f"[{count}]")
                case ast.CaseStatement():
                    self._block(self._chosen(item, expressions), scope, "")
                case _ if type(item) not in _NO_HARDWARE:
                    self._item(item, expressions)

    def _chosen(self, node: ast.CaseStatement, expressions: Expressions) -> ast.Node | None:
        """Returns the branch of a case-generate that its constant selects."""
        subject, fallback = expressions.evaluate(node.comp), None
        for item in node.caselist:
            if item.cond is None:
                fallback = item.statement
            elif any(expressions.evaluate(choice) == subject for choice in item.cond):
                return item.statement
        return fallback

    def _block(self, node: ast.Node | None, scope: Scope, suffix: str) -> None:
        if node is None:
            return
        if isinstance(node, ast.Block):
            name = node.scope or "genblk"
            self._generate(node.statements, self._within(scope.child(f"{name}{suffix}")))
        else:
            self._generate((node,), self._within(scope))

    def _instantiate(self, instance: ast.Instance, expressions: Expressions) -> None:
        if instance.module in _GATES:
            self._gate(instance, expressions)
            return
        module = self.modules.get(instance.module)
        if module is None:
            raise self._source.error(instance.lineno, f"module {instance.module!r} is not there")
        copies = 1 if instance.array is None else vector_range(instance.array, expressions)[1]
        overrides = self._instance_overrides(instance, module, expressions)
        path = f"{self.path}.{instance.name}" if self.path else instance.name
        for copy in range(copies):
            name = path if instance.array is None else f"{path}[{copy}]"
            child = _Instance(self.modules, module, overrides, name, self.parts, self.depth + 1)
            child.declare()
            self._connect(instance, child, expressions, copy, copies)
            child.lower()

    def _instance_overrides(self, instance: ast.Instance, module: Module, expressions: Expressions) -> dict[str, Value]:
        names = module.parameters
        overrides: dict[str, Value] = {}
        for position, argument in enumerate(instance.parameterlist):
            name = argument.paramname or (names[position] if position < len(names) else None)
            if name is None:
                raise self._source.error(instance.lineno, f"module {instance.module!r} has {len(names)} parameters")
            value = expressions.lower(argument.argname)
            if value.constant is None:
                raise self._source.error(instance.lineno, f"parameter {name!r} of {instance.name!r} is not constant")
            overrides[name] = value
        return overrides

    def _connect(
        self, instance: ast.Instance, child: "_Instance", expressions: Expressions, copy: int, copies: int
    ) -> None:
        ports = list(child.ports())
        by_name = {port.name: port for port in ports}
        for position, connection in enumerate(instance.portlist):
            if connection.portname is not None and connection.portname not in by_name:
                raise self._source.error(
                    instance.lineno, f"module {instance.module!r} has no port {connection.portname!r}"
                )
            if connection.argname is None:
                continue
            if connection.portname is None and position >= len(ports):
                raise self._source.error(instance.lineno, f"module {instance.module!r} has {len(ports)} ports")
            port = by_name[connection.portname] if connection.portname is not None else ports[position]
            self._declare_implicit(connection.argname, expressions)
            if port.direction == "input":
                value = expressions.lower(connection.argname)
                child.learn(port.name, value)
                wires = value.wires
                if copies > 1 and value.width == copies * port.width:  # each copy has its part
                    wires = wires[copy * port.width : (copy + 1) * port.width]
                self.parts.wiring.connect(port.wires, extended(wires, port.width, value.signed))
            elif port.direction == "output":
                self._drive_from_port(connection.argname, port, expressions, copy, copies)

    def _drive_from_port(self, node: ast.Node, port: Port, expressions: Expressions, copy: int, copies: int) -> None:
        targets = list(Lvalues(expressions).targets(node, emit=True))
        wires = tuple([wire for target in reversed(targets) for wire in target.wires])
        if copies > 1 and len(wires) == copies * port.width:
            wires = wires[copy * port.width : (copy + 1) * port.width]
        self.parts.wiring.connect(wires, extended(port.wires, len(wires), port.signed))

    def _gate(self, instance: ast.Instance, expressions: Expressions) -> None:
        """Lowers a gate primitive, which drives its first terminal; the others are inputs."""
        terminals = [connection.argname for connection in instance.portlist]
        for terminal in terminals:
            self._declare_implicit(terminal, expressions)
        kind, line = _GATES[instance.module], instance.lineno
        inputs = [expressions.lower(terminal) for terminal in terminals[1:]]
        if not inputs:
            raise self._source.error(line, f"gate {instance.module!r} needs an output and an input")
        value = inputs[0]
        for other in inputs[1:] if kind in ("and", "or", "xor") else ():
            value = expressions.emit(kind, (value, other), 1, False, line)
        if kind == "not" or instance.module in _INVERTED_GATES:
            value = expressions.emit("not", (value,), 1, False, line)
        self._drive(terminals[0], value.wires[:1], expressions)


def _of_type(items: Iterable[ast.Node], kind: type[ast.Node]) -> Iterator[ast.Node]:
    return (item for item in items if isinstance(item, kind))


def _declared(items: Iterable[ast.Node]) -> Iterator[ast.Node]:
    return (declared for declaration in _of_type(items, ast.Decl) for declared in declaration.list)


def _with_assignments(items: Iterable[ast.Node]) -> Iterator[ast.Node]:
    """Yields items, declarations replaced by what they assign to nets."""
    for item in items:
        if not isinstance(item, ast.Decl):
            yield item
        elif not any(isinstance(declared, ast.Reg) for declared in item.list):
            yield from (declared for declared in item.list if isinstance(declared, ast.Assign))


def _learnt(net: Net, value: Value) -> Net:
    """Returns a net with what is known of the value that drives all of it."""
    filled = value.active if value.active < net.width else None
    known = (min(value.fixed[0], net.width), value.fixed[1])
    return net._replace(filled=filled, known=known, depth=value.depth)
