"""TOSA files state a network's integers: equal to the reference model of tosa-tools, and read again unchanged."""

from collections.abc import Callable
from pathlib import Path

import known_models
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from random_layers import SAME, VALID, Layers

from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import load_network, network_from_bytes, tosa_network
from nets.importers.tosa.graph import RawOperator, RawTensor
from nets.importers.tosa.rescalers import rescaler as read_rescaler
from nets.importers.tosa.rescalers import stated as read_stated
from nets.importers.tosa.schema import DType, Op, Rounding
from nets.narrow import Calibration, RescalerChoice, narrow
from nets.narrow.activations import with_activation_bits
from nets.network import (
    CONTRACTS,
    Convolution,
    FullyConnected,
    Method,
    QuantizedNetwork,
    RescaledOperator,
    Rescaler,
    StatedTable,
    Weighted,
    fixed_quantization,
    rescaler_from_scale,
    rescaling,
    with_multiplier_bits,
)
from nets.oracle import random_samples
from nets.oracle.tosa_reference import run_reference
from nets.train.twin import RescaleAwareTwin
from nets.writers import save_tosa, tosa_bytes
from nets.writers.tosa.graph import GraphWriter, Value
from nets.writers.tosa.rescale import stated

CONTRACTS_OF_TOSA = ("half_up", "tflite_double")
INT32 = 2**31


def movers(rng: np.random.Generator) -> bytes:
    """Parts of a tensor taken in several ways, minima, and windows that leave a remainder."""
    layers = Layers(rng)
    x = layers.conv(layers.input(7, 6, 3), 8, kernel=(2, 2), stride=(2, 2), padding=SAME)
    x = layers.conv(x, 8, kernel=(1, 1), stride=(2, 2), activation=1)
    part = layers.rearranged("SLICE", x, (1, 2, 8), [0, 1, 0, 0], [-1, 1, -1, -1])
    twice = layers.rearranged("TILE", part, (2, 2, 8), [1, 2, 1, 1])
    least = layers.extremum("MINIMUM", twice, layers.extremum("MAXIMUM", x, layers.constant(8, like=x)))
    flipped = layers.rearranged("REVERSE_V2", least, (2, 2, 8), [1])
    return layers.content(layers.dense(flipped, 5, keep=True), layers.pool("AVERAGE", x, (2, 2), (1, 1), SAME))


MODELS = [
    known_models.residual,
    known_models.one_dimensional,
    known_models.constants,
    known_models.functions,
    known_models.streaming_wakeword,
    movers,
]


def reference(network: QuantizedNetwork, *samples: np.ndarray) -> dict[int, np.ndarray]:
    """What the reference model computes for every tensor of the network."""
    pytest.importorskip("tosa_reference_model", reason="tosa-tools is not installed")
    made = [operator.output for operator in network.operators]
    content = tosa_bytes(network, batch=len(samples[0]), exposed=made)
    return dict(zip(made, run_reference(content, *samples), strict=True))


def assert_stated(network: QuantizedNetwork, samples: int = 3, seed: int = 0) -> None:
    inputs = random_samples(network, samples, seed)
    ours, theirs = IntegerExecutor(network).tensors(*inputs), reference(network, *inputs)
    for operator in network.operators:
        np.testing.assert_array_equal(ours[operator.output], theirs[operator.output], operator.name)


