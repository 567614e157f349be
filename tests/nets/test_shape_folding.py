"""Shape arithmetic is folded to the integers that LiteRT computes, and networks that hold it are imported."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import Layers
from tflite_models import ModelWriter

from nets.errors import NetworkError
from nets.importers import network_from_bytes, read_graph
from nets.importers.tflite.folding import folded
from nets.network import PROFILES
from nets.oracle.litert import LiteRtRunner
from nets.oracle.verify import random_samples, verify_bytes

ANOMALY = Path(__file__).parents[3] / "shared" / "data" / "operators" / "anomaly_dynamic_shape.tflite"
INPUT = (1, 6, 5, 4)
ELEMENTWISE = {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "FLOOR_DIV": "FloorDivOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
}
seeds = st.integers(0, 2**32 - 1)


def constant(writer: ModelWriter, *values: int) -> int:
    return writer.constant(np.array(values), "INT32")


def vector(writer: ModelWriter, kind: str, inputs: list[int], size: int, options: str | None, **values: int) -> int:
    made = writer.integers((size,))
    writer.operator(kind, inputs, [made], options, **values)
    return made


class Arithmetic:
    """Random shape arithmetic over the shape of an int8 input; ``made`` holds all integer vectors, ``sizes`` theirs."""

    def __init__(self, seed: int) -> None:
        self.rng, self.writer = np.random.default_rng(seed), ModelWriter()
        self.writer.inputs.append(self.writer.activation(INPUT, 0.1, 0))
        self.made: list[int] = []
        self.sizes: dict[int, int] = {}
        self.add("SHAPE", [0], 4, "ShapeOptions", OutType=2)
        kinds = (self.strided, self.pack, self.elementwise, self.join, self.gather, self.product, self.slice)
        for _ in range(int(self.rng.integers(1, 8))):
            kinds[int(self.rng.integers(len(kinds)))](self.made[self.below(len(self.made))])

    def below(self, limit: int) -> int:
        return int(self.rng.integers(limit))

    def add(self, kind: str, inputs: list[int], size: int, options: str | None = None, **values: int) -> None:
        self.made.append(vector(self.writer, kind, inputs, size, options, **values))
        self.sizes[self.made[-1]] = size

    def constants(self, *values: int) -> list[int]:
        return [constant(self.writer, value) for value in values]

    def strided(self, x: int) -> None:
        size = self.sizes[x]
        first, last, step = int(self.rng.integers(-size, size)), int(self.rng.integers(-size, size + 1)), 1
        if self.below(2):
            first, last, step = last - 1, first - 1, -1
        begin, end = self.below(2), self.below(2)
        taken = range(size)[None if begin else first : None if end else last : step]
        if taken:
            inputs = [x, *self.constants(first, last, step)]
            self.add("STRIDED_SLICE", inputs, len(taken), "StridedSliceOptions", BeginMask=begin, EndMask=end)

    def pack(self, x: int) -> None:
        at = self.below(self.sizes[x])
        scalar, fixed = self.writer.integers(()), self.writer.constant(np.array(self.below(9) - 3), "INT32")
        inputs = [x, *self.constants(at, at + 1, 1)]
        self.writer.operator("STRIDED_SLICE", inputs, [scalar], "StridedSliceOptions", ShrinkAxisMask=1)
        self.add("PACK", [scalar, fixed, scalar], 3, "PackOptions", ValuesCount=3, Axis=0)

    def elementwise(self, x: int) -> None:
        kind, options = list(ELEMENTWISE.items())[self.below(len(ELEMENTWISE))]
        fitting = [y for y in self.made if self.sizes[y] in (1, self.sizes[x])]
        y = constant(self.writer, 3) if kind == "FLOOR_DIV" else fitting[self.below(len(fitting))]
        self.add(kind, [x, y], self.sizes[x], options)

    def join(self, x: int) -> None:
        y = self.made[self.below(len(self.made))]
        self.add("CONCATENATION", [x, y], self.sizes[x] + self.sizes[y], "ConcatenationOptions", Axis=0)

    def gather(self, x: int) -> None:
        indices = constant(self.writer, self.below(self.sizes[x]), self.below(self.sizes[x]))
        self.add("GATHER", [x, indices], 2, "GatherOptions", Axis=0)

    def product(self, x: int) -> None:
        self.add("REDUCE_PROD", [x, constant(self.writer, 0)], 1, "ReducerOptions", KeepDims=1)

    def slice(self, x: int) -> None:
        first = self.below(self.sizes[x])
        self.add("SLICE", [x, *self.constants(first, -1)], self.sizes[x] - first, "SliceOptions")


@settings(max_examples=60)
@given(seeds)
def test_folded_integers_are_those_of_litert(seed: int) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    grown = Arithmetic(seed)
    writer, made = grown.writer, grown.made
    writer.outputs = made
    content = writer.content()
    graph = folded(read_graph(content, "m"))
    assert not graph.operators
    theirs = LiteRtRunner(content, "BUILTIN_REF").run(np.zeros(INPUT, np.int8))
    for index, expected in zip(made, theirs, strict=True):
        data = graph.tensors[index].data
        assert data is not None
        assert (data.view(np.int32) == expected).all()


def batch_keeping(layers: Layers) -> tuple[int, int]:
    """A network that flattens by SHAPE, STRIDED_SLICE, PACK and RESHAPE; its output, and the target's length tensor."""
    writer = layers.writer
    x = layers.conv(layers.input(5, 4, 3), 6)
    shape = vector(writer, "SHAPE", [x], 4, "ShapeOptions", OutType=2)
    batch = writer.integers(())
    ends = [constant(writer, value) for value in (0, 1, 1)]
    writer.operator("STRIDED_SLICE", [shape, *ends], [batch], "StridedSliceOptions", ShrinkAxisMask=1)
    length = writer.constant(np.array(120), "INT32")
    target = vector(writer, "PACK", [batch, length], 2, "PackOptions", ValuesCount=2, Axis=0)
    flat = layers._same(x, (120,))  # noqa: SLF001 -- as the writer's own reshape
    writer.operator("RESHAPE", [x, target], [flat])
    return layers.dense(flat, 5), length


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_network_with_shape_arithmetic_is_exact(profile: str, batch: int) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    layers = Layers(np.random.default_rng(0), batch=batch)
    content = layers.content(batch_keeping(layers)[0])
    network = network_from_bytes(content, "m", contract=profile)
    assert [operator.name for operator in network.operators] == ["conv_0", "reshape_4", "fc_5"]
    assert verify_bytes(content, "m", profile, *random_samples(network, 6, 0)).exact


