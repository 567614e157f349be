"""Hypervolume against evaluations, of samplers alone and with starts that know the problem.

    python -m dse.experiments.search studies/digits.toml --evaluations 200 --seeds 5

writes docs/results/search-<study>.md and .png. Judged on a space with a real decision: weights frozen (round only, no
fine-tuning), so that a narrow multiplier has its price. Every design is evaluated on the whole validation split.
Evaluations are counted with everything that a variant needs: probes of its starts and baselines included.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import matplotlib.pyplot as plt
import numpy as np
import optuna
import typer
from rich.progress import track

from dse.driver import Driver, Progress
from dse.evaluation import Evaluation, Evaluator, Job, TestScore
from dse.metrics import DEFAULT_OBJECTIVES, values_of
from dse.pareto import hypervolume, relative_costs
from dse.problem import Problem, prepare
from dse.run_folder import RunFolder
from dse.sampler import make_sampler
from dse.space import space_of
from dse.spec import Finetune, StudySpec, load_study
from dse.storage import StudyStore
from dse.workers import SerialPool
from nets.network import Method

SHARES = (0.90, 0.99)  # of the best hypervolume that all runs together reach
_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16)


@dataclass(frozen=True)
class Variant:
    """A way to search: Optuna's sampler, uniform widths first or not, starts from sensitivity or none."""

    sampler: str
    baselines: bool
    starts: int

    @property
    def name(self) -> str:
        """For tables and legends."""
        extras = [*(["uniform widths"] if self.baselines else []), *([f"{self.starts} starts"] if self.starts else [])]
        return " + ".join([self.sampler, *extras])


VARIANTS = (
    Variant("random", baselines=False, starts=0),
    Variant("nsga2", baselines=False, starts=0),
    Variant("tpe", baselines=False, starts=0),
    Variant("tpe", baselines=True, starts=0),
    Variant("tpe", baselines=True, starts=16),
    Variant("tpe", baselines=True, starts=24),
    Variant("tpe", baselines=True, starts=48),
)


class Remembering:
    """Evaluates every design once for all runs, and keeps when which design was asked for."""

    def __init__(self, problem: Problem) -> None:
        self._evaluator = Evaluator(problem)
        self._known: dict[str, Evaluation | TestScore] = {}
        self.asked: list[tuple[float, ...]] = []

    def run(self, job: Job) -> Evaluation | TestScore:
        """Evaluate, or remember."""
        key = f"{job.level} {job.point.to_json()}"
        if key not in self._known:
            self._known[key] = self._evaluator.run(job)
        found = self._known[key]
        if isinstance(found, Evaluation):
            self.asked.append(values_of(found, DEFAULT_OBJECTIVES))
        return found


@dataclass(frozen=True)
class Run:
    """One search: the objectives of its evaluations in order, and the seconds it took beside evaluating."""

    variant: Variant
    values: tuple[tuple[float, ...], ...]
    seconds: float


def run_variant(problem: Problem, evaluator: Remembering, variant: Variant, evaluations: int, seed: int) -> Run:
    """Search until so many evaluations were made."""
    search = problem.spec.search.model_copy(
        update={
            "sampler": variant.sampler,
            "starts": variant.starts,
            "uniform_multiplier_bits": _WIDTHS if variant.baselines else (),
        }
    )
    problem = replace(problem, spec=problem.spec.model_copy(update={"search": search}))
    space = space_of(problem.network, search, problem.spec.fidelity.finetune)
    store = StudyStore.create_or_load(optuna.storages.InMemoryStorage(), "search")
    store.use(make_sampler(search, space, seed), space)
    evaluator.asked = []
    started = time.perf_counter()

    class EnoughError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if len(evaluator.asked) >= evaluations:
            raise EnoughError

    with TemporaryDirectory() as folder:
        driver = Driver(problem, store, space, RunFolder(Path(folder)), SerialPool(lambda: evaluator), stop)
        with suppress(EnoughError):
            driver.run(evaluations)
    return Run(variant, tuple(evaluator.asked[:evaluations]), time.perf_counter() - started)


def curve(run: Run, baseline: tuple[float, ...]) -> np.ndarray:
    """Hypervolume after every evaluation, ``[evaluations]``."""
    relative = relative_costs(np.array(run.values), np.array(baseline))
    return np.array([hypervolume(relative[: n + 1]) for n in range(len(relative))])


