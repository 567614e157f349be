"""A counterexample as a test bench in Verilog, which fails on the unit that it refutes."""

from collections.abc import Iterator, Mapping

from hwmodels.proof._netlist import Source, WordNetlist
from hwmodels.proof.interface import CLOCK, OUTPUT, Interface
from hwmodels.proof.prover import Counterexample


def bench_of(source: Source, netlist: WordNetlist, interface: Interface, counterexample: Counterexample) -> str:
    """Returns a self-checking test bench: it prints FAIL and ends with an error if the unit answers as was found.

    Registers start undefined, as they do on silicon; a unit whose answer depends on what they held fails as well.
    """
    return "\n".join(_lines(source, netlist, interface, counterexample)) + "\n"


def _lines(source: Source, netlist: WordNetlist, interface: Interface, counterexample: Counterexample) -> Iterator[str]:
    stated = ", ".join(f"{role} = {value}" for role, value in counterexample.integers.items())
    yield f"// {stated}"
    yield f"// the unit answers {counterexample.unit}, where {counterexample.expected} is right."
    yield "module testbench;"
    for port in netlist.ports.values():
        kind = "reg " if port.direction == "input" else "wire"
        yield f"    {kind} [{len(port.nets) - 1}:0] {port.name};"
    overrides = ", ".join(f".{name}({value})" for name, value in source.parameters.items())
    connected = ", ".join(f".{name}({name})" for name in netlist.ports)
    yield f"    {source.top}{f' #({overrides})' if overrides else ''} dut ({connected});"
    yield "    initial begin"
    clock = interface.ports[CLOCK].name if CLOCK in interface.ports else ""
    for cycle in counterexample.cycles[:-1]:
        yield from _driven(netlist, cycle, clock)
        yield f"        {clock} = 0; #5 {clock} = 1; #5 {clock} = 0;" if clock else "        #5;"
    yield from _driven(netlist, counterexample.cycles[-1], clock)
    yield "        #5;"
    yield from _checked(netlist, interface, counterexample.expected)
    yield "    end"
    yield "endmodule"


def _driven(netlist: WordNetlist, cycle: Mapping[str, int], clock: str) -> Iterator[str]:
    for name, value in cycle.items():
        if name != clock:
            yield f"        {name} = {len(netlist.ports[name].nets)}'h{value:x};"


def _checked(netlist: WordNetlist, interface: Interface, expected: int) -> Iterator[str]:
    out = interface.ports[OUTPUT]
    whole = len(netlist.ports[out.name].nets)
    high = whole - 1 if out.high is None else out.high
    width = high - out.low + 1
    answer = out.name if width == whole else f"{out.name}[{high}:{out.low}]"
    fits = -(1 << (width - 1)) <= expected < 1 << (width - 1)
    wanted = f"{width}'h{expected & ((1 << width) - 1):x}"
    condition = f"{answer} === {wanted}" if fits else "0"  # a value that the output cannot hold
    yield f'        if ({condition}) $display("PASS");'
    yield "        else begin"
    yield f'            $display("FAIL: {out.name} = %0d, expected {expected}", $signed({answer}));'
    yield "            $fatal(1);"
    yield "        end"
    yield "        $finish;"