@pytest.mark.parametrize("profile", PROFILES)
def test_a_published_model_with_shape_arithmetic_is_exact(profile: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    if not ANOMALY.exists():
        pytest.skip(f"{ANOMALY} is absent")
    content = ANOMALY.read_bytes()
    network = network_from_bytes(content, "m", contract=profile)
    assert len(network.operators) == 12
    assert verify_bytes(content, "m", profile, *random_samples(network, 4, 0)).exact


def test_arithmetic_that_does_not_fit_is_refused() -> None:
    layers = Layers(np.random.default_rng(0))
    output, length = batch_keeping(layers)
    layers.writer.tensors[length].data = np.array(119, np.int32).tobytes()
    with pytest.raises(NetworkError, match=r"operator 4 RESHAPE: target shape \[1, 119\]"):
        network_from_bytes(layers.content(output), "m")
    layers.writer.operators[3].values["Axis"] = 5
    with pytest.raises(NetworkError, match=r"operator 3 PACK: its constants do not fit each other"):
        network_from_bytes(layers.content(output), "m")


def test_division_by_zero_is_refused() -> None:
    writer = Arithmetic(0).writer
    shape = writer.operators[0].outputs[0]
    made = vector(writer, "FLOOR_DIV", [shape, constant(writer, 1, 2, 0, 1)], 4, "FloorDivOptions")
    writer.outputs = [made]
    with pytest.raises(NetworkError, match="divide by zero"):
        folded(read_graph(writer.content(), "m"))
