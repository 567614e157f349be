"""Looks at the test split: what is going to be tested, fixed before the split is read."""

from pydantic import BaseModel, ConfigDict, Field


class Look(BaseModel):
    """One look at the test split, decided on validation alone.

    Attributes:
        error: chance that the look's sequence shows a design that is worse than the margin, one-sided; later looks
            have smaller ones, so that those of all looks together have a bound.
        margin_pp: non-inferiority margin of the study, percentage points.
        sequence: numbers of the trials that are tested, in order; the first failure ends the sequence.
        trials: complete trials of the study at that time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    error: float = Field(gt=0, lt=0.5)
    margin_pp: float
    sequence: tuple[int, ...]
    trials: int
