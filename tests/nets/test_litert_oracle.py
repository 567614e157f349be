"""The integer executor equals LiteRT, tensor by tensor, on models that it has never seen."""

from pathlib import Path

import known_models
import numpy as np
import pytest
from exactness import assert_equal
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import NONE, OPTIONS, RELU, RELU6, SAME, VALID, Layers

from nets.importers.tflite import network_from_bytes
from nets.network.profiles import PROFILES
from nets.oracle.litert import LiteRtRunner, exposed_model
from nets.oracle.verify import random_samples, verify_bytes

pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")

DATA = Path(__file__).parents[3] / "shared" / "data"
MODELS = ["kws_ref_model", "pretrainedResnet_quant", "ad01_int8"]
EXAMPLES = settings(max_examples=25)

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(5, 11), st.integers(5, 11), st.integers(1, 9))
kernels = st.tuples(st.integers(1, 4), st.integers(1, 4))
strides = st.tuples(st.integers(1, 3), st.integers(1, 3))
CONSTANT_DIMENSIONS = ["", "c", "1c", "wc", "hwc", "1hwc"]
activations = st.sampled_from([NONE, RELU, RELU6])
paddings = st.sampled_from([SAME, VALID])


@EXAMPLES
@given(seeds, st.sampled_from(["LOGISTIC", "TANH", "ELU", "HARD_SWISH", "LEAKY_RELU"]), st.floats(-2, 2, width=32))
def test_functions_of_one_value(seed: int, kind: str, alpha: float) -> None:
    layers = Layers(np.random.default_rng(seed))
    x = layers.input(16, 16, scale=float(np.exp(layers.rng.uniform(np.log(1e-3), np.log(0.5)))))
    y = layers.function(kind, x, alpha if kind == "LEAKY_RELU" else None)
    # BUILTIN_REF has no ELU.
    profiles = ["litert_xnnpack"] if kind == "ELU" else list(PROFILES)
    assert_equal(layers.content(layers.reshape(y, 256)), seed, 8, profiles)


