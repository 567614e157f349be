"""Measures what proposals made together cost: evaluations with many in flight beside those with one.

    python -m studies.experiments.search.in_flight --workers 64 --seeds 3

On the space of 62 rescalers whose truth is known, results come in the order of the proposals, as soon as so many are in
flight. For every seed it prints how many evaluations reach what one at a time reaches after 150, and their ratio. The
uniform designs are evaluated first, and count.
"""

from typing import Annotated

import numpy as np
import optuna
import typer

from dse.design import DIVERGENCE, hypervolume
from dse.search import Beforehand, Factors, SurrogateSampler
from studies.experiments.search.problem import OBJECTIVES
from studies.experiments.search.synthetic import Synthetic


def curve(seed: int, evaluations: int, in_flight: int) -> list[float]:
    """Returns the hypervolume of the true drops after every evaluation of a search."""
    problem = Synthetic(seed)
    known = Beforehand(problem.samples, problem.prices(Factors(problem.space)))
    sampler = SurrogateSampler(problem.space, OBJECTIVES, seed, known)
    study = optuna.create_study(directions=["minimize"] * len(OBJECTIVES), sampler=sampler)
    space, points, volumes = dict(problem.space.distributions), [], []
    waiting: list[optuna.Trial] = []
    for parameters in problem.uniform():
        study.enqueue_trial(parameters)

    def finish() -> None:
        trial = waiting.pop(0)
        seen = problem.evaluate(trial.params)
        trial.set_user_attr(DIVERGENCE.name, seen.divergence)
        study.tell(trial, (seen.loss, *seen.costs))
        points.append((seen.test_drop, *seen.costs))
        volumes.append(hypervolume(np.array(points)))

    for number in range(evaluations):
        waiting.append(study.ask(space))
        if number < len(problem.uniform()) or len(waiting) >= in_flight:
            finish()
    while waiting:
        finish()
    return volumes


def main(
    workers: Annotated[int, typer.Option(min=2, help="evaluations in flight")] = 64,
    evaluations: Annotated[int, typer.Option(min=20, help="evaluations one at a time")] = 150,
    seeds: Annotated[int, typer.Option(min=1, help="runs")] = 3,
) -> None:
    """Prints the evaluations that reach the same, and their ratio."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for seed in range(seeds):
        reached = curve(seed, evaluations, 1)[-1]
        together = np.array(curve(seed, int(1.6 * evaluations), workers))
        needed = int(np.argmax(together >= reached)) + 1 if (together >= reached).any() else len(together) + 1
        bound = "" if (together >= reached).any() else "more than "
        typer.echo(
            f"seed {seed}: {evaluations} one at a time, {bound}{needed} with {workers} in flight: "
            f"{bound}{needed / evaluations:.2f} times"
        )


if __name__ == "__main__":
    typer.run(main)
