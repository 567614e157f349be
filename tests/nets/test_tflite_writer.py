"""Networks of any source as .tflite files: read again as the same integers, and run by LiteRT as they say."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import known_models
import numpy as np
import pytest
import torch
from small_networks import digits_like, mixed
from torch import nn

from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import load_network, network_from_bytes
from nets.importers.pytorch import quantize_module
from nets.narrow import RescalerChoice, narrow
from nets.network import (
    PROFILES,
    AveragePool,
    Convolution,
    Extremum,
    FilledPad,
    Function,
    Lookup,
    MaxPool,
    Method,
    Pad,
    QuantizedNetwork,
    Rearrangement,
    Reshape,
    TensorSpec,
    fingerprint,
    lookup_table,
)
from nets.oracle.export import export_tflite
from nets.oracle.verify import random_samples, verify_bytes
from nets.writers import deployable, save_tflite, tflite_bytes

IMAGE = (6, 5, 4)


def odd_sizes(contract: str = "half_up") -> QuantizedNetwork:
    """A network of PyTorch whose paddings are all SAME or VALID."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.ReLU6(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 6, 1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 5),
    ).eval()
    return quantize_module(module, torch.randn(16, 3, 13, 13), name="odd", contract=contract).network


def of_one(operator: Callable[..., object], shape: tuple[int, ...], zero_point: int = -3) -> QuantizedNetwork:
    """A network of a single operator that keeps the quantization of its input."""
    tensors = tuple(TensorSpec(name, sizes, 0.05, zero_point) for name, sizes in (("x", IMAGE), ("y", shape)))
    made = operator(name="op_0", inputs=(0,), output=1)
    return QuantizedNetwork("one", tensors, (made,), (0,), (1,))


def rearranged(arrange: Callable[[np.ndarray], np.ndarray]) -> QuantizedNetwork:
    positions = np.ascontiguousarray(arrange(np.arange(np.prod(IMAGE)).reshape(IMAGE)))
    return of_one(lambda **placed: Rearrangement(**placed, positions=positions), positions.shape)


def clamped(low: int, high: int) -> QuantizedNetwork:
    network = odd_sizes()
    first = network.operators[0]
    assert isinstance(first, Convolution)
    return network.with_operators({first.name: replace(first, q_min=low, q_max=high)})


def max_pool(zero_point: int) -> QuantizedNetwork:
    window = {"kernel": (3, 3), "stride": (2, 2), "padding": ((1, 1), (1, 1)), "q_min": -128, "q_max": 127}
    return of_one(lambda **placed: MaxPool(**placed, **window), (3, 3, 4), zero_point)


def constants() -> QuantizedNetwork:
    return network_from_bytes(known_models.constants(np.random.default_rng(5)), "m")


def functions() -> QuantizedNetwork:
    return network_from_bytes(known_models.functions(np.random.default_rng(5)), "m")


SAME_INTEGERS = {
    "explicit padding": lambda: digits_like().network,
    "explicit padding of several": lambda: mixed()[2].network,
    "clamp to 0 to 4": lambda: clamped(-128, 40),
    "clamp on both sides": lambda: clamped(-100, 40),
    "maxima above the zero point": lambda: max_pool(-128),
    "maxima below the zero point": lambda: max_pool(5),
    "rearrangements": lambda: network_from_bytes(known_models.rearrangements(np.random.default_rng(5)), "m"),
    "attention": lambda: network_from_bytes(known_models.attention(np.random.default_rng(5)), "m"),
    "parts": lambda: network_from_bytes(known_models.parts(np.random.default_rng(5)), "m"),
    "upsampled": lambda: network_from_bytes(known_models.upsampled(np.random.default_rng(5)), "m"),
    "slice": lambda: rearranged(lambda x: x[1:5:2]),
    "slices": lambda: rearranged(lambda x: x[1:, ::2, 2:3]),
    "one channel": lambda: rearranged(lambda x: x[:, :, :1]),
    "reversed": lambda: rearranged(lambda x: x[:, ::-1]),
    "in pairs": lambda: rearranged(lambda x: x.repeat(2, 0).repeat(2, 1)),
    "blocks to channels": lambda: rearranged(lambda x: x.reshape(3, 2, 5, 1, 4).swapaxes(1, 2).reshape(3, 5, 8)),
    "channels to blocks": lambda: rearranged(
        lambda x: x.reshape(6, 5, 2, 2, 1).transpose(0, 2, 1, 3, 4).reshape(12, 10, 1)
    ),
    "shuffled channels": lambda: rearranged(lambda x: x.reshape(6, 5, 2, 2).swapaxes(2, 3).reshape(6, 5, 4)),
    "any order": lambda: rearranged(lambda x: np.random.default_rng(0).permutation(x.reshape(-1)).reshape(8, 15)),
    "flat": lambda: rearranged(lambda x: x.transpose(2, 0, 1).reshape(-1)),
}


MAKERS = {"odd sizes": odd_sizes, "constants": constants, "functions": functions} | SAME_INTEGERS


@pytest.fixture(scope="module", params=MAKERS.values(), ids=MAKERS)
def written(request: pytest.FixtureRequest) -> tuple[QuantizedNetwork, bytes]:
    network = request.param()
    return network, tflite_bytes(network)


def test_a_file_has_the_networks_integers(written: tuple[QuantizedNetwork, bytes]) -> None:
    network, content = written
    read = network_from_bytes(content, "m")
    x = random_samples(network, 10, 0)
    assert (IntegerExecutor(read).outputs(*x)[0] == IntegerExecutor(network).outputs(*x)[0]).all()
    assert fingerprint(read) == fingerprint(deployable(network)) == fingerprint(deployable(read))


