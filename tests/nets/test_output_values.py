"""The causes found from the outputs that differ alone are those that exact arithmetic on all outputs gives."""

from dataclasses import replace
from pathlib import Path

import known_models
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nets.execute import executor as execution
from nets.execute.accumulation import accumulator
from nets.execute.torch_kernels import kernel
from nets.importers.tflite import load_tflite, network_from_bytes
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.contracts import contract_named
from nets.network.operators import Convolution, ElementwiseSum
from nets.network.quantized_network import QuantizedNetwork
from nets.network.rescaler import Rescaler
from nets.oracle.export import export_tflite
from nets.oracle.values import TwoFormValues, values_at
from nets.oracle.verify import random_samples


def residual_network() -> QuantizedNetwork:
    return network_from_bytes(known_models.residual(np.random.default_rng(6)), "m")


@settings(max_examples=25)
@given(
    multiplier=st.integers(1, 2**31 - 1) | st.sampled_from([0, 2**20, 2**30]),
    right_shift=st.integers(-3, 50),
    contract=st.sampled_from(["half_up", "half_away", "floor"]),
)
def test_ties_are_those_of_exact_arithmetic(multiplier: int, right_shift: int, contract: str) -> None:
    network = residual_network()
    operator = network.operators[0]
    assert isinstance(operator, Convolution)
    rescaler = Rescaler(contract_named(contract), 31, np.array([multiplier]), np.array([right_shift]))
    changed = replace(operator, rescaler=rescaler)
    inputs = [torch.from_numpy(x) for x in random_samples(network, 1, 0)]
    at = np.arange(0, accumulator(changed, network)(inputs).numel(), 3)
    values = values_at(changed, network, inputs, at)
    products = [int(each) * multiplier for each in accumulator(changed, network)(inputs).numpy().reshape(-1)[at]]
    expected = [right_shift >= 1 and n % 2**right_shift == 2 ** (right_shift - 1) for n in products]
    assert values.ties.tolist() == expected
    whole = kernel(changed, network)(inputs).numpy().reshape(-1)[at]
    assert np.array_equal(values.outputs(changed), whole)


def test_sums_are_those_of_all_outputs() -> None:
    network = residual_network()
    add = next(operator for operator in network.operators if isinstance(operator, ElementwiseSum))
    design = narrow(network, {add.name: RescalerChoice(3)})
    changed = design.operator(add.name)
    assert isinstance(changed, ElementwiseSum)
    generator = np.random.default_rng(0)
    shape = (2, *design.tensors[add.output].shape)
    inputs = [torch.from_numpy(generator.integers(-128, 128, shape, dtype=np.int8)) for _ in add.inputs]
    at = np.sort(generator.choice(np.prod(shape), 200, replace=False))
    values = values_at(changed, design, inputs, at)
    assert isinstance(values, TwoFormValues)
    assert np.array_equal(values.outputs(changed), kernel(changed, design)(inputs).numpy().reshape(-1)[at])
    specs = [design.tensors[index] for index in add.inputs]
    left, right = (
        (each.numpy().reshape(-1)[at].astype(float) - spec.zero_point) * spec.scale
        for each, spec in zip(inputs, specs, strict=True)
    )
    target = design.tensors[add.output]
    real = np.clip((left + changed.sign * right) / target.scale + target.zero_point, changed.q_min, changed.q_max)
    assert np.allclose(values.real, real)
    exact = values_at(add, network, inputs, at)  # at int32 the constants are those of the real scales, to 31 bits
    assert isinstance(exact, TwoFormValues)
    assert np.abs(exact.rounded_once - exact.real).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("resolver", ["litert_ref", "litert_xnnpack"])
def test_residuals_of_few_samples_at_once_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolver: str
) -> None:
    original = tmp_path / "original.tflite"
    original.write_bytes(known_models.residual(np.random.default_rng(6)))
    network = load_tflite(original)
    design = narrow(network, {op.name: RescalerChoice(3) for op in network.narrowable_operators()})
    together = export_tflite(design, original, tmp_path / "out.tflite", resolver)
    monkeypatch.setattr(execution, "_HELD_ELEMENTS", 1)
    assert export_tflite(design, original, tmp_path / "out.tflite", resolver) == together
    assert sum(operator.differences for operator in together.operators)
