"""Counts the integers in which the executor and ONNX Runtime differ, on generated networks.

    python tests/nets/measure_onnx.py --seeds 10 --samples 100 [--torchvision]

Each network is made and quantized anew for each seed; every tensor that a file has as integers is compared. With
``--torchvision``, the networks are torchvision's definitions with random weights, at 64 x 64 pixels, as
``torch.onnx.export`` writes them.
"""

import argparse
import logging
import tempfile
from pathlib import Path

from onnx_models import NETWORKS, VARIANTS, Graph, quantized, quantized_file

from nets.importers import load_network
from nets.oracle import VerifyReport, random_samples, verify_model

TORCHVISION = ("resnet18", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5", "googlenet")


def compared(network: str, variant: str, seed: int, samples: int) -> VerifyReport:
    with tempfile.TemporaryDirectory() as folder:
        graph, path = Graph(seed, (3, 16, 16)), Path(folder) / "model.onnx"
        path.write_bytes(quantized(graph, NETWORKS[network](graph), Path(folder), **VARIANTS[variant]))
        return verify_model(path, "onnxruntime", *random_samples(load_network(path), samples, seed))


def exported_networks(samples: int) -> None:
    import torch  # these are needed here alone
    import torchvision.models
    from onnxruntime.quantization.shape_inference import quant_pre_process

    shape = (3, 64, 64)
    for name in TORCHVISION:
        torch.manual_seed(0)
        make = getattr(torchvision.models, name)
        module = make(init_weights=False, aux_logits=False) if name == "googlenet" else make()
        with tempfile.TemporaryDirectory() as folder:
            real, path = Path(folder) / "real.onnx", Path(folder) / "model.onnx"
            module.eval()
            names = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
            torch.onnx.export(module, (torch.zeros(1, *shape),), real, dynamo=False, opset_version=17, **names)
            quant_pre_process(str(real), str(real), skip_symbolic_shape=True)
            for variant, own in VARIANTS.items():
                path.write_bytes(quantized_file(real, shape, **own))
                report = verify_model(path, "onnxruntime", *random_samples(load_network(path), samples, 0))
                elements, differing = (sum(getattr(c, n) for c in report.tensors) for n in ("elements", "mismatches"))
                print(f"| {name} | {variant} | {elements:,} | {differing:,} |", flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--torchvision", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # the quantizer's advice
    print("| network | variant | integers | differing |\n|---|---|---|---|")  # noqa: T201 -- a script's result
    if arguments.torchvision:
        exported_networks(arguments.samples)
        return
    for network in NETWORKS:
        for variant in VARIANTS:
            reports = [compared(network, variant, seed, arguments.samples) for seed in range(arguments.seeds)]
            checks = [check for report in reports for check in report.tensors]
            elements, differing = sum(check.elements for check in checks), sum(check.mismatches for check in checks)
            print(f"| {network} | {variant} | {elements:,} | {differing:,} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
