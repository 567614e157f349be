"""Networks with int16 activations and int8 weights: exact in LiteRT, narrowed, trained, certified and exported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import NONE, RELU, RELU6, SAME, VALID, Layers

from nets.errors import NetworkError
from nets.execute import IntegerExecutor, accumulator
from nets.importers import network_from_bytes
from nets.narrow import Calibration, RescalerChoice, narrow
from nets.narrow.activations import with_activation_bits
from nets.narrow.certificates import certify
from nets.network import PROFILES, ElementwiseSum, Method, QuantizedNetwork, Weighted
from nets.oracle.export import export_tflite
from nets.oracle.verify import random_samples, verify_bytes
from nets.train.twin import RescaleAwareTwin

EXAMPLES = settings(max_examples=10)
seeds = st.integers(0, 2**32 - 1)


def every_kind(rng: np.random.Generator, bias_type: str = "INT64") -> bytes:
    """Each operator that converters write into a network of int16 activations."""
    layers = Layers(rng, wide=True, bias_type=bias_type)
    x = layers.input(6, 7, 5)
    left = layers.conv(x, 8, stride=(2, 1), activation=RELU)
    right = layers.conv(layers.depthwise(layers.pad(x, (1, 1), (1, 1), (0, 0)), padding=VALID), 8, kernel=(1, 1))
    right = layers.pool("MAX", right, (2, 1), (2, 1), SAME)
    total = layers.elementwise("ADD", left, right, RELU6)
    gate = layers.function("LOGISTIC", layers.mean(total, keep=True))
    scaled = layers.elementwise("MUL", total, gate)
    rest = layers.elementwise("SUB", layers.function("TANH", scaled), layers.constant(8))
    pooled = layers.pool("AVERAGE", layers.function("LEAKY_RELU", rest, 0.2), (3, 3), (1, 1), SAME)
    halves = layers.concatenate([pooled, layers.transpose(layers.transpose(pooled, 0, 2, 1, 3), 0, 2, 1, 3)], 3)
    flat = layers.reshape(layers.requantize("QUANTIZE", halves), int(np.prod(layers.shape(halves)[1:])))
    return layers.content(layers.dense(layers.dense(flat, 12, RELU, per_channel=True), 4, bias=False))


def assert_exact(content: bytes, seed: int, samples: int = 3) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    for profile in PROFILES:
        network = network_from_bytes(content, "m", contract=profile)
        report = verify_bytes(content, "m", profile, *random_samples(network, samples, seed))
        assert report.exact, [check for check in report.tensors if check.mismatches]


@EXAMPLES
@given(seeds)
def test_networks_with_every_operator_are_exact(seed: int) -> None:
    assert_exact(every_kind(np.random.default_rng(seed)), seed)
