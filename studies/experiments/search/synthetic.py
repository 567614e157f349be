"""A search space of 62 rescalers whose truth is known: accuracy and costs of every design in closed form.

A network's rescalers disturb the margin by which it classifies a sample. Rescaler ``i`` at a width with relative error
``e`` adds a random part of variance ``(s_i e)^2``, so that variances add up over the rescalers, and a systematic part
``u_i e`` in each of a few directions, which those of other rescalers enlarge or cancel: that is the interaction. The
error of a width is about ``2**-b``, times a factor of its own, because a constant may happen to be nearly
representable: accuracy is not monotone in the width. Sensitivities are log-normal and partly shared by the kind of
layer. A margin is normal, so that the accuracy of the whole population has a closed form; a study sees some hundred
samples, each with disturbances of its own. Areas and energies are sums over the rescalers, each a quadratic function of
its width as synthesized rescalers are, with outputs and lanes that differ from layer to layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, ndtr

from dse.design import Finetune, FloatMatrix, RescalerVariable, SearchSpace, bits_key, hypervolume
from dse.search import Factors
from nets.network import Method
from studies.experiments.search.problem import Seen

Rows = npt.NDArray[np.intp]  # index into WIDTHS of every rescaler, [designs, rescalers]

WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 31)
RESCALERS = 62
SAMPLES = 400
_KINDS = ("conv", "depthwise", "add")
_DIRECTIONS = 3
_BASELINE = 1.6  # mean margin of int32 in standard deviations: 94.5% of the samples are right


@dataclass(frozen=True)
class Synthetic:
    """One drawn problem.

    Attributes:
        seed: of everything that is drawn.
        rescalers: number of rescalers.
        samples: number of validation samples.
    """

    seed: int = 0
    rescalers: int = RESCALERS
    samples: int = SAMPLES

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the rescalers."""
        return tuple(f"{_KINDS[at % len(_KINDS)]}_{at}" for at in range(self.rescalers))

    @cached_property
    def space(self) -> SearchSpace:
        """The search space: a width per rescaler, rounding only, nothing trained."""
        variables = tuple(RescalerVariable(name, WIDTHS, (Method.ROUND,)) for name in self.names)
        return SearchSpace(variables, (Finetune.NONE,))

    @property
    def name(self) -> str:
        """Name in tables and files; every seed is a problem of its own."""
        return f"synthetic-{self.rescalers}-{self.seed}"

    def uniform(self) -> list[dict[str, str | int]]:
        """Returns the uniform widths, int32 first."""
        designs = (self.space.uniform(width, Method.ROUND, Finetune.NONE) for width in reversed(WIDTHS))
        return [self.space.parameters(design) for design in designs]

    def prices(self, factors: Factors) -> FloatMatrix:
        """Returns the costs of every value, which is a width."""
        most = max(len(factor.values) for factor in factors.factors)
        return self.costs[:, :, :most]

    def evaluate(self, parameters: Mapping[str, str | int]) -> Seen:
        """Evaluates a design."""
        row = np.array([WIDTHS.index(int(parameters[bits_key(name)])) for name in self.names])
        _, loss, divergence = self.seen(row)
        area, energy = self.relative_costs(row[None])[0]
        return Seen(loss, divergence, (float(area), float(energy)), float(self.true_drops(row[None])[0]))

    @cached_property
    def attainable(self) -> float:
        """Hypervolume of the front of all designs, about."""
        rows = self.ideal()
        return hypervolume(np.column_stack([self.true_drops(rows), self.relative_costs(rows)]))

    @cached_property
    def costs(self) -> npt.NDArray[np.float64]:
        """Area and energy of every rescaler at every width as shares of int32's, ``[2, rescalers, widths]``."""
        generator = np.random.default_rng((self.seed, 1))
        bits = np.array(WIDTHS, dtype=np.float64)
        one = np.array([22.0 + 8.6 * bits + 0.01 * bits**2, 12.0 + 12.0 * bits + 0.22 * bits**2])
        size = np.exp(generator.normal(0.0, (0.3, 0.5), size=(self.rescalers, 2))).T
        whole = size[:, :, None] * one[:, None, :]
        shares: npt.NDArray[np.float64] = whole / whole[:, :, -1].sum(axis=1)[:, None, None]
        return shares

    @cached_property
    def errors(self) -> FloatMatrix:
        """Relative error of every rescaler at every width, ``[rescalers, widths]``."""
        generator = np.random.default_rng((self.seed, 2))
        luck: FloatMatrix = np.exp(generator.normal(0.0, 0.3, size=(self.rescalers, len(WIDTHS))))
        return np.exp2(-np.array(WIDTHS, dtype=np.float64)) * luck

    @cached_property
    def sensitivities(self) -> npt.NDArray[np.float64]:
        """Standard deviation of the disturbance per relative error, ``[rescalers]``."""
        generator = np.random.default_rng((self.seed, 3))
        kinds = generator.normal(0.0, 0.3, size=len(_KINDS))[np.arange(self.rescalers) % len(_KINDS)]
        return 0.25 * np.exp(kinds + generator.normal(0.0, 0.5, size=self.rescalers))

    @cached_property
    def _systematic(self) -> FloatMatrix:
        """Systematic disturbance per relative error, ``[rescalers, directions]``."""
        generator = np.random.default_rng((self.seed, 4))
        return 0.25 * self.sensitivities[:, None] * generator.normal(size=(self.rescalers, _DIRECTIONS))

    @cached_property
    def _margins(self) -> npt.NDArray[np.float64]:
        generator = np.random.default_rng((self.seed, 5))
        return _BASELINE + generator.normal(size=self.samples)

    @cached_property
    def _disturbances(self) -> npt.NDArray[np.float64]:
        """Random disturbance of every sample, ``[rescalers, widths, samples]``."""
        generator = np.random.default_rng((self.seed, 6))
        drawn = generator.normal(size=(self.rescalers, len(WIDTHS), self.samples))
        return drawn * (self.sensitivities[:, None] * self.errors)[:, :, None]

    def relative_costs(self, rows: Rows) -> FloatMatrix:
        """Returns area and energy as shares of int32's, ``[designs, 2]``."""
        summed: FloatMatrix = self.costs[:, np.arange(self.rescalers), rows].sum(axis=2).T
        return summed

    def _shift(self, rows: Rows) -> npt.NDArray[np.float64]:
        """Returns the systematic loss of margin, ``[designs]``: the length of the sum of all directions."""
        error = self.errors[np.arange(self.rescalers), rows]
        length: npt.NDArray[np.float64] = np.sqrt(((error @ self._systematic) ** 2).sum(axis=1))
        return length

    def true_drops(self, rows: Rows) -> npt.NDArray[np.float64]:
        """Returns the drop of accuracy in the whole population, pp, ``[designs]``."""
        each = (self.sensitivities[:, None] * self.errors)[np.arange(self.rescalers), rows]
        spread = np.sqrt(1.0 + (each**2).sum(axis=1))
        drop: npt.NDArray[np.float64] = 100.0 * (ndtr(_BASELINE) - ndtr((_BASELINE - self._shift(rows)) / spread))
        return drop

    def seen(self, row: npt.NDArray[np.intp]) -> tuple[float, float, float]:
        """Returns drop (pp), increase of the cross-entropy and divergence from int32 (nats) on the validation samples.

        The confidence in the right class is the normal distribution function of twice the margin.
        """
        moved = self._disturbances[np.arange(self.rescalers), row].sum(axis=0)
        margins = self._margins - self._shift(row[None])[0] - moved
        drop = 100.0 * float(np.mean(self._margins > 0) - np.mean(margins > 0))
        right, wrong = (
            log_ndtr(2 * self._margins) - log_ndtr(2 * margins),
            log_ndtr(-2 * self._margins) - log_ndtr(-2 * margins),
        )
        sure = ndtr(2 * self._margins)
        return drop, float(right.mean()), float((sure * right + (1 - sure) * wrong).mean())

    def ideal(self) -> Rows:
        """Returns designs of the front of all designs, about.

        Weighted sums of drop and costs are minimised by changing one rescaler at a time to its best width until no
        change helps, from the design that is best if the drop is a sum over the rescalers.
        """
        each = np.arange(self.rescalers)
        share = (self.sensitivities[:, None] * self.errors) ** 2
        found = []
        for weight in (0.0, 0.25, 0.5, 0.75, 1.0):
            costs = (1 - weight) * self.costs[0] + weight * self.costs[1]
            for exchange in np.geomspace(2.0, 3000.0, 24):  # pp for int32's costs
                best = (30.0 * share + exchange * costs).argmin(axis=1)
                for _ in range(3):
                    before = best
                    for at in each:
                        rows = np.repeat(best[None], len(WIDTHS), axis=0)
                        rows[:, at] = np.arange(len(WIDTHS))
                        best = rows[(self.true_drops(rows) + exchange * costs[each, rows].sum(axis=1)).argmin()]
                    if (best == before).all():
                        break
                found.append(best)
        return np.unique(np.array(found), axis=0)
