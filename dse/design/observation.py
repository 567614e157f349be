"""What a trial shows of its design's loss, the figure that searches learn from, at every level that it reached."""

from collections.abc import Mapping
from dataclasses import dataclass

from dse.design.evaluation import Level


@dataclass(frozen=True, slots=True)
class Observation:
    """The losses of one trial.

    Attributes:
        asked: the level that the trial's design asks for; the ladder may have stopped it earlier.
        levels: the loss at every level that the trial reached, lowest first.
    """

    asked: Level
    levels: Mapping[Level, float]

    @property
    def reached(self) -> Level:
        """The highest level that the trial reached."""
        return tuple(self.levels)[-1]

    @property
    def is_whole(self) -> bool:
        """Whether the trial reached the level that its design asks for."""
        return self.asked in self.levels

    def document(self) -> dict[str, object]:
        """Returns the observation as it is stored, of texts and numbers."""
        return {"asked": self.asked.value, "levels": {level.value: loss for level, loss in self.levels.items()}}

    @classmethod
    def of_document(cls, document: Mapping[str, object]) -> "Observation":
        """Returns the observation of what :meth:`document` returned."""
        levels = document["levels"]
        if not isinstance(levels, Mapping):
            raise TypeError(f"levels are a mapping, not {levels!r}")
        return cls(Level(str(document["asked"])), {Level(name): float(loss) for name, loss in levels.items()})
