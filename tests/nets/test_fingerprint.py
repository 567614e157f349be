"""Fingerprints tell networks apart, and trained integers survive as plain arrays."""

from dataclasses import replace

import pytest
from small_networks import digits_like

from nets.errors import NetworkError
from nets.network.fingerprints import fingerprint, trained_arrays, with_trained_arrays
from nets.network.operators import Weighted


def test_trained_arrays_round_trip_and_are_checked() -> None:
    one, other = digits_like(0).network, digits_like(1).network
    assert fingerprint(with_trained_arrays(one, trained_arrays(other))) != fingerprint(one)
    assert fingerprint(with_trained_arrays(one, trained_arrays(one))) == fingerprint(one)
    assert all(array.flags.c_contiguous for array in trained_arrays(one).values())
    arrays = trained_arrays(one)
    del arrays["fc_7.bias"]
    with pytest.raises(NetworkError, match=r"lack 'fc_7\.bias'"):
        with_trained_arrays(one, arrays)
    with pytest.raises(NetworkError, match="'conv_0' have shape"):
        with_trained_arrays(one, trained_arrays(digits_like(width=8).network))


def test_fingerprint_sees_every_field() -> None:
    network = digits_like().network
    conv = network.operator("conv_4")
    assert isinstance(conv, Weighted)
    changes = ({"stride": (1, 1)}, {"q_max": 100}, {"padding": ((0, 0), (0, 0))}, {"bias": conv.bias + 1})
    fingerprints = {fingerprint(network.with_operators({"conv_4": replace(conv, **change)})) for change in changes}
    assert len(fingerprints | {fingerprint(network)}) == len(changes) + 1
