"""Generates docs/results/coverage.md from the importer: ``python -m studies.reference.write_coverage``."""

from pathlib import Path

from nets.importers import COVERAGE, Coverage
from nets.network import (
    PROFILES,
    SHARING_QUANTIZATION,
    LstmRecurrence,
    NarrowableOperator,
    Operator,
    ParametricRelu,
    RescaledOperator,
    Softmax,
    Tabulated,
    Weighted,
)

PAGE = Path(__file__).parents[2] / "docs" / "results" / "coverage.md"

_HEAD = """# Operators of int8 .tflite files

This page is generated from the importer (`python -m studies.reference.write_coverage`). For every kind,
`tests/nets/test_coverage.py` makes a model, imports it and compares every integer with LiteRT under both resolvers, for
equality; `tests/nets/test_litert_operators.py` and `tests/nets/test_litert_oracle.py` do so with random models.

- *Becomes*: the operator of the network (`nets/network/`). SPLIT, SPLIT_V and UNPACK become one for each output.
- *litert_ref*, *litert_xnnpack*: whether the integers are those of LiteRT's BUILTIN_REF and of its default resolver.
- *Narrowed*: how the multiplier of its rescalers is made narrow.
- *Trained*: what fine-tuning changes; gradients pass through every kind.

The products of an LSTM's inputs and weights become fully connected layers; those of its state, its hidden state and its
projection are parts of the recurrence, each with a rescaler of its own. An SVDF becomes a fully connected layer and a
convolution along time. Of int16 activations: [numerics.md](../numerics.md).

At the end of a network SOFTMAX, LOG_SOFTMAX, LOGISTIC and DEQUANTIZE are left out, also if a RESHAPE follows: networks
are scored on their logits. A convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND becomes a dilated one.
Operators of int32 and int64 that follow from constants and shapes are folded.

"""


def reference() -> str:
    """Returns the page, in Markdown."""
    profiles = list(PROFILES)
    rows = [
        f"| {' | '.join((kind, each.made.__name__, *(_exact(each, name) for name in profiles), *_ways(each.made)))} |"
        for kind, each in sorted(COVERAGE.items())
    ]
    head = [f"| operator | becomes | {' | '.join(profiles)} | narrowed | trained |", "|---|---|---|---|---|---|"]
    notes = [
        f"- {kind} under `{name}`: {'not reproduced' if name in each.never else 'refused'}: {reason}."
        for kind, each in sorted(COVERAGE.items())
        for name, reason in (each.never | each.partly).items()
    ]
    return _HEAD + "\n".join([*head, *rows, "", "## Exceptions", "", *notes, ""])


def _ways(made: type[Operator]) -> tuple[str, str]:
    return _narrowed(made), _trained(made)


def _exact(coverage: Coverage, profile: str) -> str:
    if profile in coverage.never:
        return "no"
    return "exact, with an exception" if profile in coverage.partly else "exact"


def _narrowed(made: type[Operator]) -> str:
    if issubclass(made, Weighted):
        return "round; absorb into weights"
    if issubclass(made, NarrowableOperator):
        return "round; absorb into activation scales"
    if issubclass(made, RescaledOperator):
        return "full width"
    if issubclass(made, ParametricRelu):
        return "full width, two rescalers"
    if issubclass(made, LstmRecurrence):
        return "round; absorb into weights and the state's scale"
    if issubclass(made, Tabulated):
        return "no rescaler: a table"
    if issubclass(made, Softmax):
        return "no rescaler: exponentials from a table"
    assert issubclass(made, SHARING_QUANTIZATION)  # noqa: S101 -- every other one has a rescaler or a table
    return "no rescaler: scales are equal"


def _trained(made: type[Operator]) -> str:
    if issubclass(made, Weighted):
        return "weights, bias, scales"
    return "output scale" if issubclass(made, RescaledOperator) else ""


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
