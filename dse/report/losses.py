"""How a study's loss reads: an accuracy drop as the change of accuracy, the other losses as they are."""

import math
from dataclasses import dataclass

from dse import formats
from dse.design import DIVERGENCE, DROP, Figure
from dse.store import StudyFacts

MANY_SAMPLES = 2000  # from which on a hundredth of a percentage point is more than noise


@dataclass(frozen=True)
class ShownLoss:
    """A loss as pages and pictures show it.

    Attributes:
        loss: what designs lose against int32.
        digits: decimals that the number of test samples gives sense to.
    """

    loss: Figure
    digits: int

    @property
    def is_change(self) -> bool:
        """Whether it is shown as a change of accuracy: positive is better."""
        return self.loss is DROP

    @property
    def word(self) -> str:
        """What is shown, in a word or two."""
        return "accuracy change" if self.is_change else self.loss.word

    @property
    def title(self) -> str:
        """What is shown, with what it is compared with; without its unit."""
        text = "accuracy change against int32" if self.is_change else self.loss.in_words
        return text[:1].upper() + text[1:]

    @property
    def unit(self) -> str:
        """Unit of the shown number."""
        return self.loss.unit

    @property
    def better(self) -> str:
        """The direction in which designs get better."""
        return "higher" if self.is_change else "lower"

    def value(self, loss: float) -> float:
        """Returns the number shown for a loss."""
        return 0.0 - loss if self.is_change else loss  # not -loss: no negative zero

    def text(self, loss: float) -> str:
        """Formats the number shown for a loss, without its unit."""
        return formats.change(self.value(loss), self.digits) if self.is_change else formats.signed(loss, self.digits)

    def amount(self, loss: float) -> str:
        """Formats the number shown for a loss, with its unit if that is short."""
        text = self.text(loss)
        return text if self.loss is DIVERGENCE or text == formats.MISSING else f"{text} {self.unit}"

    def with_interval(self, loss: float, low: float, high: float) -> str:
        """Formats the number shown for a loss with its interval: ``+1.7 [-0.4 to +4.2]``; a dash if it is not known."""
        return f"{self.text(loss)} [{self.interval(low, high)}]" if math.isfinite(loss) else formats.MISSING

    def interval(self, low: float, high: float) -> str:
        """Formats the interval of a loss as that of the number shown, without its unit: ``-0.4 to +1.8``."""
        if not (math.isfinite(low) and math.isfinite(high)):
            return formats.MISSING
        ends = (high, low) if self.is_change else (low, high)
        return " to ".join(map(self.text, ends))


def shown_loss(facts: StudyFacts, loss: Figure | None = None) -> ShownLoss:
    """Returns how a loss reads: the study's own, or another one, such as that of its verdict."""
    loss = loss or facts.loss
    samples = facts.samples.get("test", 0)
    return ShownLoss(loss, 4 if loss is DIVERGENCE else 2 if samples >= MANY_SAMPLES else 1)