def assert_read_again(network: QuantizedNetwork, batch: int = 1) -> QuantizedNetwork:
    read = tosa_network(tosa_bytes(network, batch=batch), "design.tosa")
    inputs = random_samples(network, 9, 1)
    for ours, theirs in zip(
        IntegerExecutor(network).outputs(*inputs), IntegerExecutor(read).outputs(*inputs), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    return read


def narrowed(network: QuantizedNetwork, bits: int, window: int | None = None) -> QuantizedNetwork:
    """A design whose layers absorb the error of their multipliers, and whose sums and products round."""
    layers = RescalerChoice(bits, Method.ABSORB, window)
    return narrow(
        network,
        {
            op.name: layers if isinstance(op, Weighted) else RescalerChoice(bits, Method.ROUND)
            for op in network.narrowable_operators()
        },
    )


@pytest.mark.parametrize("contract", CONTRACTS_OF_TOSA)
@pytest.mark.parametrize("model", MODELS)
def test_every_operator_equals_the_reference_model(model: Callable[..., bytes], contract: str) -> None:
    assert_stated(network_from_bytes(model(np.random.default_rng(7)), "m.tflite", contract=contract))


@pytest.mark.parametrize("contract", CONTRACTS_OF_TOSA)
@pytest.mark.parametrize("bits", [1, 2, 8, 15, 16, 30])
def test_narrowed_designs_equal_the_reference_model(bits: int, contract: str) -> None:
    network = network_from_bytes(known_models.residual(np.random.default_rng(8)), "m.tflite", contract=contract)
    window = 0 if bits == 1 else None
    design = narrowed(network, bits, window)
    assert_stated(design)
    assert_read_again(design, batch=2)


@pytest.mark.parametrize("model", MODELS)
def test_a_file_is_read_again_with_its_integers(model: Callable[..., bytes]) -> None:
    network = network_from_bytes(model(np.random.default_rng(9)), "m.tflite")
    read = assert_read_again(network)
    assert_read_again(read)
    for operator in read.operators:
        if isinstance(operator, RescaledOperator) and operator.rescaler.multiplier_bits == 31:
            # The scales that the reader found give the file's multipliers again.
            derived = with_multiplier_bits(operator, read.tensors, 31).rescaler
            np.testing.assert_array_equal(derived.multiplier, operator.rescaler.multiplier)
            np.testing.assert_array_equal(derived.right_shift, operator.rescaler.right_shift)


def test_layers_are_recognised_and_keep_their_widths(tmp_path: Path) -> None:
    network = network_from_bytes(known_models.residual(np.random.default_rng(3)), "m.tflite")
    save_tosa(narrowed(network, 5), tmp_path / "design.tosa")
    read = load_network(tmp_path / "design.tosa")
    ours, theirs = (
        [(type(op), op.rescaler.multiplier_bits) for op in each.narrowable_operators()] for each in (network, read)
    )
    assert [kind for kind, _ in ours] == [kind for kind, _ in theirs]
    assert {bits for kind, bits in theirs if kind in (Convolution, FullyConnected)} == {5}
    double = load_network(tmp_path / "design.tosa", contract="tflite_double")
    for one, other in zip(read.narrowable_operators(), double.narrowable_operators(), strict=True):
        assert other.rescaler.contract is CONTRACTS["tflite_double"]
        np.testing.assert_array_equal(one.rescaler.multiplier, other.rescaler.multiplier)


@pytest.mark.parametrize("padding", [SAME, VALID])
def test_images_are_cut_where_windows_leave_a_remainder_and_read_whole(padding: int) -> None:
    layers = Layers(np.random.default_rng(12))
    x = layers.input(7, 8, 3)
    y = layers.conv(x, 4, kernel=(2, 3), stride=(3, 3), padding=padding)
    z = layers.pool("MAX", x, (2, 2), (3, 3), padding)
    network = network_from_bytes(layers.content(y, z), "m.tflite")
    assert_stated(network)
    assert [type(op) for op in assert_read_again(network).operators] == [type(op) for op in network.operators]


def apply_scale(acc: int, multiplier: int, shift: int, *, wide: bool, double: bool) -> int:
    """The specification's ``apply_scale_32`` and ``apply_scale_16`` in exact integers."""
    assert 2 <= shift <= 62
    assert 0 <= multiplier < 2 ** (31 if wide else 15)
    if wide:
        assert -(2 ** (shift - 1)) <= acc < 2 ** (shift - 1)
    rounding = 1 << (shift - 1)
    if double and shift > 31:
        rounding += 2**30 if acc >= 0 else -(2**30)
    result = (acc * multiplier + rounding) >> shift
    assert -INT32 <= result < INT32
    return result


@given(st.data())
def test_a_stated_rescaler_computes_the_contract(data: st.DataObject) -> None:
    contract = CONTRACTS[data.draw(st.sampled_from(CONTRACTS_OF_TOSA))]
    bits = data.draw(st.integers(1, 31))
    scale = data.draw(st.floats(2.0**-64, 2.0**6))
    bound = data.draw(st.integers(0, INT32 - 1))
    rescaler = rescaler_from_scale(np.array([scale]), bits, contract)
    try:
        made = stated("layer", rescaler, (-bound, bound))
    except NetworkError:
        assert scale * bound > 2**29  # results near int32's ends; accumulators of int8 networks end far below
        return
    drawn = data.draw(st.lists(st.integers(-bound, bound), max_size=20))
    ties = [n * 2**j for n in (-3, -1, 1, 3, 5) for j in range(30) if abs(n * 2**j) <= bound]
    accs = [-bound, bound, 0, *drawn, *ties]
    double = made.rounding is Rounding.DOUBLE_ROUND
    theirs = [
        apply_scale(acc, int(made.multiplier[0]), int(made.right_shift[0]), wide=made.scale32, double=double)
        for acc in accs
    ]
    assert theirs == computed(rescaler, accs)
    again = read_rescaler(as_read(made))
    assert computed(again, accs) == theirs


def computed(rescaler: Rescaler, accs: list[int]) -> list[int]:
    return rescaling(rescaler)(torch.tensor(accs, dtype=torch.int64)[:, None])[:, 0].tolist()


def as_read(made: object) -> object:
    """The constants of a RESCALE as the reader gets them."""
    wide = made.scale32
    tensors = [
        RawTensor("c", values.shape, kind, np.ascontiguousarray(values).view(np.uint8))
        for values, kind in ((made.multiplier, DType.INT32 if wide else DType.INT16), (made.right_shift, DType.INT8))
    ]
    attributes = {"scale32": wide, "rounding_mode": int(made.rounding), "per_channel": False}
    return read_stated(RawOperator(0, Op.RESCALE, (), (), attributes), *tensors, channels=1)


@pytest.mark.parametrize("contract", ["floor", "half_away", "litert_ref", "litert_xnnpack"])
def test_what_tosa_cannot_state_is_refused_by_name(contract: str) -> None:
    network = network_from_bytes(known_models.residual(np.random.default_rng(2)), "m.tflite", contract=contract)
    with pytest.raises(NetworkError, match=r"^(conv|fc)_\d+ rounds by contract \w+; TOSA states half_up and tflite_do"):
        tosa_bytes(network)


def test_an_interpolation_is_refused_by_name() -> None:
    network = network_from_bytes(known_models.rearrangements(np.random.default_rng(2)), "m.tflite")
    with pytest.raises(NetworkError, match=r"^resize_bilinear_\d+: TOSA files hold no Interpolation"):
        tosa_bytes(network)


class Sketch:
    """A file written operator by operator, as other tools write them."""

    def __init__(self, *shape: int) -> None:
        self.graph = GraphWriter()
        self.shape = shape
        self.inputs = [self.graph.input("x", shape)]
        self.count = 0

    def value(self, kind: DType, shape: tuple[int, ...] | None = None) -> Value:
        self.count += 1
        return Value(f"v{self.count}", shape or self.shape, kind)

    def rescale(
        self,
        source: Value,
        multiplier: int,
        shift: int,
        zeros: tuple[int, int] = (0, 0),
        kind: DType = DType.INT8,
        rounding: Rounding = Rounding.SINGLE_ROUND,
    ) -> Value:
        constants = [
            self.graph.scalar(multiplier, np.int32), self.graph.scalar(shift, np.int8),
            *(self.graph.scalar(zero, np.int8 if of is DType.INT8 else np.int32)
              for zero, of in zip(zeros, (source.type, kind), strict=True)),
        ]  # fmt: skip
        result = self.value(kind, source.shape)
        return self.graph.add(
            Op.RESCALE, [source, *constants], result, scale32=True, rounding_mode=int(rounding), per_channel=False
        )

    def check(self, *outputs: Value, samples: int = 20) -> QuantizedNetwork:
        content = self.graph.content(self.inputs, outputs)
        network = tosa_network(content, "sketch.tosa")
        pytest.importorskip("tosa_reference_model", reason="tosa-tools is not installed")
        for sample in random_samples(network, samples, 5)[0]:
            theirs = run_reference(content, sample[None])
            for ours, expected in zip(IntegerExecutor(network).outputs(sample[None]), theirs, strict=True):
                np.testing.assert_array_equal(ours, expected)
        return network


def test_an_average_around_a_zero_point_equals_the_reference_model() -> None:
    sketch = Sketch(1, 5, 4, 3)
    zeros = [sketch.graph.scalar(-7, np.int8)] * 2
    pooled = sketch.value(DType.INT8)
    sketch.graph.add(
        Op.AVG_POOL2D, [sketch.inputs[0], *zeros], pooled,
        kernel=(3, 2), stride=(1, 1), pad=(1, 1, 0, 1), acc_type=int(DType.INT32),
    )  # fmt: skip
    whole = sketch.value(DType.INT8, (1, 1, 2, 3))
    sketch.graph.add(
        Op.AVG_POOL2D, [sketch.inputs[0], *zeros], whole,
        kernel=(5, 3), stride=(1, 1), pad=(0, 0, 0, 0), acc_type=int(DType.INT32),
    )  # fmt: skip
    network = sketch.check(pooled, whole)
    assert [operator.centre for operator in network.operators] == [-7, 0]  # 15 integers have no mean half-way
    assert_read_again(network)


@pytest.mark.parametrize("rounding", [Rounding.SINGLE_ROUND, Rounding.INEXACT_ROUND])
def test_a_sum_of_directly_rescaled_tensors_equals_the_reference_model(rounding: Rounding) -> None:
    sketch = Sketch(1, 6, 5)
    (x,) = sketch.inputs
    left = sketch.rescale(x, 1 << 30, 11, (3, 0), DType.INT32, rounding)
    steps = sketch.graph.constant(np.arange(-128, 128, dtype=np.int8)[::-1].copy())
    looked_up = sketch.graph.add(Op.TABLE, [x, steps], sketch.value(DType.INT8))
    right = sketch.rescale(looked_up, 1_234_567_891, 12, (3, 0), DType.INT32, rounding)
    total = sketch.graph.add(Op.SUB, [left, right], sketch.value(DType.INT32))
    network = sketch.check(sketch.rescale(total, 1_987_654_321, 49, (0, 9), rounding=rounding))
    assert [operator.name.split("_")[0] for operator in network.operators] == ["table", "sub"]


def test_a_table_and_clamps_in_the_middle_equal_the_reference_model() -> None:
    sketch = Sketch(1, 8)
    table = sketch.graph.constant(np.random.default_rng(1).permutation(np.arange(-128, 128)).astype(np.int8))
    looked_up = sketch.graph.add(Op.TABLE, [sketch.inputs[0], table], sketch.value(DType.INT8))
    bounds = {"min_val": np.int8(-20).tobytes(), "max_val": np.int8(90).tobytes(), "nan_mode": 1}
    clamped = sketch.graph.add(Op.CLAMP, [looked_up], sketch.value(DType.INT8), **bounds)
    network = sketch.check(clamped, sketch.rescale(clamped, 1 << 30, 31, (4, -4)), looked_up)
    assert_read_again(network)


def test_a_matrix_product_and_a_bias_equal_the_reference_model() -> None:
    sketch = Sketch(1, 1, 6)
    rng = np.random.default_rng(4)
    weights = sketch.graph.constant(rng.integers(-127, 128, (1, 6, 4)).astype(np.int8))
    zeros = [sketch.graph.scalar(5, np.int8), sketch.graph.scalar(0, np.int8)]
    acc = sketch.graph.add(Op.MATMUL, [sketch.inputs[0], weights, *zeros], sketch.value(DType.INT32, (1, 1, 4)))
    bias = sketch.graph.constant(rng.integers(-5000, 5000, (1, 1, 4)).astype(np.int32))
    total = sketch.graph.add(Op.ADD, [acc, bias], sketch.value(DType.INT32, (1, 1, 4)))
    network = sketch.check(sketch.rescale(total, 1_500_000_000, 38, (0, 1), rounding=Rounding.DOUBLE_ROUND))
    assert network.operators[0].rescaler.contract is CONTRACTS["tflite_double"]


def test_zero_points_that_differ_between_maker_and_reader_are_refused() -> None:
    sketch = Sketch(1, 8)
    made = sketch.rescale(sketch.inputs[0], 1 << 30, 31, (0, 3))
    out = sketch.rescale(made, 1 << 30, 31, (4, 0))
    content = sketch.graph.content(sketch.inputs, [out])
    with pytest.raises(NetworkError, match=r"^x.tosa: tensor 'v1' has zero point 3 in operator \d+ RESCALE, 4 in"):
        tosa_network(content, "x.tosa")


def test_two_scales_of_one_tensor_are_refused() -> None:
    sketch = Sketch(1, 8)
    (x,) = sketch.inputs
    halves, same = (
        sketch.rescale(sketch.rescale(x, 1 << 30, shift), 1 << 30, 11, kind=DType.INT32) for shift in (31, 30)
    )
    total = sketch.graph.add(Op.ADD, [halves, same], sketch.value(DType.INT32))
    content = sketch.graph.content(sketch.inputs, [sketch.rescale(total, 1 << 30, 49)])
    with pytest.raises(NetworkError, match=r"give its tensors two scales, (2|0\.5) apart"):
        tosa_network(content, "x.tosa")


def test_other_operators_are_named() -> None:
    sketch = Sketch(1, 8)
    content = sketch.graph.content(sketch.inputs, [sketch.rescale(sketch.inputs[0], 1 << 30, 31)])
    with pytest.raises(
        NetworkError, match=r"unsupported operators \(index and name\): \d+ CUSTOM; supported are AVG_POOL"
    ):
        tosa_network(content.replace(bytes([66, 0, 0, 0]), bytes([69, 0, 0, 0])), "x.tosa")


def test_mutants_are_refused_in_one_line_or_read() -> None:
    rng = np.random.default_rng(11)
    original = np.frombuffer(tosa_bytes(network_from_bytes(known_models.constants(rng), "m.tflite")), np.uint8)
    messages = []
    for _ in range(200):
        mutant = original[: rng.integers(8, original.size) if rng.random() < 0.1 else original.size].copy()
        for at in rng.integers(0, mutant.size, rng.integers(1, 4)):
            mutant[at] = rng.integers(0, 256) if rng.random() < 0.5 else mutant[at] ^ (1 << rng.integers(0, 8))
        try:
            tosa_network(mutant.tobytes(), "mutant.tosa")
        except NetworkError as error:
            messages.append(str(error))
    assert len(messages) > 20
    assert all(each.startswith("mutant.tosa: ") and "\n" not in each for each in messages)


def test_a_stated_table_goes_through_narrowing_and_training() -> None:
    content = tosa_bytes(network_from_bytes(known_models.functions(np.random.default_rng(6)), "m.tflite"))
    network = tosa_network(content, "m.tosa")
    tables = [operator for operator in network.operators if isinstance(operator, StatedTable)]
    held = {index for table in tables for index in (*table.inputs, table.output)}
    assert held == fixed_quantization(network.operators)
    (x,) = random_samples(network, 24, 2)
    choices = {op.name: RescalerChoice(3, Method.ABSORB) for op in network.narrowable_operators() if weighted(op)}
    design = Calibration(network, x).narrow(network, choices)
    assert all(design.tensors[index] == network.tensors[index] for index in held)
    narrower = with_activation_bits(network, dict.fromkeys(range(len(network.tensors)), 6))
    assert all(narrower.tensors[index] == network.tensors[index] for index in held)
    twin = RescaleAwareTwin(design)
    logits = twin.integers(torch.from_numpy(x))[design.outputs[0]]
    np.testing.assert_array_equal(logits.detach().numpy(), IntegerExecutor(design).outputs(x)[0])
    logits.sum().backward()


def weighted(operator: object) -> bool:
    return isinstance(operator, Weighted)
