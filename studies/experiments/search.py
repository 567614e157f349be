"""Compares samplers by hypervolume against evaluations: docs/results/search-STUDY.md and .png.

    python -m studies.experiments.search studies/digits.toml --evaluations 200 --plain-evaluations 1000

The search space leaves a real decision: rounding only and no fine-tuning, so that a narrow multiplier costs accuracy.
Every design is evaluated on the same validation samples. All evaluations that a variant needs are counted, including
baselines and probes of its starts. A design that another run has already evaluated counts as an evaluation too, with
the time that it took.
"""

import time
from collections.abc import Mapping, Sequence
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

from dse.design import (
    DEFAULT_OBJECTIVES,
    Evaluation,
    Finetune,
    Job,
    TestScore,
    hypervolume,
    non_dominated,
    relative_costs,
    values_of,
)
from dse.evaluate import Evaluator
from dse.search import Driver, Progress, make_sampler
from dse.store import RunFolder, StudyStore
from dse.study import PreparedMember, PreparedStudy, Sampler, Study, load_study, prepare
from dse.workers import SerialPool
from nets.network import Method

SHARES = (0.90, 0.99)  # shares of the best hypervolume that all runs together reach
_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16)


@dataclass(frozen=True)
class Variant:
    """A way to search.

    Attributes:
        sampler: name of the sampler.
        baselines: whether uniform widths are evaluated first.
        starts: number of designs from sensitivity to start from.
    """

    sampler: Sampler
    baselines: bool = False
    starts: int = 0

    @property
    def name(self) -> str:
        """The name in tables and legends."""
        extras = [*(["uniform widths"] if self.baselines else []), *([f"{self.starts} starts"] if self.starts else [])]
        return " + ".join([self.sampler, *extras])

    @property
    def is_plain(self) -> bool:
        """Whether it is one of Optuna's samplers alone."""
        return self.sampler != "surrogate" and not self.baselines and not self.starts


PLAIN: tuple[Sampler, ...] = ("random", "nsga2", "tpe")


def variants(*, plain: bool, starts: int) -> tuple[Variant, ...]:
    """Returns Optuna's samplers alone, then TPE and the surrogate as in a study, without and with starts."""
    alone = tuple(Variant(sampler) for sampler in PLAIN if plain)
    extras = (0, starts) if starts else (0,)
    return (*alone, *(Variant(s, baselines=True, starts=n) for s in ("tpe", "surrogate") for n in extras))


@dataclass(frozen=True)
class Outcome:
    """The objectives of one evaluation, and the seconds since its run began, evaluations included."""

    values: tuple[float, ...]
    seconds: float


Run = tuple[Outcome, ...]


class Remembering:
    """Evaluates every design once for all runs; ``outcomes`` are those of the present run."""

    def __init__(self, study: PreparedStudy) -> None:
        self._evaluator = Evaluator(study)
        self._known: dict[str, Evaluation | TestScore] = {}
        self.start()

    def start(self) -> None:
        """Begins a run."""
        self.outcomes: list[Outcome] = []
        self._started = time.perf_counter()

    def run(self, job: Job) -> Evaluation | TestScore:
        """Evaluates a design or returns the earlier result; on the run's clock both take the same time."""
        key = f"{job.level} {job.point.to_json()}"
        if result := self._known.get(key):
            self._started -= result.seconds if isinstance(result, Evaluation) else 0.0
        else:
            self._known[key] = result = self._evaluator.run(job)
        if isinstance(result, Evaluation):
            seconds = time.perf_counter() - self._started
            self.outcomes.append(Outcome(values_of(result, DEFAULT_OBJECTIVES), seconds))
        return result


def run_variant(study: PreparedStudy, evaluator: Remembering, variant: Variant, evaluations: int, seed: int) -> Run:
    """Searches until so many evaluations are made, and returns them in order."""
    search = study.spec.search.model_copy(
        update={
            "sampler": variant.sampler,
            "starts": variant.starts,
            "uniform_multiplier_bits": _WIDTHS if variant.baselines else (),
        }
    )
    study = replace(study, spec=study.spec.model_copy(update={"search": search}))
    space = study.space
    store = StudyStore.create(optuna.storages.InMemoryStorage(), "search")
    store.use(make_sampler(search, space, seed), space)

    class EnoughError(Exception):
        pass

    def stop(_progress: Progress) -> None:
        if len(evaluator.outcomes) >= evaluations:
            raise EnoughError

    evaluator.start()
    with TemporaryDirectory() as folder:
        driver = Driver(study.spec, store, space, RunFolder(Path(folder)), SerialPool(lambda: evaluator), stop)
        with suppress(EnoughError):
            driver.run(evaluations)
    return tuple(evaluator.outcomes[:evaluations])