@pytest.mark.parametrize("profile", PROFILES)
def test_litert_runs_the_file_as_it_is_read(written: tuple[QuantizedNetwork, bytes], profile: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    network, content = written
    assert verify_bytes(content, "m", profile, *random_samples(network, 3, 1)).exact


@pytest.mark.parametrize("contract", ["half_up", "tflite_double", "floor"])
def test_a_network_of_what_files_have_is_read_as_itself(contract: str, tmp_path: Path) -> None:
    network = odd_sizes(contract)
    save_tflite(network, tmp_path / "odd.tflite")
    assert fingerprint(load_network(tmp_path / "odd.tflite", contract=contract)) == fingerprint(network)


@pytest.mark.parametrize("make", [constants, functions])
def test_an_imported_network_is_read_as_itself(make: Callable[[], QuantizedNetwork]) -> None:
    assert fingerprint(network_from_bytes(tflite_bytes(make()), "m")) == fingerprint(make())


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("resolver", PROFILES)
@pytest.mark.parametrize("make", [lambda: digits_like().network, lambda: clamped(-100, 40)])
def test_designs_are_exported_to_new_files(
    make: Callable[[], QuantizedNetwork], resolver: str, method: Method, tmp_path: Path
) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    network = make()
    design = narrow(network, {op.name: RescalerChoice(1, method) for op in network.narrowable_operators()})
    report = export_tflite(design, None, tmp_path / "out.tflite", resolver)
    assert report.litert
    assert report.explained
    assert len(report.operators) > len(design.operators), "padding or clamps are operators of their own"


def test_a_function_at_the_end_stays_in_the_file(tmp_path: Path) -> None:
    network = functions()
    at = next(i for i, op in enumerate(network.operators) if op.name.startswith("logistic"))
    cut = replace(network, operators=network.operators[: at + 1], outputs=(network.operators[at].output,))
    report = export_tflite(cut, None, tmp_path / "out.tflite", "litert_ref")
    assert report.litert is not False
    assert report.explained
    read = load_network(tmp_path / "out.tflite")
    assert len(report.operators) == len(read.operators) == at, "networks are scored on their logits"
    assert b"logistic" not in (tmp_path / "out.tflite").read_bytes()[:8]


def test_what_files_cannot_say_is_refused() -> None:
    pool = {"kernel": (3, 3), "stride": (2, 2), "padding": ((1, 1), (1, 1)), "q_min": -128, "q_max": 127}
    with pytest.raises(NetworkError, match=r"'op_0' averages with padding \(\(1, 1\), \(1, 1\)\)"):
        tflite_bytes(of_one(lambda **placed: AveragePool(**placed, **pool), (3, 3, 4)))
    wide = of_one(lambda **placed: Reshape(**placed), (120,))
    with pytest.raises(NetworkError, match=r"tensor 'x' of 'one' has 16 bits"):
        tflite_bytes(wide.with_tensors({0: replace(wide.tensors[0], bits=16)}))

    class Unknown(Reshape):
        pass

    with pytest.raises(NetworkError, match=r"operator 'op_0' \(Unknown\) cannot be written"):
        tflite_bytes(of_one(lambda **placed: Unknown(**placed), (120,)))
    for model, said in (
        (known_models.unsigned, "weights of zero point"),
        (known_models.through_float, "cannot be written"),
    ):
        with pytest.raises(NetworkError, match=said):
            tflite_bytes(network_from_bytes(model(np.random.default_rng(5)), "m"))


def test_what_an_import_drops_may_be_among_what_it_keeps(tmp_path: Path) -> None:
    """The tensors behind a dropped end have other numbers in the file than in the network that is read from it."""
    network = odd_sizes()
    first = network.operators[0]
    gate = TensorSpec("gate", network.tensors[first.output].shape, 1 / 256, -128)
    table = lookup_table(Function.LOGISTIC, 0.0, network.tensors[first.output], gate, xnnpack=False)
    moved = tuple(replace(op, inputs=tuple(i + 1 for i in op.inputs), output=op.output + 1) for op in network.operators)
    ended = Lookup(
        name="logistic_9", inputs=(first.output + 1,), output=0, function=Function.LOGISTIC, alpha=0.0, xnnpack=False,
        table=table,
    )  # fmt: skip
    both = QuantizedNetwork(
        "both", (gate, *network.tensors), (*moved, ended), (1,), (*(index + 1 for index in network.outputs), 0)
    )
    report = export_tflite(both, None, tmp_path / "out.tflite", "litert_ref", *random_samples(both, 4, 0))
    assert (report.explained, len(report.operators)) == (True, len(network.operators))
    assert len(load_network(tmp_path / "out.tflite").tensors) == len(network.tensors)


def test_a_file_that_would_say_something_else_is_not_written() -> None:
    network = network_from_bytes(known_models.residual(np.random.default_rng(0)), "m", contract="litert_xnnpack")
    with pytest.raises(NetworkError, match="would be read from the file as another one"):
        tflite_bytes(network)


def test_padding_becomes_operators_of_its_own() -> None:
    kinds = [type(operator) for operator in deployable(max_pool(-128)).operators]
    assert kinds == [Pad, MaxPool]
    assert [type(op) for op in deployable(max_pool(5)).operators] == [FilledPad, MaxPool]
    assert [type(op) for op in deployable(clamped(-100, 40)).operators][1:3] == [Extremum, Extremum]
