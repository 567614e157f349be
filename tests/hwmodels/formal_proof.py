"""Proofs by yosys' SAT solver, for all inputs, that a folded unit computes what the unit does that it was folded from.

The constants move from the ports of ``rescaler.v`` (or ``rescaler_add.v``) at k = 1 into the accumulator. Run as a
script it proves units of full width, and prints how long each proof takes:

    python tests/hwmodels/formal_proof.py
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hw_workloads import addition, built_for, convolution

from hwmodels import RescalerWorkload
from hwmodels.architectures.add import ADD
from hwmodels.architectures.add_shift import ADD_SHIFT
from hwmodels.architectures.array import ARRAY
from hwmodels.architectures.base import Architecture
from hwmodels.architectures.shift import SHIFT
from hwmodels.components import signed_bits
from hwmodels.workload import OutputConstants

_RUN = """\
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin:
    libyosys.run_pass(line.rstrip(), design)
"""
_REFUTED = "proof did fail"


@dataclass(frozen=True)
class Unit:
    """A module with its parameters, what its pins are connected to, and what declares that."""

    architecture: Architecture
    workload: RescalerWorkload
    pins: Mapping[str, str]
    declared: str = ""

    def instance(self, name: str) -> str:
        self.architecture.check(self.workload)
        parameters = ", ".join(f".{key}({value})" for key, value in self.architecture.parameters(self.workload).items())
        pins = ", ".join(f".{pin}({net})" for pin, net in self.pins.items())
        return (
            f"{self.declared}\nwire signed [{self.workload.output_bits - 1}:0] q_{name};\n"
            f"{self.architecture.top} #({parameters}) {name} (.clk(clk), {pins}, .q(q_{name}));\n"
        )


@dataclass(frozen=True)
class Folding:
    """A unit before and after folding, on the same inputs."""

    inputs: Mapping[str, str]  # with their types
    plain: Unit
    folded: Unit

    def text(self) -> str:
        """A module whose output says whether both agree."""
        ports = ", ".join(f"input {kind} {name}" for name, kind in self.inputs.items())
        return (
            f"module both (input clk, {ports}, output equal);\n{self.plain.instance('plain')}"
            f"{self.folded.instance('folded')}assign equal = q_plain == q_folded;\nendmodule\n"
        )

    def proven(self, folder: Path) -> bool:
        """Return whether yosys proves that both units agree for all inputs.

        Raises:
            RuntimeError: if it neither proves nor refutes it.
        """
        wrapper = folder / "both.v"
        wrapper.write_text(self.text())
        sources = dict.fromkeys((*self.plain.architecture.files, *self.folded.architecture.files, wrapper))
        commands = [
            *(f"read_verilog {path}" for path in sources),
            *("hierarchy -check -top both", "proc", "flatten", "opt -full"),
            # The outputs are registered: those of the second step are functions of the inputs of the first.
            "sat -verify -prove equal 1 -seq 2 -prove-skip 1 both",
        ]
        done = subprocess.run(
            [sys.executable, "-c", _RUN], input="\n".join(commands), capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        if (done.returncode == 0) == (_REFUTED in said) or ("proof finished" in said) is False:
            raise RuntimeError(said[-1000:])
        return done.returncode == 0


def rescaler_folding(workload: RescalerWorkload, *, ports: bool = False, error: int = 0) -> Folding:
    """Return ``rescaler.v`` at k = 1, and the folded unit behind an accumulator with its constants.

    Args:
        workload: with zero point and bounds, not folded, shifts of at least 1.
        ports: whether the bounds are ports of both units.
        error: what is added to the folded constant, to see that a proof can fail.
    """
    output, [stage] = _constants(workload), workload.stages
    offset = 2 * output.zero_point + 1  # in halves of the output's unit: the zero point and the rounding
    bits = max(stage.operand_bits, signed_bits(offset << stage.right_shift_max - 1)) + 1
    bounds = {name: getattr(output, name) for name in ("q_min", "q_max")}
    pins = {name: name if ports else _literal(value, workload.output_bits) for name, value in bounds.items()}
    inputs = {"acc": _signed(stage.operand_bits)}
    if ports:
        inputs |= dict.fromkeys(bounds, _signed(workload.output_bits))
    amount, shift = str(stage.right_shift_min - 1), "1'b0"
    if stage.shift_bits:
        inputs["shift"], shift = f"[{stage.shift_bits - 1}:0]", "shift"
        amount = f"({amount} + shift)"
    declared = (
        f"wire signed [{bits - 1}:0] constant = {_literal(offset, bits)} <<< {amount};\n"
        f"wire signed [{bits - 1}:0] with_constant = acc + constant + {_literal(error, bits)};"
    )
    built = output if not ports else None
    plain = replace(workload, output=built)
    folded = replace(workload, output=built, folded=True, stages=(replace(stage, operand_bits=bits),))
    zero = _literal(output.zero_point, workload.output_bits)
    return Folding(
        inputs,
        Unit(ARRAY, plain, {"acc": "acc", "mult": "1'b1", "shift": shift, "zero_point": zero, **pins}),
        Unit(SHIFT, folded, {"acc": "with_constant", "shift": shift, **pins}, declared),
    )


def add_folding(workload: RescalerWorkload, *, error: int = 0) -> Folding:
    """Return ``rescaler_add.v`` at k = 1 with its constants at ports, and the folded ADD."""
    output = _constants(workload)
    values = dict(zip(("scaled_zero", "halved_zero"), output.input_zero_points, strict=True))
    values |= {name: getattr(output, name) for name in ("zero_point", "q_min", "q_max")}
    inputs = dict.fromkeys(("scaled_input", "halved_input"), _signed(8))
    shared = {name: name for name in inputs}
    unread = dict.fromkeys(("mult_in", "mult_out", "shift_in", "shift_out"), "1'b0")
    wrong = replace(output, zero_point=output.zero_point + error)
    return Folding(
        inputs,
        Unit(
            ADD, replace(workload, output=None), {**shared, **unread, **{n: _literal(v, 8) for n, v in values.items()}}
        ),
        Unit(ADD_SHIFT, replace(workload, folded=True, output=wrong), shared),
    )


def _constants(workload: RescalerWorkload) -> OutputConstants:
    if workload.output is None:
        raise ValueError("a folding needs constants")
    return workload.output


def _signed(bits: int) -> str:
    return f"signed [{bits - 1}:0]"


def _literal(value: int, bits: int) -> str:
    return f"$signed({bits}'h{value & ((1 << bits) - 1):x})"


def window(acc_bits: int, low: int, shift_bits: int, output_bits: int = 8) -> RescalerWorkload:
    """A pure shift over 2**shift_bits right shifts from ``low`` on."""
    high = low + (1 << shift_bits) - 1
    return convolution(
        operand_bits=acc_bits, multiplier_bits=1, right_shift_min=low, right_shift_max=high, output_bits=output_bits
    )


def foldings(acc_bits: int, low: int) -> Iterator[tuple[str, Folding]]:
    """Yield foldings of every rung: windows of 1 to 8 shifts, saturating and clamping, and ADDs."""
    for shift_bits in range(4):
        layer = window(acc_bits, low, shift_bits)
        for kind, bounds in (("saturating", (None, None)), ("clamping", (-100, 90)), ("relu", (-128, 60))):
            yield (
                f"{1 << shift_bits} shifts, {kind}",
                rescaler_folding(built_for(layer, -128 if kind == "relu" else 3, *bounds)),
            )
        yield f"{1 << shift_bits} shifts, bounds from ports", rescaler_folding(built_for(layer, -7), ports=True)
    for apart in range(4):
        add = addition(multiplier_bits=1)
        first, last = add.stages
        shifts = (replace(first, right_shift_min=apart - 19, right_shift_max=apart - 19), last)
        yield f"ADD, inputs {apart} bits apart", add_folding(built_for(replace(add, stages=shifts), 4, -128, 100))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        for acc_bits in (20, 24):
            for label, folding in foldings(acc_bits, 8):
                start = time.perf_counter()
                answer = "proven" if folding.proven(Path(name)) else "REFUTED"
                print(f"{acc_bits} bits, {label}: {answer} in {time.perf_counter() - start:.1f} s", flush=True)  # noqa: T201