def curve(run: Run, baseline: Sequence[float]) -> np.ndarray:
    """Returns the hypervolume after every evaluation, ``[evaluations]``."""
    relative = relative_costs(np.array([outcome.values for outcome in run]), np.array(baseline))
    front, volumes = relative[:0], [0.0]
    for point in relative:
        if (front <= point).all(axis=1).any():
            volumes.append(volumes[-1])
            continue
        front = np.vstack([front[~(front >= point).all(axis=1)], point])
        volumes.append(hypervolume(front))
    return np.array(volumes[1:])


def judged(spec: Study) -> Study:
    """Returns the study with rounding only and no fine-tuning, which leaves a real decision."""
    search = spec.search.model_copy(update={"methods": (Method.ROUND,), "batch": None})
    fidelity = spec.fidelity.model_copy(update={"finetune": Finetune.NONE, "part": 1.0})
    return spec.model_copy(update={"search": search, "fidelity": fidelity})


def looked_at(study: PreparedStudy, samples: int | None) -> PreparedStudy:
    """Returns the study with fewer validation samples of each network, evenly spread over the split."""
    return study if samples is None else replace(study, members=tuple(_fewer(m, samples) for m in study.members))


def _fewer(member: PreparedMember, samples: int) -> PreparedMember:
    validation = member.splits.validation
    if samples >= len(validation):
        return member
    which = np.arange(samples) * len(validation) // samples
    splits = replace(member.splits, validation=validation.take(which))
    return replace(member, splits=splits, baseline_outputs=member.baseline_outputs[which])


def main(
    study: Annotated[Path, typer.Argument(help="study file")],
    evaluations: Annotated[
        int, typer.Option(min=10, help="evaluations of every variant that is not plain Optuna")
    ] = 200,
    plain_evaluations: Annotated[int, typer.Option(min=0, help="evaluations of plain Optuna; 0 omits it")] = 1000,
    starts: Annotated[int, typer.Option(min=0, help="designs to start from; 0 omits these variants")] = 24,
    seeds: Annotated[int, typer.Option(min=1, help="runs of every variant")] = 5,
    as_it_is: Annotated[bool, typer.Option(help="search the study's own space, with fine-tuning")] = False,
    samples: Annotated[int | None, typer.Option(min=1, help="validation samples [default: all]")] = None,
    out: Annotated[Path, typer.Option(help="folder for the page and the picture")] = Path("docs/results"),
) -> None:
    """Searches with every variant and seed, and writes the page and its picture."""
    spec = load_study(study) if as_it_is else judged(load_study(study))
    prepared = looked_at(prepare(spec), samples)
    evaluator = Remembering(prepared)
    runs: dict[Variant, list[Run]] = {v: [] for v in variants(plain=plain_evaluations > 0, starts=starts)}
    budgets = {variant: plain_evaluations if variant.is_plain else evaluations for variant in runs}
    todo = [(variant, seed) for variant in runs for seed in range(seeds)]
    for variant, seed in track(todo, "searching"):
        runs[variant].append(run_variant(prepared, evaluator, variant, budgets[variant], seed))
    every = {outcome.values for repeats in runs.values() for run in repeats for outcome in run}
    baseline = max(every, key=lambda values: values[1])  # int32
    union = np.array(sorted(every))
    best = hypervolume(relative_costs(union[non_dominated(union)], np.array(baseline)))
    curves = {v: np.array([curve(run, baseline) for run in repeats]) / best for v, repeats in runs.items()}
    clocks = {v: np.array([[outcome.seconds for outcome in run] for run in repeats]) for v, repeats in runs.items()}
    name = f"search-{spec.name}{'-finetuned' if as_it_is else ''}"
    out.mkdir(parents=True, exist_ok=True)
    draw(curves, clocks, out / f"{name}.png")
    command = f"python -m studies.experiments.search {study} --evaluations {evaluations}"
    command += f" --plain-evaluations {plain_evaluations} --starts {starts} --seeds {seeds}"
    command += (" --as-it-is" if as_it_is else "") + (f" --samples {samples}" if samples else "")
    head = [
        f"# Search quality: {spec.name}" + (", fine-tuned" if as_it_is else ""),
        "",
        f"`{command}`",
        "",
        "Share of the best known hypervolume after so many evaluations on "
        f"{len(prepared.members[0].baseline_outputs)} validation samples: median over seeds, and the worst seed.",
        f"The best known is that of all {len(every)} distinct outcomes of all runs together ({best:.4f}): finding "
        "more lowers the shares of all.",
        "The study's own space; every level that a design reaches is an evaluation."
        if as_it_is
        else "Round only, no fine-tuning, so that a narrow multiplier has its price.",
        "Evaluations count probes and baselines; no sampler proposes a design twice.",
        "To a share: evaluations of the median seed, and how many seeds get there within the evaluations of this page.",
        "The last share, if there is one, is what the best plain sampler ends with, in the median.",
        "Times: how many times as many the quickest plain sampler takes (no uniform widths, no starts) to that share.",
        "Seconds: a whole run, evaluations and sampler, on one shared processor core.",
        "Starts do not depend on the seed: until the last of them is evaluated, the seeds are one sample.",
        "",
    ]
    page = "\n".join([*head, *table(curves, clocks), "", f"![hypervolume against evaluations]({name}.png)", ""])
    (out / f"{name}.md").write_text(page, encoding="utf-8")


