"""Counts the integers in which the executor and ONNX Runtime differ, on generated networks.

    python tests/nets/measure_onnx.py --seeds 10 --samples 100

Each network is made and quantized anew for each seed; every tensor that a file has as integers is compared.
"""

import argparse
import logging
import tempfile
from pathlib import Path

from onnx_models import NETWORKS, VARIANTS, Graph, quantized

from nets.importers import load_network
from nets.oracle import VerifyReport, random_samples, verify_model


def compared(network: str, variant: str, seed: int, samples: int) -> VerifyReport:
    with tempfile.TemporaryDirectory() as folder:
        graph, path = Graph(seed, (3, 16, 16)), Path(folder) / "model.onnx"
        path.write_bytes(quantized(graph, NETWORKS[network](graph), Path(folder), **VARIANTS[variant]))
        return verify_model(path, "onnxruntime", *random_samples(load_network(path), samples, seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--samples", type=int, default=100)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # the quantizer's advice
    print("| network | variant | integers | differing |\n|---|---|---|---|")  # noqa: T201 -- a script's result
    for network in NETWORKS:
        for variant in VARIANTS:
            reports = [compared(network, variant, seed, arguments.samples) for seed in range(arguments.seeds)]
            checks = [check for report in reports for check in report.tensors]
            elements, differing = sum(check.elements for check in checks), sum(check.mismatches for check in checks)
            print(f"| {network} | {variant} | {elements:,} | {differing:,} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
