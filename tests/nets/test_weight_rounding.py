"""Error-aware rounding of weights, and the covariances behind it, against plain forms of both."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import digits_like, random_inputs

from nets.narrow.calibration import Calibration
from nets.narrow.choice import RescalerChoice
from nets.narrow.covariance import Covariance, covariance_of
from nets.narrow.rounding import rounded_to
from nets.network.fingerprints import fingerprint
from nets.network.operators import Convolution, Method


def descended(steps: np.ndarray, limit: int, matrix: np.ndarray) -> np.ndarray:
    """Coordinate descent on one output, in Python's own integers: 1/1024 of a step, as far as four sweeps go."""
    taps = len(steps)
    whole = [int(np.clip(np.rint(each), -limit, limit)) for each in steps]
    error = [round(1024 * (w - s)) for w, s in zip(whole, steps.tolist(), strict=True)]
    entries = [[int(each) for each in row] for row in matrix.tolist()]
    for _ in range(4):
        before = list(whole)
        for tap in range(taps):
            gradient = sum(entries[tap][other] * error[other] for other in range(taps))
            if 2 * abs(gradient) > 1024 * entries[tap][tap]:
                moved = min(max(whole[tap] + (-1 if gradient > 0 else 1), -limit), limit)
                error[tap] += 1024 * (moved - whole[tap])
                whole[tap] = moved
        if whole == before:
            break
    return np.array(whole, dtype=np.float64)


@given(
    seed=st.integers(0, 2**32 - 1),
    taps=st.integers(1, 150),
    groups=st.integers(1, 3),
    outputs=st.integers(1, 4),
    limit=st.sampled_from([3, 127]),
)
def test_rounding_is_coordinate_descent(seed: int, taps: int, groups: int, outputs: int, limit: int) -> None:
    """With up to 150 taps: beyond the size of a block, and of two."""
    rng = np.random.default_rng(seed)
    factors = rng.integers(-20, 21, (groups, taps, 6)).astype(np.float64)
    matrices = np.matmul(factors, np.swapaxes(factors, 1, 2)) + 2.0 * np.eye(taps)
    steps = np.round(rng.uniform(-limit - 1, limit + 1, (groups, taps, outputs)) * 1024) / 1024
    made = rounded_to(steps, (-limit, limit), Covariance(matrices, np.zeros(groups, np.int64)))
    for group in range(groups):
        for output in range(outputs):
            wanted = descended(steps[group, :, output], limit, matrices[group])
            assert np.array_equal(made[group, :, output], wanted)


@pytest.mark.parametrize("value", [255, -255])
def test_covariances_of_the_largest_inputs_are_exact(value: int) -> None:
    """Alternating with 0, the largest differences give the largest sums of products that a block can have."""
    operator = digits_like().network.operator("conv_4")
    assert isinstance(operator, Convolution)
    _, height, width, channels = operator.weights.shape
    patches = np.zeros((2048, height * width, channels), np.int16)
    patches[::2] = value
    patches[:, 0, 0] = np.where(np.arange(2048) % 3, value, 0)
    made = covariance_of(operator, patches)
    flat = patches.reshape(2048, -1).astype(np.int64)
    scatter = flat.T @ flat * 2048 - np.outer(flat.sum(axis=0), flat.sum(axis=0))
    damped = scatter + np.diag(np.full(len(scatter), 0.01 * np.diag(scatter).mean()))
    assert operator.groups == 1
    assert np.array_equal(made.matrices[0], np.rint(np.ldexp(damped, -int(made.exponents[0]))))


def test_calibration_tells_where_it_is() -> None:
    network = digits_like().network
    inputs = random_inputs(network.tensors[network.inputs[0]].shape, 8)
    seen: list[str] = []
    choices = {op.name: RescalerChoice(1, Method.ABSORB) for op in network.narrowable_operators()}
    calibration = Calibration(network, inputs, on_operator=lambda operator: seen.append(operator.name))
    names = [operator.name for operator in network.operators]
    assert seen == names
    made = calibration.narrow(network, choices)
    assert seen == names * 2
    assert fingerprint(made) == fingerprint(Calibration(network, inputs).narrow(network, choices))
