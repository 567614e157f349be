"""What the outputs of a network are worth: metrics against targets, shipped ones and functions of the user's own.

A metric is one number for all samples: a score, of which more is better, or an error, of which less is. A design's loss
is how much worse it is than int32, in percent of int32's number, whatever the metric's own unit.
"""

import importlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from dse.errors import StudyError
from nets.digests import digest

Floats = npt.NDArray[np.float64]
Targets = npt.NDArray[np.generic] | None
Function = Callable[[Floats, Floats, Targets], object]
Kind = Literal["score", "error"]

_RESAMPLES = 500  # of the samples; an end of a 95% interval is then good to about a tenth of its length


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a study.

    Attributes:
        name: as in the study file.
        kind: whether more of it is better (a score) or less (an error).
        sha256: SHA-256 of the file of a function of the user's own, hexadecimal; empty for shipped metrics.
    """

    name: str
    kind: Kind
    sha256: str = ""

    def measured(self, outputs: Floats, inputs: Floats, targets: Targets) -> "Measured":
        """Computes the metric of outputs.

        Args:
            outputs: real values, ``[samples, *shape]``.
            inputs: real values, ``[samples, *shape]``.
            targets: what the outputs are compared with, ``[samples, ...]``; None if the samples have none.

        Raises:
            StudyError: the metric has no such targets, or its function fails.
        """
        shipped = _SHIPPED.get(self.name)
        if shipped is not None:
            values = shipped.each(outputs, inputs, targets)
            return Measured(self, len(outputs), lambda at: shipped.together(values[at], _of(targets, at)))
        function = _own_function(self.name)
        given = _called(self.name, function, outputs, inputs, targets)
        if given.ndim:
            return Measured(self, len(outputs), lambda at: float(given[at].mean()))

        def again(at: npt.NDArray[np.intp]) -> float:
            number = _called(self.name, function, outputs[at], inputs[at], _of(targets, at))
            return float(number)

        return Measured(self, len(outputs), again)

    def loss(self, ours: float, baseline: float) -> float:
        """Returns how much worse a number is than int32's, percent of int32's; NaN if that is not above 0."""
        if not (baseline > 0 and math.isfinite(ours)):
            return math.nan
        return 100.0 * (ours / baseline - 1.0 if self.kind == "error" else 1.0 - ours / baseline)


@dataclass(frozen=True)
class Measured:
    """A metric of given outputs; ``of`` computes it of the samples at some indices, ``[drawn]``."""

    metric: Metric
    samples: int
    of: Callable[[npt.NDArray[np.intp]], float]

    @property
    def value(self) -> float:
        """The metric of all samples."""
        return self.of(np.arange(self.samples))


def loss_interval(ours: Measured, baseline: Measured) -> tuple[float, float]:
    """Computes the 95% percentile bootstrap interval of a loss over the samples, in pairs, with a fixed seed.

    Returns:
        Both ends, percent; NaN if int32's metric is not above 0 in some resample.
    """
    generator, losses = np.random.default_rng(0), []
    for _ in range(_RESAMPLES):
        at = generator.integers(0, ours.samples, ours.samples)
        losses.append(ours.metric.loss(ours.of(at), baseline.of(at)))
    low, high = np.quantile(losses, [0.025, 0.975])
    return float(low), float(high)


def metric_named(name: str, kind: Kind | None) -> Metric:
    """Returns the metric of a study file's ``data.metric`` and ``data.metric_kind``.

    Raises:
        StudyError: the function cannot be imported.
    """
    if name in _SHIPPED:
        return Metric(name, _SHIPPED[name].kind)
    _own_function(name)
    file = getattr(sys.modules[name.partition(":")[0]], "__file__", None)
    return Metric(name, kind or "score", digest(Path(file).read_bytes()).hex() if file else "")


@dataclass(frozen=True)
class _Shipped:
    kind: Kind
    each: Callable[[Floats, Floats, Targets], Floats]  # one value for every sample
    together: Callable[[Floats, Targets], float]


def _against_targets(outputs: Floats, inputs: Floats, targets: Targets) -> Floats:  # noqa: ARG001 -- one signature
    if targets is None:
        raise StudyError(
            'data.metric = "squared_error" needs target (or y) in data.samples: what the outputs should be'
        )
    if not _comparable(targets, outputs):
        raise StudyError(
            f"data.samples: target is {list(targets.shape[1:])} a sample, and the network's output "
            f"{list(outputs.shape[1:])}"
        )
    return _squared(outputs, targets.astype(np.float64))


def _against_inputs(outputs: Floats, inputs: Floats, targets: Targets) -> Floats:  # noqa: ARG001 -- one signature
    if not _comparable(inputs, outputs):
        raise StudyError(
            f"the network gives {list(outputs.shape[1:])} for {list(inputs.shape[1:])}; reconstruction_error and "
            "anomaly_auc are for autoencoders, which give back what they take"
        )
    return _squared(outputs, inputs)


def _comparable(values: npt.NDArray[np.generic], outputs: Floats) -> bool:
    """Returns whether samples have the outputs' shape but for sizes of 1, or as many elements in one dimension."""
    shapes = [tuple(size for size in each.shape[1:] if size > 1) for each in (values, outputs)]
    return shapes[0] == shapes[1] or (min(map(len, shapes)) <= 1 and values[0].size == outputs[0].size)


