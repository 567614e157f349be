"""Whether the integer executor equals LiteRT on a model."""

from collections.abc import Iterable

from nets.importers.tflite import network_from_bytes
from nets.network.profiles import PROFILES
from nets.oracle.verify import random_samples, verify_bytes


def assert_equal(content: bytes, seed: int, samples: int = 3, profiles: Iterable[str] = PROFILES) -> None:
    for profile in profiles:
        network = network_from_bytes(content, "generated", contract=profile)
        report = verify_bytes(content, "generated", profile, *random_samples(network, samples, seed))
        of_file = [op for op in network.operators if network.tensors[op.output].file_index is not None]
        assert len(report.tensors) == len(of_file)
        assert all(check.elements > 0 for check in report.tensors)
        assert report.exact, [check for check in report.tensors if check.mismatches]