def judged(spec: StudySpec) -> StudySpec:
    """The study on a space with a real decision: round only, no fine-tuning."""
    search = spec.search.model_copy(update={"methods": (Method.ROUND,), "batch": None})
    fidelity = spec.fidelity.model_copy(update={"finetune": Finetune.NONE, "part": 1.0})
    return spec.model_copy(update={"search": search, "fidelity": fidelity})


def main(
    study: Annotated[Path, typer.Argument(help="study file")],
    evaluations: Annotated[int, typer.Option(min=10)] = 200,
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    out: Annotated[Path, typer.Option(help="folder for the page and the picture")] = Path("docs/results"),
) -> None:
    """Search with every variant and seed, and write the curves."""
    spec = judged(load_study(study))
    problem = prepare(spec)
    evaluator = Remembering(problem)
    todo = [(variant, seed) for variant in VARIANTS for seed in range(seeds)]
    runs = [run_variant(problem, evaluator, v, evaluations, seed) for v, seed in track(todo, "searching")]
    baseline = max((values for run in runs for values in run.values), key=lambda values: values[1])  # int32
    union = np.array(sorted({values for run in runs for values in run.values}))
    best = hypervolume(relative_costs(union, np.array(baseline)))
    curves = {v: np.array([curve(run, baseline) for run in runs if run.variant == v]) / best for v in VARIANTS}
    seconds = {v: float(np.median([run.seconds for run in runs if run.variant == v])) for v in VARIANTS}
    out.mkdir(parents=True, exist_ok=True)
    picture = out / f"search-{spec.name}.png"
    draw(curves, picture)
    command = f"python -m dse.experiments.search {study} --evaluations {evaluations} --seeds {seeds}"
    page = table(curves, seconds, best, len(union), command, picture.name)
    (out / f"search-{spec.name}.md").write_text(page, encoding="utf-8")


def table(
    curves: dict[Variant, np.ndarray],
    seconds: dict[Variant, float],
    best: float,
    designs: int,
    command: str,
    picture: str,
) -> str:
    """The page, in Markdown."""
    length = next(iter(curves.values())).shape[1]
    marks = [n for n in (25, 50, 100, 200, 400, 800) if n <= length]
    rows = [
        f"| {variant.name} | "
        + " | ".join(f"{np.median(found[:, n - 1]):.3f} ({found[:, n - 1].min():.3f})" for n in marks)
        + "".join(f" | {_reaches(found, share)}" for share in SHARES)
        + f" | {seconds[variant]:.0f} |"
        for variant, found in curves.items()
    ]
    return "\n".join(
        [
            "# Search quality",
            "",
            f"`{command}`",
            "",
            "Share of the best known hypervolume after so many evaluations: median over seeds, and the worst seed.",
            f"The best known is that of all {designs} distinct outcomes of all runs together ({best:.4f}).",
            "Round only, no fine-tuning; evaluations count probes and baselines; no sampler proposes a design twice.",
            "To a share: evaluations, median of the seeds that get there, and how many do.",
            "Starts do not depend on the seed: until the last of them is evaluated, five seeds are one sample.",
            "",
            "| variant | " + " | ".join([*map(str, marks), *(f"to {share:.0%}" for share in SHARES), "seconds"]) + " |",
            "|---|" + "---|" * (len(marks) + len(SHARES) + 1),
            *rows,
            "",
            f"![hypervolume against evaluations]({picture})",
            "",
        ]
    )


def _reaches(found: np.ndarray, share: float) -> str:
    first = [int(np.argmax(row >= share)) + 1 for row in found if (row >= share).any()]
    return f"{np.median(first):.0f} ({len(first)}/{len(found)})" if first else f"never (0/{len(found)})"


def draw(curves: dict[Variant, np.ndarray], path: Path) -> None:
    """Median and range over seeds."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for variant, found in curves.items():
        at = np.arange(1, found.shape[1] + 1)
        (line,) = axes.plot(at, np.median(found, axis=0), label=variant.name)
        axes.fill_between(at, found.min(axis=0), found.max(axis=0), color=line.get_color(), alpha=0.12, linewidth=0)
    axes.axhline(SHARES[-1], color="0.6", linewidth=0.8, linestyle=":")
    axes.set(xlabel="evaluations", ylabel="share of the best known hypervolume", ylim=(0.6, 1.005), xscale="log")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    typer.run(main)