def table(curves: Mapping[Variant, np.ndarray], clocks: Mapping[Variant, np.ndarray]) -> list[str]:
    """Returns the lines of the table in Markdown."""
    lengths = {reached.shape[1] for reached in curves.values()}
    marks = sorted({n for n in (50, 100, 200, 400, 1000, 2000, 4000) if n < max(lengths)} | lengths)
    titles = ["variant", *map(str, marks)]
    plains = [reached for variant, reached in curves.items() if variant.is_plain]
    ends = [float(np.median(reached[:, -1])) for reached in plains]
    shares = (*SHARES, *([max(ends)] if ends else []))
    for share in shares:
        titles += [f"to {share:.1%}".replace(".0%", "%"), "times"]
    rows = [f"| {' | '.join([*titles, 'evaluations', 'seconds'])} |", "|---" * (len(titles) + 2) + "|"]
    quickest = {share: min((median_to(reached, share) for reached in plains), default=np.nan) for share in shares}
    plain = max((reached.shape[1] for reached in plains), default=0)
    for variant, reached in curves.items():
        cells = [variant.name]
        cells += [
            f"{np.median(reached[:, n - 1]):.3f} ({reached[:, n - 1].min():.3f})" if n <= reached.shape[1] else ""
            for n in marks
        ]
        for share in shares:
            cells += [_reaches(reached, share), _times(median_to(reached, share), quickest[share], plain)]
        cells += [str(reached.shape[1]), f"{np.median(clocks[variant][:, -1]):.0f}"]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def median_to(reached: np.ndarray, share: float) -> float:
    """Returns the evaluations of the median seed to a share; infinite if fewer than half of the seeds reach it."""
    return float(np.median([np.argmax(row >= share) + 1 if (row >= share).any() else np.inf for row in reached]))


def _reaches(reached: np.ndarray, share: float) -> str:
    count, median = int((reached >= share).any(axis=1).sum()), median_to(reached, share)
    return f"{f'{median:.0f}' if np.isfinite(median) else f'over {reached.shape[1]}'} ({count}/{len(reached)})"


def _times(own: float, quickest: float, plain: int) -> str:
    """Returns the quickest plain sampler's evaluations over the variant's own, or a lower bound of this ratio."""
    if not np.isfinite(own) or np.isnan(quickest):
        return ""
    return f"{quickest / own:.1f}" if np.isfinite(quickest) else f"over {plain / own:.1f}"


def draw(curves: Mapping[Variant, np.ndarray], clocks: Mapping[Variant, np.ndarray], path: Path) -> None:
    """Draws median and range over seeds against evaluations, and the median against seconds."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained", sharey=True)
    for number, (variant, reached) in enumerate(curves.items()):
        median = np.median(reached, axis=0)
        style = "-" if variant.is_plain else "--" if variant.sampler == "tpe" else "-."
        (line,) = left.plot(np.arange(1, reached.shape[1] + 1), median, style, color=f"C{number}", label=variant.name)
        low, high = reached.min(axis=0), reached.max(axis=0)
        left.fill_between(line.get_xdata(), low, high, color=line.get_color(), alpha=0.08, linewidth=0)
        right.plot(np.median(clocks[variant], axis=0), median, style, color=line.get_color())
    for axes in (left, right):
        axes.axhline(SHARES[-1], color="0.6", linewidth=0.8, linestyle=":")
        axes.set(ylim=(0.5, 1.005), xscale="log")
    left.set(xlabel="evaluations", ylabel="share of the best known hypervolume", xlim=(10, None))
    right.set(xlabel="seconds, evaluations and sampler", xlim=(1, None))
    figure.legend(frameon=False, fontsize=9, ncols=4, loc="outside lower center")
    figure.savefig(path, dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    typer.run(main)
