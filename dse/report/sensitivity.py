"""How accuracy depends on each rescaler's width or shift window, estimated from the trials of the search."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from dse.design import NATURAL
from dse.store import StudyResults
from nets.network import Method

LEAST_TRIALS = 20  # fewer say nothing about individual rescalers
MOST_TRIALS = 1000  # for Optuna's fANOVA, whose time grows with their number
BACKGROUND = 200  # designs over which a partial dependence is averaged
USEFUL_R2 = 0.3  # the report warns of an out-of-bag R² below

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sensitivity:
    """What the trials say about individual rescalers.

    Attributes:
        rescalers: names, in order of execution.
        of_windows: whether ``bits`` are shift windows (:data:`~dse.design.NATURAL` for natural shifts); otherwise they
            are multiplier widths.
        bits: values that the trials used, ascending.
        drop_pp: ``[rescaler, value]`` mean predicted accuracy drop without fine-tuning, pp, with that rescaler at that
            value and all others as in the trials (partial dependence); NaN if no trial had that value there.
        trials_used: ``[rescaler, value]`` trials with that value.
        importance: share of the drop's variance that Optuna's fANOVA assigns to each rescaler (all of its choices).
        r2: out-of-bag R² of the forest behind ``drop_pp``.
        trials: how many trials it was learned from.
    """

    rescalers: tuple[str, ...]
    of_windows: bool
    bits: tuple[int, ...]
    drop_pp: Floats
    trials_used: npt.NDArray[np.int64]
    importance: Floats
    r2: float
    trials: int

    @property
    def is_useful(self) -> bool:
        """Whether the forest explains enough of the variance to draw conclusions."""
        return self.r2 >= USEFUL_R2


def sensitivity(results: StudyResults) -> Sensitivity | None:
    """Estimates it from all complete trials; returns None if they are too few or all equal, or have no labels.

    It is about shift windows if these vary, and about multiplier widths otherwise.
    """
    rows, drop = _samples(results)
    if len(rows) < LEAST_TRIALS or np.ptp(drop) == 0:
        return None
    choices = _chosen(results, rows)
    of_windows = results.facts.windows_vary
    values = choices.windows if of_windows else choices.bits
    features = np.hstack([choices.windows if of_windows else np.empty((len(rows), 0)), np.log2(choices.bits)])
    forest = _forest(np.hstack([features, choices.absorb]), drop)
    bits = tuple(sorted({int(value) for value in np.unique(values)}))
    used = np.array([[int((values[:, i] == value).sum()) for value in bits] for i in range(values.shape[1])])
    levels = [float(value) if of_windows else float(np.log2(value)) for value in bits]
    dependence = _partial_dependence(forest, np.hstack([features, choices.absorb]), len(results.rescalers), levels)
    return Sensitivity(
        rescalers=results.rescalers,
        of_windows=of_windows,
        bits=bits,
        drop_pp=np.where(used > 0, dependence, np.nan),
        trials_used=used,
        importance=_importance(choices, drop),
        r2=float(forest.oob_score_),
        trials=len(rows),
    )


@dataclass(frozen=True)
class _Choices:
    """What trials chose, each ``[trials, rescalers]``: widths in bits, whether they absorb, windows in bits."""

    bits: Floats
    absorb: Floats
    windows: Floats

    def of(self, which: npt.NDArray[np.intp]) -> "_Choices":
        """Returns the choices of some of the trials."""
        return _Choices(self.bits[which], self.absorb[which], self.windows[which])


def _chosen(results: StudyResults, rows: pd.DataFrame) -> _Choices:
    windows = rows.reindex(columns=results.shift_columns).astype(np.float64).fillna(NATURAL)
    return _Choices(
        bits=rows[results.bits_columns].to_numpy(dtype=np.float64),
        absorb=(rows[results.method_columns] == Method.ABSORB).to_numpy(dtype=np.float64),
        windows=windows.to_numpy(dtype=np.float64),
    )


def _samples(results: StudyResults) -> tuple[pd.DataFrame, Floats]:
    """Returns complete trials and their drops (pp) before any fine-tuning, so that all have one fidelity."""
    rows = results.complete.dropna(subset=["val_accuracy_integer"])
    int32 = results.int32["val_accuracy_integer"].dropna()
    best = float(int32.iloc[0]) if len(int32) else float(rows["val_accuracy_integer"].max()) if len(rows) else 0.0
    return rows, best - rows["val_accuracy_integer"].to_numpy(dtype=np.float64)


def _forest(features: Floats, drop: Floats) -> RandomForestRegressor:
    forest = RandomForestRegressor(
        n_estimators=120,
        min_samples_leaf=2,
        max_samples=min(1.0, MOST_TRIALS / len(drop)),
        oob_score=True,
        random_state=0,
    )
    with warnings.catch_warnings():  # of few trials some may be in every bag: their OOB prediction is 0
        warnings.simplefilter("ignore", UserWarning)
        return forest.fit(features, drop)


def _partial_dependence(forest: RandomForestRegressor, features: Floats, count: int, levels: Sequence[float]) -> Floats:
    """Returns the mean prediction with each of the first ``count`` features at each level, ``[count, levels]``."""
    background = features[np.random.default_rng(0).permutation(len(features))[:BACKGROUND]]
    queries = np.tile(background, (count * len(levels), 1, 1))
    for index in range(count):
        for position, level in enumerate(levels):
            queries[index * len(levels) + position, :, index] = level
    predicted = forest.predict(queries.reshape(-1, background.shape[1]))
    means: Floats = predicted.reshape(count, len(levels), -1).mean(axis=2)
    return means


def _importance(choices: _Choices, drop: Floats) -> Floats:
    """Returns shares by Optuna's fANOVA over at most ``MOST_TRIALS`` trials, drawn with a fixed seed."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(drop))[:MOST_TRIALS])
    study = _memory_study(choices.of(chosen), drop[chosen])
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=32, max_depth=32, seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    count = choices.bits.shape[1]
    return np.array([sum(shares.get(f"{kind}{i}", 0.0) for kind in "kms") for i in range(count)])


def _memory_study(choices: _Choices, drop: Floats) -> optuna.Study:
    widths = optuna.distributions.IntDistribution(1, 31, log=True)
    methods = optuna.distributions.CategoricalDistribution((0, 1))
    windows = optuna.distributions.IntDistribution(0, NATURAL)
    bits, absorb = choices.bits, choices.absorb
    columns = {"k": bits, "m": absorb, "s": choices.windows}
    count = bits.shape[1]
    distributions: dict[str, optuna.distributions.BaseDistribution] = {f"k{i}": widths for i in range(count)}
    distributions |= {f"m{i}": methods for i in range(count) if np.ptp(absorb[:, i]) > 0}
    distributions |= {f"s{i}": windows for i in range(count) if np.ptp(choices.windows[:, i]) > 0}
    previous = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        study = optuna.create_study()
    finally:
        optuna.logging.set_verbosity(previous)
    for trial, value in enumerate(drop):
        params = {name: int(columns[name[0]][trial, int(name[1:])]) for name in distributions}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=float(value)))
    return study
