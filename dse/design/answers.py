"""Which samples of a split a network answers rightly, packed: any two designs can be compared in pairs later."""

import base64
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.design.statistics import PairedCounts
from dse.errors import StudyError

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of a network to every sample of a split, in the split's order.

    Attributes:
        samples: number of samples.
        right: whether each is right, packed (:func:`packed`); None without labels.
        same: whether each is that of the deployed int32, packed; None if the outputs are no classes.

    Raises:
        ValueError: a packed text does not hold so many samples.
    """

    samples: int
    right: str | None = None
    same: str | None = None

    def __post_init__(self) -> None:
        for text in (self.right, self.same):
            if text is not None:
                _bytes(text, self.samples)

    @classmethod
    def of(cls, samples: int, right: BoolArray | None, differs: BoolArray | None) -> "Answers":
        """Returns the answers that are right, and those that differ from int32's, each ``[samples]`` if it is known."""
        same = None if differs is None else packed(~differs)
        return cls(samples, None if right is None else packed(right), same)

    def are_right(self) -> BoolArray | None:
        """Returns whether each answer is right, ``[samples]``."""
        return None if self.right is None else unpacked(self.right, self.samples)

    def are_same(self) -> BoolArray | None:
        """Returns whether each answer is that of the deployed int32, ``[samples]``."""
        return None if self.same is None else unpacked(self.same, self.samples)


def paired_counts(reference: Answers | None, design: Answers | None) -> PairedCounts | None:
    """Counts the samples that only one of reference and design gets right; None if that is not known of both.

    Raises:
        StudyError: they answered other samples.
    """
    theirs = None if reference is None else reference.are_right()
    ours = None if design is None else design.are_right()
    if theirs is None or ours is None:
        return None
    if len(theirs) != len(ours):
        raise StudyError(f"stored answers are damaged: int32's to {len(theirs)} samples, a design's to {len(ours)}")
    return PairedCounts(len(ours), int((theirs & ~ours).sum()), int((ours & ~theirs).sum()))


def packed(marks: BoolArray) -> str:
    """Returns marks ``[samples]`` as text: eight to a byte, the first in the highest bit, in base64."""
    return base64.b64encode(np.packbits(marks).tobytes()).decode("ascii")


def unpacked(text: str, samples: int) -> BoolArray:
    """Returns the marks that :func:`packed` was given.

    Raises:
        ValueError: the text holds another number of bytes than so many samples take.
    """
    return np.unpackbits(np.frombuffer(_bytes(text, samples), np.uint8), count=samples).astype(np.bool_)


def _bytes(text: str, samples: int) -> bytes:
    content = base64.b64decode(text, validate=True)
    if len(content) != -(-samples // 8):
        raise ValueError(f"{len(content)} bytes of answers, but {samples} samples take {-(-samples // 8)}")
    return content
