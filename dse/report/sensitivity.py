"""How accuracy depends on each rescaler's width, estimated from the trials of the search."""

import logging
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

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
        bits: widths that the trials used.
        drop_pp: ``[rescaler, width]`` mean predicted accuracy drop without fine-tuning, pp, with that rescaler at that
            width and all others as in the trials (partial dependence); NaN if no trial had that width there.
        trials_used: ``[rescaler, width]`` trials with that width.
        importance: share of the drop's variance that Optuna's fANOVA assigns to each rescaler (width and method).
        r2: out-of-bag R² of the forest behind ``drop_pp``.
        trials: how many trials it was learned from.
    """

    rescalers: tuple[str, ...]
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
    """Estimates it from all complete trials; returns None if they are too few or all equal."""
    rows, drop = _samples(results)
    if len(rows) < LEAST_TRIALS or np.ptp(drop) == 0:
        return None
    bits = rows[results.bits_columns].to_numpy(dtype=np.float64)
    absorb = (rows[results.method_columns] == Method.ABSORB).to_numpy(dtype=np.float64)
    forest = _forest(np.hstack([np.log2(bits), absorb]), drop)
    widths = tuple(sorted({int(width) for width in np.unique(bits)}))
    used = np.array([[int((bits[:, i] == width).sum()) for width in widths] for i in range(bits.shape[1])])
    dependence = _partial_dependence(forest, np.log2(bits), absorb, widths)
    return Sensitivity(
        rescalers=results.rescalers,
        bits=widths,
        drop_pp=np.where(used > 0, dependence, np.nan),
        trials_used=used,
        importance=_importance(bits, absorb, drop),
        r2=float(forest.oob_score_),
        trials=len(rows),
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


def _partial_dependence(
    forest: RandomForestRegressor, log_bits: Floats, absorb: Floats, widths: tuple[int, ...]
) -> Floats:
    chosen = np.random.default_rng(0).permutation(len(log_bits))[:BACKGROUND]
    background = np.hstack([log_bits[chosen], absorb[chosen]])
    count = log_bits.shape[1]
    queries = np.tile(background, (count * len(widths), 1, 1))
    for index in range(count):
        for position, width in enumerate(widths):
            queries[index * len(widths) + position, :, index] = np.log2(width)
    predicted = forest.predict(queries.reshape(-1, background.shape[1]))
    means: Floats = predicted.reshape(count, len(widths), -1).mean(axis=2)
    return means


def _importance(bits: Floats, absorb: Floats, drop: Floats) -> Floats:
    """Returns shares by Optuna's fANOVA over at most ``MOST_TRIALS`` trials, drawn with a fixed seed."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(drop))[:MOST_TRIALS])
    study = _memory_study(bits[chosen], absorb[chosen], drop[chosen])
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=32, max_depth=32, seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return np.array([shares.get(f"k{i}", 0.0) + shares.get(f"m{i}", 0.0) for i in range(bits.shape[1])])


def _memory_study(bits: Floats, absorb: Floats, drop: Floats) -> optuna.Study:
    widths = optuna.distributions.IntDistribution(1, 31, log=True)
    methods = optuna.distributions.CategoricalDistribution((0, 1))
    count = bits.shape[1]
    distributions: dict[str, optuna.distributions.BaseDistribution] = {f"k{i}": widths for i in range(count)}
    distributions |= {f"m{i}": methods for i in range(count) if np.ptp(absorb[:, i]) > 0}
    previous = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        study = optuna.create_study()
    finally:
        optuna.logging.set_verbosity(previous)
    for row, methods_of_row, value in zip(bits, absorb, drop, strict=True):
        params = {name: int((row if name[0] == "k" else methods_of_row)[int(name[1:])]) for name in distributions}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=float(value)))
    return study
