"""Calibration: means, covariances and error-aware rounding against independent computations."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import digits_like, mixed, random_inputs

from nets.errors import NetworkError
from nets.execute import IntegerExecutor, accumulator
from nets.importers.tflite import load_tflite
from nets.narrow import calibration as layer_calibration
from nets.narrow.calibration import Calibration
from nets.narrow.choice import RescalerChoice
from nets.narrow.covariance import Covariance, by_group, covariance_of, from_groups, group_count
from nets.narrow.narrowing import narrow
from nets.narrow.rounding import rounded_to
from nets.narrow.statistics import input_patches, input_sums, value_counts
from nets.narrow.synthetic import synthetic_inputs
from nets.narrow.weights import with_weight_bits
from nets.network import ElementwiseSum, Method, QuantizedNetwork, Weighted, fingerprint

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def choices(network: QuantizedNetwork, bits: int, window: int | None, method: Method = Method.ABSORB) -> dict:
    return {op.name: RescalerChoice(bits, method, window) for op in network.narrowable_operators()}


def accumulators(network: QuantizedNetwork, name: str, inputs: np.ndarray) -> np.ndarray:
    """A layer's accumulators ``[samples * positions, out]``, by the torch executor's own accumulator."""
    operator = network.operator(name)
    tensors = IntegerExecutor(network).tensors(inputs)
    values = accumulator(operator, network)([torch.from_numpy(tensors[index]) for index in operator.inputs])
    return values.numpy().reshape(-1, values.shape[-1])


def weighted_names(network: QuantizedNetwork) -> list[str]:
    return [op.name for op in network.operators if isinstance(op, Weighted)]


@pytest.fixture(params=["digits_like", "mixed"])
def case(request: pytest.FixtureRequest) -> tuple[QuantizedNetwork, dict, np.ndarray]:
    module = digits_like(1, width=8) if request.param == "digits_like" else mixed()[2]
    return module.network, module.originals, random_inputs(module.network.tensors[module.network.inputs[0]].shape, 40)


def test_sums_are_those_of_the_executors_accumulators(case: tuple) -> None:
    network, _, inputs = case
    tensors = IntegerExecutor(network).tensors(inputs)
    for name in weighted_names(network):
        operator = network.operator(name)
        assert isinstance(operator, Weighted)
        chunks = [torch.from_numpy(part) for part in np.array_split(tensors[operator.inputs[0]], 3)]
        sums = input_sums(operator, network, chunks)
        expected = accumulators(network, name, inputs)
        assert sums.count == len(expected)
        assert (sums.accumulator_totals(operator) + operator.bias * sums.count == expected.sum(axis=0)).all()


@pytest.mark.parametrize("samples", [256, 257])
def test_sums_of_many_extreme_inputs_are_exact(samples: int) -> None:
    network = digits_like(1, width=8).network
    operator = network.operators[0]
    assert isinstance(operator, Weighted)
    one = torch.full((1, *network.tensors[operator.inputs[0]].shape), -128, dtype=torch.int8)
    alone, together = (input_sums(operator, network, [one.repeat(count, 1, 1, 1)]) for count in (1, samples))
    in_chunks = input_sums(operator, network, [one] * (samples - 99) + [one.repeat(99, 1, 1, 1)])
    assert (together.totals == samples * alone.totals).all()
    assert (in_chunks.totals == together.totals).all()


def test_variances_are_those_of_accumulator_errors(case: tuple) -> None:
    network, _, inputs = case
    generator = np.random.default_rng(0)
    tensors = IntegerExecutor(network).tensors(inputs)
    for name in weighted_names(network):
        operator = network.operator(name)
        assert isinstance(operator, Weighted)
        changes = generator.integers(-1, 2, operator.weights.shape)
        changed = replace(operator, weights=np.clip(operator.weights + changes, -127, 127).astype(np.int8))
        errors = changed.weights.astype(np.float64) - operator.weights
        chunks = [torch.from_numpy(tensors[operator.inputs[0]])]
        patches = input_patches(operator, network, chunks, seed=0)
        covariance = covariance_of(operator, patches)
        found = covariance.error_variances(by_group(errors, group_count(operator)))
        difference = accumulators(network.with_operators({name: changed}), name, inputs) - accumulators(
            network, name, inputs
        )
        exact = difference.var(axis=0) * len(patches) ** 2
        # Damping adds 1% of the mean variance of an input per squared step; rounding is below 1e-4.
        scatter = np.einsum("gtt->gt", covariance.matrices) * np.exp2(covariance.exponents)[:, None]
        damping = 0.01 / 1.01 * scatter.mean(axis=1)
        squares = (by_group(errors, group_count(operator)) ** 2).sum(axis=1)
        np.testing.assert_allclose(found, exact + (damping[:, None] * squares).reshape(-1), rtol=2e-3)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), taps=st.integers(1, 12), limit=st.sampled_from([1, 7, 127]))
def test_rounding_is_never_worse_than_the_nearest_integers(seed: int, taps: int, limit: int) -> None:
    generator = np.random.default_rng(seed)
    data = generator.integers(-100, 100, (60, taps)) + generator.integers(-100, 100, (60, 1)) * 3
    centred = data - data.mean(axis=0)
    matrix = np.rint(centred.T @ centred)
    matrix = np.rint(matrix / matrix.max() * 2**19)
    matrix[np.arange(taps), np.arange(taps)] += 1
    covariance = Covariance(matrix[None], np.zeros(1, np.int64))
    steps = generator.normal(0, limit / 3, (1, taps, 5))
    made = rounded_to(steps, (-limit, limit), covariance)
    assert np.abs(made).max() <= limit
    assert (made == np.rint(made)).all()
    nearest = np.clip(np.rint(steps), -limit, limit)
    before, after = (covariance.error_variances(values - steps) for values in (nearest, made))
    assert (after <= before * (1 + 1e-2) + taps).all()  # both are judged with errors rounded to 1/64 step


def test_rounding_uses_correlations() -> None:
    # Two inputs that are always equal: 0.5 + 0.5 is 1 + 0, and the nearest integers (0 + 0) miss it by a whole step.
    covariance = Covariance(np.full((1, 2, 2), 1000.0), np.zeros(1, np.int64))
    assert rounded_to(np.full((1, 2, 1), 0.5), (-127, 127), covariance).sum() == 1


def test_groups_are_rearranged_and_restored() -> None:
    weights = np.arange(6 * 3 * 3 * 2, dtype=np.float64).reshape(6, 3, 3, 2)
    grouped = by_group(weights, 3)
    assert grouped.shape == (3, 18, 2)
    assert (grouped[1, :, 0] == weights[2].reshape(-1)).all()
    assert (from_groups(grouped, weights.shape) == weights).all()


def test_the_int32_network_stays_itself(case: tuple) -> None:
    network, originals, inputs = case
    calibration = Calibration(network, inputs, originals=originals)
    assert fingerprint(calibration.narrow(network, {})) == fingerprint(network)
    frozen = calibration.narrow(network, choices(network, 4, None, Method.ROUND))
    assert fingerprint(frozen) == fingerprint(narrow(network, choices(network, 4, None, Method.ROUND)))


@pytest.mark.parametrize("window", [None, 0])
def test_every_channel_keeps_its_mean(case: tuple, window: int | None) -> None:
    network, originals, inputs = case
    made = Calibration(network, inputs, originals=originals).narrow(network, choices(network, 1, window))
    for name in weighted_names(network):
        before, after = network.operator(name), made.operator(name)
        assert isinstance(before, Weighted)
        assert isinstance(after, Weighted)
        unit = made.tensors[after.inputs[0]].scale * after.weight_scale
        reference = network.tensors[before.inputs[0]].scale * before.weight_scale
        wanted = accumulators(network, name, inputs).mean(axis=0) * reference / unit
        got = accumulators(made, name, inputs).mean(axis=0)
        assert np.abs(got - wanted).max() <= 0.5 + 1e-6  # the bias is an integer


def test_results_do_not_depend_on_threads_or_on_earlier_designs(case: tuple) -> None:
    network, originals, inputs = case
    wanted = choices(network, 1, 1)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first = Calibration(network, inputs, originals=originals).narrow(network, wanted)
        torch.set_num_threads(2)
        used = Calibration(network, inputs, originals=originals)
        used.narrow(network, choices(network, 2, 0))
        second = used.narrow(network, wanted)
    finally:
        torch.set_num_threads(threads)
    assert fingerprint(first) == fingerprint(second)


def test_calibration_brings_a_constant_shift_nearer_to_int32(case: tuple) -> None:
    network, originals, inputs = case
    fresh = random_inputs(inputs.shape[1:], 200, seed=9)
    wanted = IntegerExecutor(network).outputs(fresh)[0].astype(np.float64)
    scale = network.tensors[network.outputs[0]].scale

    def error(made: QuantizedNetwork) -> float:
        spec = made.tensors[made.outputs[0]]
        return float(np.abs(IntegerExecutor(made).outputs(fresh)[0] * spec.scale / scale - wanted).mean())

    plain = narrow(network, choices(network, 1, 0), originals)
    calibrated = Calibration(network, inputs, originals=originals).narrow(network, choices(network, 1, 0))
    assert error(calibrated) < 0.9 * error(plain)


def test_narrow_weights_at_int32_are_calibrated_too() -> None:
    module = digits_like(1, width=8)
    inputs = random_inputs((8, 8, 1), 60)
    coarse = with_weight_bits(module.network, 4, module.originals)
    made = Calibration(module.network, inputs, originals=module.originals).narrow(coarse, {})
    assert fingerprint(made) != fingerprint(coarse)
    assert all(op.weight_bits == 4 for op in made.operators if isinstance(op, Weighted))
    fresh = random_inputs((8, 8, 1), 300, seed=5)
    wanted, rounded, calibrated = (
        IntegerExecutor(each).outputs(fresh)[0].astype(np.float64) for each in (module.network, coarse, made)
    )
    assert np.abs(calibrated - wanted).mean() < np.abs(rounded - wanted).mean()


def test_inputs_of_another_shape_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"takes int8 \[samples, 8, 8, 1\], got int8 \[4, 7, 8, 1\]"):
        Calibration(digits_like().network, random_inputs((7, 8, 1), 4))


def test_layers_of_another_network_are_refused() -> None:
    calibration = Calibration(digits_like().network, random_inputs((8, 8, 1), 4))
    with pytest.raises(NetworkError, match="not a layer of the network that was calibrated"):
        calibration.narrow(mixed()[2].network, {})


def test_synthetic_inputs_are_seeded_and_use_the_range() -> None:
    _, _, module = mixed()
    (first,), (again,), (other,) = (synthetic_inputs(module.network, 16, seed) for seed in (3, 3, 4))
    assert first.dtype == np.int8
    assert first.shape == (16, 16, 16, 2)
    assert (first == again).all()
    assert (first != other).any()
    assert first.max() > 100
    assert first.min() < -100
    # Neighbours are alike, as in images: far more than independent noise would be.
    assert np.corrcoef(first[:, 1:].reshape(-1), first[:, :-1].reshape(-1))[0, 1] > 0.5


def test_a_constant_shift_everywhere_keeps_keyword_spotting() -> None:
    model, samples = DATA / "models" / "kws_ref_model.tflite", DATA / "samples" / "kws01.npz"
    if not model.exists() or not samples.exists():
        pytest.skip(f"no {model} and {samples}")
    network, inputs = load_tflite(model), np.load(samples, allow_pickle=False)["x"]
    made = Calibration(network, inputs[:64]).narrow(network, choices(network, 1, 0))
    classes = [IntegerExecutor(each).outputs(inputs[64:])[0].argmax(axis=1) for each in (network, made)]
    assert (classes[0] == classes[1]).mean() > 0.97


def test_errors_of_scales_are_those_of_requantized_values() -> None:
    spec = replace(mixed()[2].network.tensors[1], zero_point=3)
    generator = np.random.default_rng(0)
    values = np.clip(generator.normal(0, 40, 4000).round(), -120, 120).astype(np.int8)
    counts = value_counts(spec, [torch.from_numpy(values[:3000]), torch.from_numpy(values[3000:])])
    for ratio in (0.5, 0.8, 1.0, 1.7):
        # Real values spread evenly around the integers they were, quantized at the other scale.
        real = np.repeat(values.astype(np.float64) - spec.zero_point, 50) + np.tile(
            (np.arange(50) + 0.5) / 50 - 0.5, len(values)
        )
        steps = np.clip(np.rint(real / ratio), spec.q_min - spec.zero_point, spec.q_max - spec.zero_point)
        expected = ((steps * ratio - real) ** 2).sum() / 50
        assert counts.error_at(spec.scale * ratio) == pytest.approx(expected, rel=0.1)


def test_scales_around_an_add_are_chosen_by_its_values() -> None:
    module = digits_like(1, width=8)
    network = module.network
    inputs = random_inputs((8, 8, 1), 60)
    wanted = {op.name: RescalerChoice(1, Method.ABSORB) for op in network.operators if isinstance(op, ElementwiseSum)}
    assert wanted
    grown = narrow(network, wanted)
    made = Calibration(network, inputs, originals=module.originals).narrow(network, wanted)
    tensors = IntegerExecutor(network).tensors(inputs)
    for name in wanted:
        index = network.operator(name).output
        counts = value_counts(network.tensors[index], [torch.from_numpy(tensors[index])])
        assert counts.error_at(made.tensors[index].scale) <= counts.error_at(grown.tensors[index].scale)
        assert made.tensors[index].scale <= grown.tensors[index].scale


def test_designs_do_not_depend_on_the_weights_that_were_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    module = digits_like(1, width=8)
    network, inputs = module.network, random_inputs(module.network.tensors[module.network.inputs[0]].shape, 40)
    designs = [choices(network, k, None) for k in (1, 2, 1)]
    kept = Calibration(network, inputs)
    wanted = [fingerprint(kept.narrow(network, design)) for design in designs]
    monkeypatch.setattr(layer_calibration, "_MOST_BYTES", 1)
    bounded = Calibration(network, inputs)
    assert [fingerprint(bounded.narrow(network, design)) for design in designs] == wanted
    assert len(bounded._made) == 1  # noqa: SLF001 -- what it keeps, which nothing else shows
    assert wanted[0] == wanted[2] != wanted[1]
