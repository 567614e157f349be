"""What one rescaler hardware means for every network of a portfolio: its own drop and its regret."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from dse.report.designs import Choice
from dse.report.scene import Scene
from dse.report.tables import compared

AREA = "rescaler_area_um2"  # of the shared hardware, whatever the objectives are
DROP = "val_accuracy_drop_pp"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MemberResult:
    """One network in one design; percentage points, NaN if unknown.

    Attributes:
        val_drop_pp: accuracy drop on the validation split, against the network's own int32.
        test_drop_pp: the same on the test split.
        ci_low: lower end of the test drop's paired 95% interval.
        ci_high: upper end.
        regret_pp: validation drop beyond that of the best design of at most the same area for this network alone.
    """

    val_drop_pp: float
    test_drop_pp: float
    ci_low: float
    ci_high: float
    regret_pp: float


@dataclass(frozen=True)
class MemberCurve:
    """One network over the area of the shared rescalers.

    Attributes:
        name: of the network.
        areas: rescaler areas of complete designs, µm², ascending, ``[designs]``.
        best_pp: smallest validation drop of the network in any design of at most that area, pp, ``[designs]``.
        front_areas: rescaler areas of the front, µm², ``[front]``.
        front_pp: its validation drops on the front, pp, ``[front]``.
    """

    name: str
    areas: Floats
    best_pp: Floats
    front_areas: Floats
    front_pp: Floats


def portfolio_rows(view: Scene) -> list[tuple[str, Choice, list[MemberResult]]]:
    """Returns the designs that a report compares, with every network's figures; empty in a study of one network."""
    trials = view.results.trials
    members = view.results.facts.members
    return [
        (label, choice, [_result(trials[trials["trial"] == choice.trial].iloc[0], member) for member in members])
        for label, choice in (compared(view.rec) if members else ())
    ]


def _result(row: pd.Series, member: str) -> MemberResult:
    figures = (DROP, "test_accuracy_drop_pp", "ci_low", "ci_high", "regret_pp")
    return MemberResult(*(float(row.get(f"{member}.{figure}", math.nan)) for figure in figures))


def member_curves(view: Scene) -> list[MemberCurve]:
    """Returns every network's smallest drop over area, and its drops on the front."""
    rows = view.results.judged.sort_values(AREA)
    front = view.results.front
    return [
        MemberCurve(
            name=member,
            areas=rows[AREA].to_numpy(dtype=np.float64),
            best_pp=rows[f"{member}.{DROP}"].cummin().to_numpy(dtype=np.float64),
            front_areas=front[AREA].to_numpy(dtype=np.float64),
            front_pp=front[f"{member}.{DROP}"].to_numpy(dtype=np.float64),
        )
        for member in view.results.facts.members
    ]
