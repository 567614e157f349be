"""Samples that are made of other downloads, the same arrays on every machine."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from dse.fetch.catalogue import Recipe
from dse.fetch.download import DownloadError

Arrays = dict[str, npt.NDArray[Any]]

# The records of CIFAR-10's binary version: a label, then 32×32 red values, green ones and blue ones
# (https://www.cs.toronto.edu/~kriz/cifar.html).
_SIDE, _COLOURS = 32, 3
_RECORD: Final = 1 + _SIDE * _SIDE * _COLOURS
_TRAIN_EACH, _TEST = 932, 846  # the first records of each of the five training batches, and of the test batch
_CIFAR_FOLDER: Final = "cifar-10-batches-bin"

# The 1,000 inputs of the keyword spotting benchmark, one file of int8 each; a file's name holds its class, here one
# hexadecimal digit, and the word of that class.
_KWS_ADDRESS: Final = (
    "https://raw.githubusercontent.com/eembc/energyrunner/5baff5b4ae8b0bd657844cc03ace877df82aba6e/datasets/kws01/"
)
_KWS_SHAPE: Final = (49, 10, 1)
_WORDS: Final = ("Down", "Go", "Left", "No", "Off", "On", "Right", "Stop", "Up", "Yes", "Silence", "Unknown")
_CLASSES: Final = (
    "7268508943b219a9b5665a85745265986755918b2b2337b0328a072234766681931758595110a0808a543ab50739214b2792"
    "aa454776337a1a392013b1667346590498949b231ab2b89842a3b60b33975285612b470697a8a49733956b7572b2235320a5"
    "567983b2802032aba4bba85851b54694369660132419071256353228b440879851954b44a9b9a631a6601b47685205a68351"
    "02503b586970745072ba3065186950b1588b49ba032a5012344b40128b413140468b63993169a1112872b046aa3265224818"
    "97b79711a74195040a862a27069b77748b16913376570591b657824895147395786a209050a6080271549b89580779a70a2a"
    "982b1224130ba5156b75010291089b80aa7097567b712ab12b195906a608b841873609237019770451975025486021253419"
    "b1ab8aa5712a396ba83ba103973155b33030816565731549bb403826735227490993a439954ba7898198709bb208b5b06a17"
    "b6b09a76028380834088552326282a40aa1918171aba084bb2367379a13280712961250a62a54470680b53ba31870694aa05"
    "98b9123063a694528913b7aa023ab99111a8391659a01978a962929418343a20abb94ba64533651033b56735ab0b6b05a183"
    "311810801113ba731682b38b739924113340ab32644b394a50286443005607410a89b12063b88708a5b645b8131ab9701748"
)


class Sources(Protocol):
    """What a recipe may bring."""

    def bring(self, name: str) -> Path:
        """Returns a file of the catalogue."""
        ...

    def small(self, url: str, most_bytes: int) -> bytes:
        """Returns the unverified content of a small file."""
        ...

    def report(self, done: int, total: int) -> None:
        """Shows the progress of several small files."""
        ...


def cifar10_subset(sources: Sources) -> Arrays:
    """Takes the first images of every batch of CIFAR-10, uint8 ``[images, 32, 32, 3]``, and their classes."""
    archive = sources.bring("cifar-10-binary.tar.gz")
    records: dict[str, npt.NDArray[np.uint8]] = {}
    with tarfile.open(archive, "r|gz") as members:  # one pass: going back would unpack it again
        for member in members:
            folder, _, name = member.name.rpartition("/")
            content = members.extractfile(member) if folder == _CIFAR_FOLDER and name.endswith(".bin") else None
            if content is not None:
                count = _TEST if name == "test_batch.bin" else _TRAIN_EACH
                records[name] = np.frombuffer(content.read(count * _RECORD), np.uint8).reshape(count, _RECORD)
    train = np.concatenate([records[f"data_batch_{number}.bin"] for number in range(1, 6)])
    return {**_labelled(train, "train"), **_labelled(records["test_batch.bin"], "test")}


def _labelled(records: npt.NDArray[np.uint8], part: str) -> Arrays:
    images = records[:, 1:].reshape(-1, _COLOURS, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return {f"x_{part}": np.ascontiguousarray(images), f"y_{part}": records[:, 0].astype(np.int64)}


def kws01(sources: Sources) -> Arrays:
    """Puts the keyword spotting inputs together, int8 ``[1000, 49, 10, 1]``, and their classes."""
    labels = [int(digit, 16) for digit in _CLASSES]
    size = int(np.prod(_KWS_SHAPE))
    inputs = []
    for number, label in enumerate(labels):
        sources.report(number, len(labels))
        name = f"tst_{number:06d}_{_WORDS[label]}_{label}.bin"
        content = sources.small(f"{_KWS_ADDRESS}{name}", size)
        if len(content) != size:
            raise DownloadError(f"{name} has {len(content)} bytes instead of {size}")
        inputs.append(np.frombuffer(content, np.int8).reshape(_KWS_SHAPE))
    return {"x": np.array(inputs), "y": np.array(labels, np.int64)}


RECIPES: dict[Recipe, Callable[[Sources], Arrays]] = {"cifar10_subset": cifar10_subset, "kws01": kws01}
