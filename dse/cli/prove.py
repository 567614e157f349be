"""``dse prove``: for all inputs, a rescaler in Verilog equals its contract."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.cli.output import echo, terminal
from dse.cli.verilog_options import Defines, Includes, bad_input, integers, macros, names, parameters_of, ranges

if TYPE_CHECKING:  # they need yosys and a solver
    from hwmodels.proof import Answer, Question

REFUTED, NOT_PROVEN = 1, 3
_SPARE_S = 120  # of computing time beyond the solver's: reading the files, building terms


def prove(
    target: Annotated[
        list[Path], typer.Argument(help="run folder, or Verilog files", metavar="TARGET", show_default=False)
    ],
    trial: Annotated[str, typer.Option(help="of a run: number of the design's trial, or recommended")] = "recommended",
    member: Annotated[str, typer.Option(help="of a run: name of the network, if the study has several")] = "",
    top: Annotated[str, typer.Option(help="of Verilog files: the module that is meant", show_default=False)] = "",
    contract: Annotated[
        str, typer.Option(help="of Verilog files: half_up, floor, half_away, tflite_double or ruy_double")
    ] = "half_up",
    parameter: Annotated[
        list[str] | None,
        typer.Option("-P", "--parameter", metavar="NAME=VALUE", help="a parameter of the module; repeatable"),
    ] = None,
    define: Defines = None,
    include: Includes = None,
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=PORT",
            help="port, or bits of it as in mult[7:0], of acc, multiplier, shift, zero_point, q_min, q_max, out, clk "
            "or reset; repeatable",
            show_default="by usual names",
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=INTEGER",
            help="a constant that is built into the module instead; repeatable",
            show_default="zero_point=0, and the ends of the output's type as bounds",
        ),
    ] = None,
    tie: Annotated[
        list[str] | None,
        typer.Option(metavar="PORT=INTEGER", help="value of another input port; repeatable"),
    ] = None,
    range_: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="ROLE=LOW:HIGH", help="the values that an operand takes; repeatable"),
    ] = None,
    latency: Annotated[
        int | None,
        typer.Option(min=0, help="clock edges from operands to output", show_default="1, or 0 without registers"),
    ] = None,
    held: Annotated[
        bool, typer.Option("--held", help="the inputs stay until the output is there; otherwise they may change")
    ] = False,
    shift_offset: Annotated[int, typer.Option(help="what is added to the shift's port to make the right shift")] = 0,
    multiplier_bits: Annotated[
        int | None,
        typer.Option(min=1, help="k, which contracts that round twice need", show_default="width of its port"),
    ] = None,
    bench: Annotated[
        Path | None, typer.Option(help="file for a test bench that fails on a counterexample", show_default=False)
    ] = None,
    time_limit: Annotated[int, typer.Option(min=1, help="seconds for every contract or unit")] = 60,
    memory_limit: Annotated[int, typer.Option(min=64, help="MiB of memory")] = 4096,
    storage: Annotated[str, typer.Option(help="of a run: URL of its database", show_default="the URL in the run")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Prove that a rescaler computes its contract for all inputs.

    The exit status is 1 if it does not, and 3 if that was neither proven nor refuted.
    """
    for package in ("bitwuzla", "pyosys"):
        if importlib.util.find_spec(package) is None:
            raise bad_input(f"dse prove needs {package}: pip install pyosys bitwuzla")
    if len(target) == 1 and target[0].is_dir():
        from dse.cli.prove_run import prove_run

        prove_run(target[0], trial, member, storage, time_limit, as_json=as_json)
        return
    if not top:
        raise bad_input("--top is missing: name the module that is meant")
    from hwmodels.proof import PortBits, Question, Source

    question = Question(
        source=Source(
            files=tuple(target),
            top=top,
            parameters=parameters_of(parameter),
            defines=macros(define),
            include_folders=tuple(include or ()),
        ),
        contract=contract,
        ports={role: PortBits.parse(text) for role, text in names("port", port).items()},
        values=integers("value", value),
        ties=integers("tie", tie),
        ranges=ranges("range", range_),
        latency=latency,
        held=held,
        shift_offset=shift_offset,
        multiplier_bits=multiplier_bits,
        time_limit=time_limit,
    )
    answer = _answered(question, memory_limit)
    if bench is not None and answer.bench:
        from nets.files import write_text

        write_text(bench, answer.bench)
    _print(answer, top, bench, as_json=as_json)
    _exit(str(answer.proof.outcome))


def _answered(question: Question, mebibytes: int) -> Answer:
    from dse.cli.budget import BudgetError, within_budget
    from hwmodels.proof import CONTRACTS, prove_module

    # The solver keeps its own limit; this one is for what does not.
    seconds = int(question.time_limit) * len(CONTRACTS) + _SPARE_S
    try:
        return within_budget(lambda: prove_module(question), seconds=seconds, mebibytes=mebibytes, task="proven")
    except BudgetError as error:
        echo(f"not proven: {error}")
        raise typer.Exit(NOT_PROVEN) from None


def _print(answer: Answer, top: str, bench: Path | None, *, as_json: bool) -> None:
    from dse.cli.prove_tables import answer_document, print_answer

    if as_json:
        echo(json.dumps(answer_document(answer), indent=2))
    else:
        print_answer(answer, top, bench, terminal())


def _exit(outcome: str) -> None:
    from hwmodels.proof import Outcome

    status = {Outcome.REFUTED: REFUTED, Outcome.OPEN: NOT_PROVEN}.get(Outcome(outcome), 0)
    if status:
        raise typer.Exit(status)
