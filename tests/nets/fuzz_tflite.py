"""Mutated .tflite or .onnx files: import each, run those that import; only NetworkError may come out.

    python tests/nets/fuzz_tflite.py --files 10000 --seed 1 [--onnx]

Mutants are made from generated models, and from published ones if they are available. Every batch runs in a
process of its own, whose memory is limited, so that a crash of native code is seen and named too.
"""

import argparse
import collections
import json
import resource
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import known_models
import numpy as np

from nets.errors import NetworkError
from nets.execute.executor import IntegerExecutor
from nets.importers import onnx_from_bytes
from nets.importers.tflite import network_from_bytes
from nets.importers.tflite.inspection import inspect_bytes
from nets.network.quantized_network import QuantizedNetwork
from nets.oracle.verify import random_samples

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "models"
SECONDS = 10  # for one file; most take milliseconds
MEMORY = 4 * 2**30  # of address space beyond what the libraries take
BATCH = 500
ELEMENTS_RUN = 2**22  # larger networks are imported and not run
EXTREMES = (0, 1, 2, 4, 127, 128, 255, 256, 2**15, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 4)


def originals(*, onnx: bool = False) -> list[bytes]:
    if onnx:
        from onnx_models import every_network  # needs onnx and ONNX Runtime

        return every_network()
    rng = np.random.default_rng(0)
    models = (
        known_models.residual,
        known_models.float_borders,
        known_models.streaming_wakeword,
        known_models.constants,
        known_models.functions,
        known_models.rearrangements,
        known_models.shape_arithmetic,
        known_models.wide_activations,
        known_models.wide_matrices,
        known_models.with_lstm,
        known_models.with_svdf,
        known_models.unsigned,
        known_models.through_float,
        known_models.parts,
        known_models.upsampled,
        known_models.attention,
        known_models.post_processed,
    )
    made = [make(rng) for make in models]
    return made + [path.read_bytes() for path in sorted(PUBLISHED.glob("*.tflite"))]


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One to eight mutations; most hit one word, some cut or move whole blocks."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if len(data) < 8:
            break
        MUTATIONS[int(rng.choice(len(MUTATIONS), p=WEIGHTS))](data, rng)
    return bytes(data)


def _word(data: bytearray, rng: np.random.Generator) -> int:
    return int(rng.integers(0, len(data) // 4)) * 4


def flip_bit(data: bytearray, rng: np.random.Generator) -> None:
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))


def set_byte(data: bytearray, rng: np.random.Generator) -> None:
    data[int(rng.integers(len(data)))] = int(rng.integers(256))


def set_word(data: bytearray, rng: np.random.Generator) -> None:
    at = _word(data, rng)
    data[at : at + 4] = int(rng.choice(EXTREMES)).to_bytes(4, "little")


def nudge_small_word(data: bytearray, rng: np.random.Generator) -> None:
    """Change a word that is small already: an offset, a length, a size, an index."""
    for _ in range(50):
        at = _word(data, rng)
        value = int.from_bytes(data[at : at + 4], "little")
        if 0 < value < 4096:
            changed = (value + int(rng.integers(-9, 10))) % 2**32
            data[at : at + 4] = changed.to_bytes(4, "little")
            return


def set_float(data: bytearray, rng: np.random.Generator) -> None:
    values = (0.0, -1.0, np.nan, np.inf, 1e-38, 1e38, 1e-10)
    at = _word(data, rng)
    data[at : at + 4] = np.float32(values[int(rng.integers(len(values)))]).tobytes()


def truncate(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(len(data))) :]


def move_block(data: bytearray, rng: np.random.Generator) -> None:
    size = int(rng.integers(1, min(256, len(data))))
    source, target = (int(x) for x in rng.integers(0, len(data) - size + 1, 2))
    data[target : target + size] = data[source : source + size]


def drop_block(data: bytearray, rng: np.random.Generator) -> None:
    at = _word(data, rng)
    del data[at : at + 4 * int(rng.integers(1, 9))]


MUTATIONS = (flip_bit, set_byte, set_word, nudge_small_word, set_float, truncate, move_block, drop_block)
WEIGHTS = (0.2, 0.15, 0.15, 0.3, 0.1, 0.03, 0.04, 0.03)


@dataclass(frozen=True)
class Outcome:
    kind: str  # ran, imported, refused
    message: str


def feed(content: bytes, seed: int, *, onnx: bool = False) -> Outcome:
    """Import one file and run it; every exception but NetworkError passes through."""
    try:
        if onnx:
            network = onnx_from_bytes(content, "mutant.onnx", contract=("half_up", "onnxruntime")[seed % 2]).network
        else:
            inspect_bytes(content, "mutant.tflite")
            network = network_from_bytes(content, "mutant.tflite", contract=("half_up", "litert_ref")[seed % 2])
        if _elements(network) > ELEMENTS_RUN:
            return Outcome("imported", "")
        samples = random_samples(network, 1, seed)
        IntegerExecutor(network).outputs(*samples)
    except NetworkError as error:
        if "\n" in str(error) or len(str(error)) > 2000:
            raise AssertionError(f"not one clear line: {error!r}") from error
        return Outcome("refused", str(error))
    return Outcome("ran", "")


def _elements(network: QuantizedNetwork) -> int:
    return sum(int(np.prod(spec.shape, dtype=np.int64)) for spec in network.tensors)


def worker(start: int, count: int, seed: int, *, onnx: bool) -> None:
    """Feed some mutants; prints a line of JSON. Limits make hangs and blow-ups visible as failures."""
    sources = originals(onnx=onnx)
    warnings.simplefilter("ignore")  # the last line on stderr is a number
    feed(sources[0], 0, onnx=onnx)  # loads libraries before memory is limited
    usage = _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (usage + MEMORY, usage + MEMORY))
    tally: collections.Counter[str] = collections.Counter()
    slowest = 0.0
    for number in range(start, start + count):
        rng = np.random.default_rng([seed, number])
        content = mutated(sources[int(rng.integers(len(sources)))], rng)
        print(number, file=sys.stderr, flush=True)  # noqa: T201 -- the last line names the file that killed us
        signal.alarm(SECONDS)
        begun = time.perf_counter()
        tally[feed(content, number, onnx=onnx).kind] += 1
        slowest = max(slowest, time.perf_counter() - begun)
        signal.alarm(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"tally": tally, "slowest": slowest, "peak_bytes": peak}))  # noqa: T201 -- a script's result


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--onnx", action="store_true")
    parser.add_argument("--worker", type=int, nargs=2, metavar=("START", "COUNT"))
    arguments = parser.parse_args()
    if arguments.worker:
        worker(*arguments.worker, arguments.seed, onnx=arguments.onnx)
        return 0
    tally: collections.Counter[str] = collections.Counter()
    slowest, peak, failures = 0.0, 0, []
    for start in range(0, arguments.files, BATCH):
        count = min(BATCH, arguments.files - start)
        command = [sys.executable, __file__, "--seed", str(arguments.seed), "--worker", str(start), str(count)]
        command += ["--onnx"] if arguments.onnx else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            failures.append({"batch": start, "status": done.returncode, "end": done.stderr[-300:]})
            continue
        result = json.loads(done.stdout)
        tally.update(result["tally"])
        slowest, peak = max(slowest, result["slowest"]), max(peak, result["peak_bytes"])
    summary = {"files": sum(tally.values()), **tally, "slowest_seconds": round(slowest, 3), "peak_mib": peak // 2**20}
    print(json.dumps({**summary, "failures": failures}, indent=2))  # noqa: T201 -- a script's result
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
