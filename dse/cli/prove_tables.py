"""What ``dse prove`` prints."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.text import Text

from hwmodels.proof import Answer, Counterexample, Outcome


def print_answer(answer: Answer, top: str, bench: Path | None, console: Console) -> None:
    """Prints the outcome, what it holds for, and a counterexample with the contracts that hold instead."""
    for line in _lines(answer, top, bench):
        console.print(Text(line), soft_wrap=True)


def _lines(answer: Answer, top: str, bench: Path | None) -> Iterator[str]:
    proof = answer.proof
    yield f"{top}, contract {proof.contract}: {proof.outcome} in {proof.seconds:.1f} s"
    for role, what in answer.operands.items():
        yield f"  {role}: {what}"
    edges = "combinational" if not answer.latency else f"{answer.latency} clock edge{'s' * (answer.latency > 1)}"
    yield f"  latency: {edges}"
    if proof.outcome is Outcome.PROVEN:
        yield f"For all these inputs the output is the contract's, whatever the registers held ({proof.products})."
    if proof.outcome is Outcome.OPEN:
        yield "The time limit passed; the unit may or may not equal its contract."
    if proof.counterexample is not None:
        yield from counterexample_lines(proof.counterexample)
        yield _really(answer)
        if bench is not None:
            yield f"Test bench: {bench}"


def counterexample_lines(found: Counterexample) -> Iterator[str]:
    """Yields a counterexample as integers."""
    yield "Counterexample: " + ", ".join(f"{role} = {value}" for role, value in found.integers.items())
    yield f"  the unit answers {found.unit}, the contract {found.expected}"


def _really(answer: Answer) -> str:
    """Returns which contracts the unit has instead."""
    proven = [contract for contract, outcome in answer.others.items() if outcome is Outcome.PROVEN]
    undecided = [contract for contract, outcome in answer.others.items() if outcome is Outcome.OPEN]
    if proven:
        return f"Proven instead: {', '.join(proven)}."
    tried = ", ".join((answer.proof.contract, *answer.others))
    if undecided:
        return f"None is proven of the named contracts ({tried}); undecided: {', '.join(undecided)}."
    return f"None of the named contracts that are defined for these inputs ({tried})."


def answer_document(answer: Answer) -> Mapping[str, object]:
    """Returns an answer for programs."""
    proof, found = answer.proof, answer.proof.counterexample
    return {
        "outcome": str(proof.outcome),
        "contract": proof.contract,
        "seconds": round(proof.seconds, 3),
        "products": proof.products,
        "operands": dict(answer.operands),
        "latency": answer.latency,
        "counterexample": None
        if found is None
        else {"integers": dict(found.integers), "unit": found.unit, "expected": found.expected},
        "others": {contract: str(outcome) for contract, outcome in answer.others.items()},
    }
