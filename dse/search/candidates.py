"""Designs that may be worth an evaluation: those that a sum of losses and costs favours, and changes of good ones."""

import numpy as np

from dse.design import FloatMatrix
from dse.search.factors import Rows

_CHANGES = (1, 1, 2, 3, 6)  # number of factors in which a candidate differs from its parent, drawn evenly
_FAR = 0.3  # share of the changes to any value instead of one of about the same cost
_EXCHANGE = 1e-2, 1e3  # what int32's costs are worth, in units of the loss's reference


def favoured(effects: FloatMatrix, costs: FloatMatrix, sizes: Rows, count: int, generator: np.random.Generator) -> Rows:
    """Returns designs that minimise weighted sums of loss and costs, ``[at most count, factors]``.

    Losses and costs are sums over the factors, so that every factor is chosen alone: this is the convex part of the
    front of all designs, exactly.

    Args:
        effects: the loss by every value, ``[factors, values]``.
        costs: every cost by every value, ``[columns, factors, values]``.
        sizes: number of allowed values, ``[factors]``.
        count: number of weights, drawn at random.
        generator: draws them.
    """
    weights = generator.dirichlet(np.ones(len(costs)), size=count)
    exchange = np.exp(generator.uniform(np.log(_EXCHANGE[0]), np.log(_EXCHANGE[1]), size=(count, 1)))
    forbidden = np.where(np.arange(effects.shape[1]) < sizes[:, None], 0.0, np.inf)
    prices = np.tensordot(weights * exchange, costs, axes=1)
    rows: Rows = (prices + (effects + forbidden)).argmin(axis=2)
    return rows


def changed(parents: Rows, costs: FloatMatrix, sizes: Rows, count: int, generator: np.random.Generator) -> Rows:
    """Returns ``count`` designs that differ from one of ``parents`` in a few factors.

    A factor changes to one of the two values next to its own in order of the cost, or to any.

    Args:
        parents: designs inside the space, ``[parents, factors]``.
        costs: a cost by every value, ``[factors, values]``.
        sizes: number of allowed values, ``[factors]``.
        count: number of designs.
        generator: draws them.
    """
    rows = parents[generator.integers(len(parents), size=count)].copy()
    free = np.flatnonzero(sizes > 1)
    padded = np.where(np.arange(costs.shape[1]) < sizes[:, None], costs, np.inf)
    order = padded.argsort(axis=1, kind="stable")
    place = order.argsort(axis=1)
    shuffled = free[generator.random((count, len(free))).argsort(axis=1)]
    chosen = np.arange(len(free)) < generator.choice(_CHANGES, size=(count, 1))
    at, which = np.nonzero(chosen)[0], shuffled[chosen]
    near = place[which, rows[at, which]] + generator.choice((-2, -1, 1, 2), size=len(which))
    stepped = order[which, np.clip(near, 0, sizes[which] - 1)]
    far = generator.random(len(which)) < _FAR
    rows[at, which] = np.where(far, generator.integers(sizes[which]), stepped)
    return rows