def a_rearrangement(layers: Layers, kind: str, x: int) -> int:
    rng, (batch, height, width, channels) = layers.rng, layers.shape(x)
    match kind:
        case "SLICE":
            begin = [int(rng.integers(size)) for size in (height, width, channels)]
            sizes = [int(rng.integers(1, n - b + 1)) for b, n in zip(begin, (height, width, channels), strict=True)]
            stated = [batch if rng.integers(2) else -1, sizes[0], sizes[1], -1]
            return layers.rearranged(kind, x, (*sizes[:2], channels - begin[2]), [0, *begin], stated)
        case "STRIDED_SLICE":
            rows, columns = range(height)[1::2] or range(1), range(width)[::-2]
            arguments = [0, height > 1, 0, -1], [0, height, 0, channels], [1, 2, -2, 1]
            shape = (len(rows), len(columns))  # the last channel alone, its dimension dropped
            return layers.rearranged(kind, x, shape, *arguments, BeginMask=5, EndMask=5, ShrinkAxisMask=8)
        case "GATHER":
            at = rng.integers(0, width, 3).tolist()
            return layers.rearranged(kind, x, (height, 3, channels), at, Axis=int(rng.choice([2, -2])))
        case "TILE":
            return layers.rearranged(kind, x, (2 * height, width, 3 * channels), [1, 2, 1, 3])
        case "REVERSE_V2":
            return layers.rearranged(kind, x, (height, width, channels), [int(rng.integers(1, 4))])
        case "DEPTH_TO_SPACE":
            wide = layers.conv(x, 12)
            return layers.rearranged(kind, wide, (2 * height, 2 * width, 3), BlockSize=2)
        case "SPACE_TO_DEPTH":
            even = layers.pad(x, (0, height % 2), (0, width % 2), (0, 0))
            shape = (-(-height // 2), -(-width // 2), 4 * channels)
            return layers.rearranged(kind, even, shape, BlockSize=2)
    sizes, corners = rng.integers(1, 25, 2).tolist(), int(rng.integers(3))
    options = {"AlignCorners": corners == 1, "HalfPixelCenters": corners == 2}
    return layers.rearranged(kind, x, (*sizes, channels), sizes, **options)


@settings(max_examples=60)
@given(seeds, sizes, st.sampled_from(sorted(OPTIONS.keys() - {"SELECT", "SELECT_V2"})))
def test_rearrangements(seed: int, size: tuple[int, int, int], kind: str) -> None:
    layers = Layers(np.random.default_rng(seed), batch=1 + seed % 2)
    output = a_rearrangement(layers, kind, layers.input(*size))
    assert_equal(layers.content(output), seed)


@EXAMPLES
@given(seeds, sizes, st.sampled_from(["MINIMUM", "MAXIMUM"]), st.booleans())
def test_extrema(seed: int, size: tuple[int, int, int], kind: str, constant: bool) -> None:
    layers = Layers(np.random.default_rng(seed))
    x = layers.input(*size)
    other = layers.constant(size[2], like=x) if constant else layers.pool("MAX", x, (3, 3), (1, 1), SAME)
    assert_equal(layers.content(layers.extremum(kind, x, other)), seed)


@EXAMPLES
@given(
    seeds,
    sizes,
    st.sampled_from(["ADD", "SUB", "MUL"]),
    st.sampled_from(["", "c", "1c", "wc", "hwc", "1hwc"]),
    activations,
)
def test_constant_operands(seed: int, size: tuple[int, int, int], kind: str, dims: str, activation: int) -> None:
    layers = Layers(np.random.default_rng(seed), batch=1 + seed % 2)
    x = layers.input(*size)
    constant = layers.constant(*({"1": 1, **dict(zip("hwc", size, strict=True))}[dim] for dim in dims))
    pair = (x, constant) if seed % 3 else (constant, x)
    output = layers.elementwise(kind, *pair, activation)
    content = layers.content(output)
    assert_equal(content, seed)


@EXAMPLES
@given(seeds, sizes, st.integers(1, 20), kernels, strides, st.booleans(), paddings, activations, st.booleans())
def test_convolutions(
    seed: int,
    size: tuple[int, int, int],
    channels: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilated: bool,
    padding: int,
    activation: int,
    per_channel: bool,
) -> None:
    layers = Layers(np.random.default_rng(seed))
    dilation = (2, 1) if dilated and size[0] > 2 * kernel[0] else (1, 1)
    out = layers.conv(
        layers.input(*size), channels, kernel, stride if dilation == (1, 1) else (1, 1), dilation, padding, activation,
        per_channel,
    )  # fmt: skip
    assert_equal(layers.content(out), seed)


@EXAMPLES
@given(seeds, sizes, st.integers(1, 3), kernels, st.integers(1, 2), st.integers(1, 2), paddings, activations)
def test_depthwise_convolutions(
    seed: int,
    size: tuple[int, int, int],
    multiplier: int,
    kernel: tuple[int, int],
    stride: int,
    dilation: int,
    padding: int,
    activation: int,
) -> None:
    layers = Layers(np.random.default_rng(seed))
    if max(kernel) * dilation > min(size[:2]):
        dilation = 1
    stride = 1 if dilation > 1 else stride
    out = layers.depthwise(
        layers.input(*size), multiplier, kernel, (stride, stride), (dilation, dilation), padding, activation
    )
    assert_equal(layers.content(out), seed)


@EXAMPLES
@given(seeds, st.integers(1, 300), st.integers(1, 40), activations, st.booleans(), st.booleans())
def test_fully_connected(seed: int, width: int, channels: int, activation: int, per_channel: bool, keep: bool) -> None:
    layers = Layers(np.random.default_rng(seed))
    x = layers.input(*((3, width) if keep else (width,)))
    assert_equal(layers.content(layers.dense(x, channels, activation, per_channel, keep, bias=seed % 3 > 0)), seed)


@EXAMPLES
@given(seeds, st.sampled_from(["ADD", "SUB", "MUL"]), sizes, st.sampled_from(["same", "left", "right"]), activations)
def test_elementwise(seed: int, kind: str, size: tuple[int, int, int], broadcast: str, activation: int) -> None:
    layers = Layers(np.random.default_rng(seed))
    small = (1, 1, size[2])
    left = layers.input(*(small if broadcast == "left" else size))
    right = layers.input(*(small if broadcast == "right" else size))
    assert_equal(layers.content(layers.elementwise(kind, left, right, activation)), seed, samples=8)


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
def test_elementwise_of_all_pairs_of_integers(kind: str) -> None:
    values = np.arange(-128, 128, dtype=np.int8)
    left, right = (x.reshape(1, 16, 16, 256) for x in np.meshgrid(values, values))
    for seed in range(6):
        layers = Layers(np.random.default_rng(seed))
        content = layers.content(layers.elementwise(kind, *(layers.input(16, 16, 256) for _ in range(2))))
        for profile in PROFILES:
            report = verify_bytes(content, "pairs", profile, left, right)
            assert report.exact, report


@EXAMPLES
@given(seeds, st.sampled_from(["AVERAGE", "MAX"]), sizes, kernels, strides, paddings, activations)
def test_pools(
    seed: int,
    kind: str,
    size: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: int,
    activation: int,
) -> None:
    layers = Layers(np.random.default_rng(seed))
    out = layers.pool(kind, layers.input(*size), kernel, stride, padding, activation)
    assert_equal(layers.content(out), seed)


@EXAMPLES
@given(seeds, sizes, st.sampled_from([(1, 2), (1,), (2,), (3,), (1, 2, 3)]), st.booleans(), st.booleans())
def test_means(seed: int, size: tuple[int, int, int], axes: tuple[int, ...], keep: bool, same: bool) -> None:
    layers = Layers(np.random.default_rng(seed))
    if axes == (1, 2, 3) and not keep:
        keep = True
    assert_equal(layers.content(layers.mean(layers.input(*size), axes, keep, same)), seed, samples=12)


@EXAMPLES
@given(seeds, sizes, st.sampled_from(["QUANTIZE", "RELU", "RELU6"]))
def test_requantizations(seed: int, size: tuple[int, int, int], kind: str) -> None:
    layers = Layers(np.random.default_rng(seed))
    assert_equal(layers.content(layers.requantize(kind, layers.input(*size))), seed)


@EXAMPLES
@given(seeds, sizes, st.integers(1, 3), st.permutations([1, 2, 3]))
def test_movers(seed: int, size: tuple[int, int, int], axis: int, axes: list[int]) -> None:
    layers = Layers(np.random.default_rng(seed))
    x = layers.input(*size)
    padded = layers.pad(x, (seed % 2, 1), (2, seed % 3), (0, seed % 4))
    joined = layers.concatenate([padded, padded, padded], axis)
    moved = layers.transpose(joined, 0, *axes)
    assert_equal(layers.content(layers.reshape(moved, int(np.prod(layers.shape(moved)[1:])))), seed)


STRUCTURES = [
    *("visual_wake_words", "streaming_wakeword", "residual", "one_dimensional"),
    *("float_borders", "byte_borders", "batch_of_three"),
]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_known_structures(structure: str) -> None:
    content = getattr(known_models, structure)(np.random.default_rng(5))
    assert_equal(content, seed=5)


def _model(name: str) -> Path:
    path = DATA / "models" / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return path


def _real_inputs(name: str) -> list[np.ndarray]:
    if name == "kws_ref_model":
        return [np.load(DATA / "samples" / "kws01.npz")["x"][:40]]
    if name == "pretrainedResnet_quant":
        pixels = np.load(DATA / "samples" / "cifar10_subset.npz")["x_test"][:40]
        return [(pixels.astype(np.int16) - 128).astype(np.int8)]
    # No real inputs of the anomaly detector are at hand; smooth ones stay away from the clamps.
    rng = np.random.default_rng(3)
    return [np.clip(rng.normal(0, 20, (40, 640)).cumsum(1) / 4, -128, 127).astype(np.int8)]


@pytest.mark.parametrize("profile", list(PROFILES))
@pytest.mark.parametrize("name", MODELS)
def test_published_models(name: str, profile: str) -> None:
    content = _model(name).read_bytes()
    network = network_from_bytes(content, name, contract=profile)
    for samples in (random_samples(network, 12, 7), _real_inputs(name)):
        report = verify_bytes(content, name, profile, *samples)
        assert report.exact, [check for check in report.tensors if check.mismatches]


@pytest.mark.parametrize("profile", list(PROFILES))
@pytest.mark.parametrize("name", MODELS)
def test_exposing_the_tensors_changes_no_result(name: str, profile: str) -> None:
    content = _model(name).read_bytes()
    network = network_from_bytes(content, name, contract=profile)
    samples = random_samples(network, 12, 11)
    logits_only = LiteRtRunner(exposed_model(content, network, network.outputs), PROFILES[profile].runtime)
    made = [operator.output for operator in network.operators]
    exposed = LiteRtRunner(exposed_model(content, network, made), PROFILES[profile].runtime)
    theirs = dict(zip(made, exposed.run_all(*samples), strict=True))
    for index, logits in zip(network.outputs, logits_only.run_all(*samples), strict=True):
        assert np.array_equal(theirs[index], logits)


def test_a_wrong_contract_is_found() -> None:
    """The comparison itself can fail: another contract than the resolver's differs."""
    content = known_models.residual(np.random.default_rng(2))
    network = network_from_bytes(content, "m", contract="litert_xnnpack")
    made = [operator.output for operator in network.operators]
    samples = random_samples(network, 4, 0)
    reference = LiteRtRunner(exposed_model(content, network, made), "BUILTIN_REF").run_all(*samples)
    xnnpack = LiteRtRunner(exposed_model(content, network, made), "BUILTIN").run_all(*samples)
    assert any(not np.array_equal(a, b) for a, b in zip(reference, xnnpack, strict=True))