def _squared(values: Floats, others: Floats) -> Floats:
    errors: Floats = ((values.reshape(len(values), -1) - others.reshape(len(others), -1)) ** 2).mean(axis=1)
    return errors


def _mean(values: Floats, targets: Targets) -> float:  # noqa: ARG001 -- one signature
    return float(values.mean())


def area_under_curve(scores: Floats, targets: Targets) -> float:
    """Computes the area under the receiver operating characteristic of anomaly scores, 0 to 1.

    It is the probability that an anomaly scores higher than a normal sample, ties counting half (Hanley and McNeil,
    Radiology 143:29, 1982); NaN if there are no anomalies, or nothing else.

    Args:
        scores: one for each sample, ``[samples]``.
        targets: 1 for anomalies, 0 for normal samples, ``[samples]``.
    """
    from scipy.stats import rankdata  # here: reading a study does without it

    if targets is None or targets.ndim != 1 or not np.isin(targets, (0, 1)).all():
        raise StudyError(
            'data.metric = "anomaly_auc" needs y in data.samples: 1 for anomalies and 0 for normal samples'
        )
    anomalous = targets == 1
    positive, negative = int(anomalous.sum()), int((~anomalous).sum())
    if not positive or not negative:
        return math.nan
    above = float(rankdata(scores)[anomalous].sum()) - positive * (positive + 1) / 2
    return above / (positive * negative)


_SHIPPED = {  # the names are those of dse.study.values.SHIPPED_METRICS
    "squared_error": _Shipped("error", _against_targets, _mean),
    "reconstruction_error": _Shipped("error", _against_inputs, _mean),
    "anomaly_auc": _Shipped("score", _against_inputs, area_under_curve),
}


def _of(targets: Targets, at: npt.NDArray[np.intp]) -> Targets:
    return None if targets is None else targets[at]


def _own_function(name: str) -> Function:
    """Imports a function of the user's own, ``package.module:function``."""
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # importing runs any code of the user's, which may fail in any way
        raise StudyError(
            f"data.metric = {name!r} cannot be imported ({type(error).__name__}: {error}); install its package, or "
            "name its folder in PYTHONPATH"
        ) from error
    if not callable(function):
        raise StudyError(f"data.metric = {name!r} is no function")
    return function  # type: ignore[no-any-return]  # what it returns is checked when it is called


def _called(name: str, function: Function, outputs: Floats, inputs: Floats, targets: Targets) -> Floats:
    """Returns the number, or the numbers ``[samples]``, that a function of the user's own gives."""
    try:
        given = np.asarray(function(outputs, inputs, targets), np.float64)
    except Exception as error:  # any code of the user's
        raise StudyError(f"data.metric = {name!r} failed: {type(error).__name__}: {error}") from error
    if given.shape not in ((), (len(outputs),)):
        raise StudyError(
            f"data.metric = {name!r} gives {list(given.shape)}; it should give one number, or one for each of the "
            f"{len(outputs)} samples"
        )
    return given
