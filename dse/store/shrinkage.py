"""The accuracy drop that is expected of a design, from its right answers and its outputs on validation together.

The front of many designs by the drop on validation is a front of lucky ones: what is ahead on some hundred samples is
ahead on others by less. Other figures of the same outputs are less subject to this luck. A line through the drops of
all designs by such a figure says what a drop should be; the measured drop is moved towards it by as much as its
sampling variance outweighs the spread of true drops around the line (empirical Bayes; Efron and Morris, Journal of the
American Statistical Association 70 (1975) 311-319).

The figure is the sum of two estimates of the same increase of the cross-entropy over int32's: by the labels, and the
divergence, which is the increase if labels are drawn by int32's own probabilities. The first is lucky by about
``sqrt(2 divergence / samples)``; the second has no labels to be lucky with, and is as wrong as int32 is overconfident.

Untrained designs whose outputs are no worse than int32's lose nothing, so their line goes through the origin. What all
drops have in common beyond it is the luck of int32 itself, which every one of them is measured against. Training
changes what a network gets right, so trained designs have a line of their own, which may pass beside the origin, and
the cross-entropy alone: their divergence from int32 is no loss.
"""

import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dse.design import CROSS_ENTROPY, DIVERGENCE, DROP, Level, paired_counts, value_of
from dse.store.records import TrialRecord

_ROUNDS = 5  # of fitting a line and the spread around it in turn
_LEAST = 8  # designs of one level that a line is drawn through
_NEAR = 3.0  # largest cross-entropy above int32's of such a design, in units of its reference: some 15 points

Floats = npt.NDArray[np.float64]


def expected_drops(records: Mapping[int, TrialRecord], int32: TrialRecord | None) -> dict[int, float]:
    """Returns the accuracy drop that is expected of every design on other samples, percentage points.

    It is the measured one for int32, for designs that lose too much to matter or answered only a part of the samples,
    for levels of which there are too few designs, and without labels.

    Args:
        records: results by trial.
        int32: the result of int32; None if there is none yet.
    """
    drops = {number: value_of(record, DROP.name) for number, record in records.items()}
    if int32 is None:
        return drops
    by_level: dict[Level, list[int]] = defaultdict(list)
    for number, record in records.items():
        if record.fidelity is Level.PART:  # other samples than int32's, and never on the front
            continue
        near = value_of(record, CROSS_ENTROPY.name) <= _NEAR * CROSS_ENTROPY.reference  # never so without labels
        if near and math.isfinite(_predictor(record)):
            by_level[record.fidelity].append(number)
    for level, numbers in by_level.items():
        if len(numbers) < _LEAST:
            continue
        measured = np.array([drops[number] for number in numbers])
        predictor = np.array([_predictor(records[number]) for number in numbers])
        variances = np.array([_variance(records[number], int32) for number in numbers])
        moved = (shrunken if level.is_trained else shrunken_from_origin)(measured, predictor, variances)
        drops |= dict(zip(numbers, map(float, moved), strict=True))
    return drops


def shrunken(measured: Floats, predictor: Floats, variances: Floats) -> Floats:
    """Returns measurements moved towards a line of a predictor, each by its share of sampling variance.

    Args:
        measured: measurements with sampling errors, ``[designs]``.
        predictor: a quantity on which what is measured depends linearly but for a spread, ``[designs]``.
        variances: sampling variances of the measurements, ``[designs]``; one without variance stays as it is.
    """
    inputs = np.column_stack([np.ones(len(measured)), predictor])
    offset, slope = np.linalg.lstsq(inputs, measured, rcond=None)[0]
    line = offset + slope * predictor
    own = measured - line
    spread = max(float((_shown(own) - variances).mean()), 0.0)
    return np.where(variances > 0, line + _kept(np.full(len(own), spread), variances) * own, measured)


def shrunken_from_origin(measured: Floats, predictor: Floats, variances: Floats) -> Floats:
    """Returns the same if nothing is to be expected of a predictor of 0: the line goes through the origin.

    True values then spread around the line by a share of it: a small predictor leaves no room for a large value. Line
    and share are fitted in turn, each measurement with a weight of one over its whole variance. What the measurements
    have in common beyond the line is removed from all.

    Args:
        measured: as in :func:`shrunken`; likewise the others.
        predictor: likewise.
        variances: likewise.
    """
    inputs, varies = np.column_stack([np.ones(len(measured)), predictor]), variances > 0
    offset, slope = np.linalg.lstsq(inputs, measured, rcond=None)[0]
    share = 1.0
    for _ in range(_ROUNDS):
        line = slope * predictor
        weights = np.divide(1.0, variances + share * line**2, out=np.zeros(len(line)), where=varies)
        roots = np.sqrt(weights)
        offset, slope = np.linalg.lstsq(inputs * roots[:, None], measured * roots, rcond=None)[0]
        line = slope * predictor
        own, squares = measured - offset - line, (weights * line) ** 2
        whole = float((squares * line**2).sum())
        share = max(float((squares * (_shown(own) - variances)).sum()) / whole, 0.0) if whole > 0 else 0.0
    return np.where(varies, line + _kept(share * line**2, variances) * own, measured)


def _shown(own: Floats) -> Floats:
    """Returns the squared distances from a fitted line, less a standard error: what is kept too much is luck."""
    free = max(len(own) - 2, 1)
    shown: Floats = own**2 * len(own) / free * (1 - np.sqrt(2 / free))
    return shown


def _kept(spreads: Floats, variances: Floats) -> Floats:
    """Returns the share of a distance from the line that is no luck."""
    return np.divide(spreads, spreads + variances, out=np.ones(len(spreads)), where=variances > 0)


def _predictor(record: TrialRecord) -> float:
    """Returns the figure on which the drop depends, nats; NaN if it is not known."""
    entropy = value_of(record, CROSS_ENTROPY.name)
    return entropy if record.is_trained else entropy + value_of(record, DIVERGENCE.name)


def _variance(record: TrialRecord, int32: TrialRecord) -> float:
    """Returns the sampling variance of a drop, squared percentage points; in a portfolio the largest of any network.

    The discordance is the one seen, with one sample more: a few samples without any difference promise nothing. Only
    outputs that are int32's have no variance.
    """
    if _predictor(record) == 0 and value_of(record, DIVERGENCE.name) == 0:
        return 0.0
    theirs = dict(int32.by_member)
    counted = [paired_counts(theirs.get(name), answers) for name, answers in record.by_member]
    return max((_paired_variance(c.lost, c.gained, c.samples) for c in counted if c is not None), default=0.0)


def _paired_variance(lost: float, gained: float, samples: int) -> float:
    difference = (lost - gained) / samples
    return 1e4 * ((lost + gained + 1) / (samples + 2) - difference**2) / samples
