"""Verilog of networks with int16 activations, an LSTM or SVDFs computes their integers."""

import shutil
from pathlib import Path

import known_models
import numpy as np
import pytest
from random_layers import Layers

from dse.evaluate import lower
from hwmodels import HardwareError, network_cost
from hwmodels.models import AnalyticRescalerModel
from hwmodels.technologies import load_technology
from nets.importers import network_from_bytes
from nets.narrow import RescalerChoice, narrow
from nets.network import ElementwiseSum, Method, QuantizedNetwork
from nets.oracle.verify import random_samples
from tests.export.benches import bench_of, icarus_command, passes

MODELS = [known_models.wide_activations, known_models.with_lstm, known_models.with_svdf]


@pytest.fixture(scope="module", params=MODELS, ids=lambda make: make.__name__)
def network(request: pytest.FixtureRequest) -> QuantizedNetwork:
    return network_from_bytes(request.param(np.random.default_rng(3)), "m")


def pure_shifts(network: QuantizedNetwork) -> QuantizedNetwork:
    choices = {op.name: RescalerChoice(1, Method.ABSORB) for op in network.narrowable_operators()}
    return narrow(network, choices)


def test_workloads_have_the_widths_of_the_network(network: QuantizedNetwork) -> None:
    for operator, workload in zip(network.narrowable_operators(), lower(network), strict=True):
        assert workload.output_bits == network.tensors[operator.output].bits
        assert workload.activation_bits == max(network.tensors[index].bits for index in operator.inputs)
        assert workload.left_shift == (operator.left_shift if isinstance(operator, ElementwiseSum) else 20)


def test_one_bank_does_not_serve_sums_of_two_widths() -> None:
    (int16,) = (network_from_bytes(make(np.random.default_rng(3)), "m") for make in MODELS[:1])
    int8 = network_from_bytes(known_models.residual(np.random.default_rng(3)), "m")
    workloads = {each.name: each for network in (int8, int16) for each in lower(network)}
    model = AnalyticRescalerModel(load_technology("aladdin40"), "array")
    with pytest.raises(HardwareError, match=r"ADDs shift their inputs by \[15, 20\] bits"):
        network_cost(tuple(workloads.values()), model, style="shared", lanes=1)
    assert network_cost(tuple(workloads.values()), model, style="streaming", lanes=1).rescaler_area_um2


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is needed")
@pytest.mark.slow
def test_units_pass_under_icarus(tmp_path: Path) -> None:
    layers = Layers(np.random.default_rng(4), wide=True, bias_type="INT64")
    x = layers.input(2, 2, 3)
    total = layers.elementwise("ADD", layers.conv(x, 3), layers.constant(3))
    network = network_from_bytes(layers.content(layers.elementwise("MUL", total, x)), "m")
    (samples,) = random_samples(network, 3, 0)
    units = bench_of({"int32": network, "shifts": pure_shifts(network)}, samples, 12, tmp_path)
    assert any(unit.folded for unit in units)
    passes(icarus_command(tmp_path), tmp_path, units)
