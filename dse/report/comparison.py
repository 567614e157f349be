"""Several studies side by side: volumes with their uncertainty, coverage, and verdicts if they are significant."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.stats import mannwhitneyu

from dse.design import DEFAULT_OBJECTIVES, hypervolume, relative_costs
from dse.report.recommendations import Recommendation, recommendation
from dse.store import StudyFacts, StudyResults
from dse.verdict import Choice, choices

SIGNIFICANCE = 0.05
LEAST_REPEATS = 4  # 4 against 4 runs is the fewest for which an exact rank test can fall below 0.05

_COST_FILES = ("hardware.technology", "hardware.rtl")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One study of a comparison.

    Attributes:
        label: unique name.
        front: designs of its front, cheapest first.
        volume: hypervolume of the validation front, with costs as multiples of the first run's int32.
        test_volume_low: hypervolume with every test drop at the upper end of its interval (NaN if not all are scored).
        test_volume_high: with every test drop at the lower end.
    """

    label: str
    results: StudyResults
    rec: Recommendation
    front: list[Choice]
    volume: float
    test_volume_low: float
    test_volume_high: float


@dataclass(frozen=True)
class Verdict:
    """What the data show about two runs, or two groups of repeated runs, each given by its label.

    Attributes:
        better: the label with the better front, or None if the data do not decide.
    """

    first: str
    second: str
    better: str | None
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Everything that a comparison shows.

    Attributes:
        runs: in the order given.
        coverage: ``[a, b]`` share of b's front that some design of a's equals or beats in every objective.
        verdicts: one per pair of runs, or of groups if studies were repeated.
        obstacles: why fronts cannot be compared, in words; there are no verdicts then.
        cautions: what a reader should know.
    """

    runs: tuple[Run, ...]
    coverage: Floats
    verdicts: tuple[Verdict, ...]
    obstacles: tuple[str, ...]
    cautions: tuple[str, ...]

    @property
    def rescalers(self) -> tuple[str, ...]:
        """Rescalers that every run has, in the first run's order."""
        shared = set.intersection(*(set(run.results.rescalers) for run in self.runs))
        return tuple(name for name in self.runs[0].results.rescalers if name in shared)


def comparison(studies: list[StudyResults]) -> Comparison:
    """Compares studies; all costs are multiples of the first one's int32.

    Raises:
        ValueError: fewer than two studies.
    """
    if len(studies) < 2:
        raise ValueError(f"a comparison needs at least two studies, got {len(studies)}")
    unit = _int32_costs(studies)
    runs = tuple(_run(label, results, unit) for label, results in zip(_labels(studies), studies, strict=True))
    obstacles = tuple(_obstacles(studies))
    return Comparison(
        runs=runs,
        coverage=np.array([[covered(a.front, b.front) for b in runs] for a in runs]),
        verdicts=() if obstacles else tuple(_verdicts(runs)),
        obstacles=obstacles,
        cautions=tuple(_cautions(runs)),
    )


def covered(first: list[Choice], second: list[Choice]) -> float:
    """Computes the share of the second front that designs of the first equal or beat in all objectives.

    Returns:
        The share (0..1); NaN if the second front is empty.
    """
    if not second:
        return float("nan")
    points = np.array([c.objectives for c in first]).reshape(-1, 3)
    return float(np.mean([bool((points <= c.objectives).all(axis=1).any()) for c in second]))


def _labels(studies: list[StudyResults]) -> list[str]:
    names = [results.facts.study for results in studies]
    repeated = {name for name, count in Counter(names).items() if count > 1}
    seen: Counter[str] = Counter()
    labels = []
    for name, results in zip(names, studies, strict=True):
        seen[name] += 1
        seed = results.facts.provenance.get("seed")
        labels.append(f"{name} #{seen[name]}" + (f", seed {seed}" if seed else "") if name in repeated else name)
    return labels


def _int32_costs(studies: list[StudyResults]) -> Floats:
    """Returns the objectives of the first int32 baseline, ``[3]``; NaN if no study has one."""
    baselines = (choice.objectives for results in studies for choice in choices(results, results.int32))
    return np.array(next(baselines, (np.nan,) * 3))


def _run(label: str, results: StudyResults, unit: Floats) -> Run:
    front = choices(results, results.front)
    unknown = [float("nan")]  # an empty front has no test volume
    return Run(
        label=label,
        results=results,
        rec=recommendation(results),
        front=front,
        volume=_volume(front, [c.val_loss for c in front], unit),
        test_volume_low=_volume(front, [c.ci_high for c in front] or unknown, unit),
        test_volume_high=_volume(front, [c.ci_low for c in front] or unknown, unit),
    )


def _volume(front: list[Choice], drops: list[float], unit: Floats) -> float:
    """Computes the hypervolume of a front with these drops (pp); NaN if one of them or the unit is not known."""
    if np.isnan([*drops, *unit]).any():
        return float("nan")
    values = np.array([(drop, c.area_um2, c.energy_nj) for drop, c in zip(drops, front, strict=True)])
    return hypervolume(relative_costs(values, unit), (front[0].loss.name, *DEFAULT_OBJECTIVES[1:])) if front else 0.0


def _obstacles(studies: list[StudyResults]) -> list[str]:
    """Returns the facts that differ and must agree for fronts to be on one scale."""
    facts = [results.facts for results in studies]
    compared = {
        "data": [f"{f.dataset}, {f.samples.get('test', 0)} test samples" for f in facts],
        "objectives": [", ".join(f.objectives) for f in facts],
        "accelerator style": [f.style for f in facts],
        "architecture": [f.architecture for f in facts],
        "lanes": [str(f.lanes) for f in facts],
        "accelerator": [f.accelerator for f in facts],
        "order of outputs": [f.output_order for f in facts],
        "clock": [_clock(f) for f in facts],
        "cost model": [f"{f.objective_cost.model} with {f.objective_cost.technology}" for f in facts],
        "hardware files": [_hardware_files(f) for f in facts],
    }
    obstacles = [f"{what}: {values}" for what, values in _differing(compared)]
    if all(results.int32.empty for results in studies):
        obstacles.append("no run has a complete int32 baseline, so costs have no unit")
    return obstacles


def _clock(facts: StudyFacts) -> str:
    if facts.clock_mhz is None:
        return "none"
    return f"{facts.clock_mhz:g} MHz, {'gated' if facts.clock_gating else 'not gated'}"


def _hardware_files(facts: StudyFacts) -> str:
    """Returns digests of the technology table and the user's RTL: of two tables of one name, figures may differ."""
    return ", ".join(text[:12] for key, text in facts.provenance.items() if key.startswith(_COST_FILES))


def _cautions(runs: tuple[Run, ...]) -> list[str]:
    cautions = [f"{run.label} is not finished." for run in runs if not run.results.facts.complete]
    compared = {
        "network": [run.results.facts.network for run in runs],
        "weight bits": [run.results.facts.weight_bits for run in runs],
        "contract": [run.results.facts.contract for run in runs],
    }
    return cautions + [
        f"The runs differ in {what} ({values}): every drop is against the run's own int32."
        for what, values in _differing(compared)
    ]


def _differing(compared: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Returns the facts that differ, each with its different values in one text."""
    return [(what, " / ".join(dict.fromkeys(each))) for what, each in compared.items() if len(set(each)) > 1]


def _verdicts(runs: tuple[Run, ...]) -> list[Verdict]:
    groups: defaultdict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.results.facts.study].append(run)
    if len(groups) > 1 and all(_repeats(group) >= LEAST_REPEATS for group in groups.values()):
        return _between_groups(groups)
    return [_between_runs(first, second) for first, second in combinations(runs, 2)]


def _repeats(group: list[Run]) -> int:
    """Counts the runs of one study with different seeds; runs without a seed count as one."""
    return len({run.results.facts.provenance.get("seed", "") for run in group})


def _between_runs(first: Run, second: Run) -> Verdict:
    """Prefers a run only if the worst of its test intervals cover more than the best of the other's."""
    for better, worse in ((first, second), (second, first)):
        if better.test_volume_low > worse.test_volume_high:
            reason = (
                f"with every test drop at the upper end of its 95% interval {better.label} still covers "
                f"{better.test_volume_low:.3f}, and {worse.label} with every drop at the lower end "
                f"{worse.test_volume_high:.3f}. "
                "This compares these two fronts; the randomness of the searches is not considered"
            )
            return Verdict(first.label, second.label, better.label, reason)
    if np.isnan([first.test_volume_low, second.test_volume_low]).any():
        return Verdict(first.label, second.label, None, "not every design of the fronts is scored on the test split")
    return Verdict(first.label, second.label, None, "the ranges of their test volumes overlap")


def _between_groups(groups: dict[str, list[Run]]) -> list[Verdict]:
    """Applies exact rank tests to the validation volumes, corrected by Holm for the number of pairs."""
    pairs = list(combinations(groups, 2))
    volumes = {name: [run.volume for run in group] for name, group in groups.items()}
    p_values = holm([float(mannwhitneyu(volumes[a], volumes[b], method="auto").pvalue) for a, b in pairs])
    return [_group_verdict(a, b, volumes, p) for (a, b), p in zip(pairs, p_values, strict=True)]


def _group_verdict(first: str, second: str, volumes: dict[str, list[float]], p: float) -> Verdict:
    medians = {name: float(np.median(volumes[name])) for name in (first, second)}
    better = max(medians, key=lambda name: medians[name]) if p < SIGNIFICANCE else None
    reason = (
        f"median hypervolume {medians[first]:.3f} of {len(volumes[first])} runs against {medians[second]:.3f} of "
        f"{len(volumes[second])}; rank test p = {p:.3f}, corrected for the number of pairs"
    )
    return Verdict(first, second, better, reason)


def holm(p_values: list[float]) -> list[float]:
    """Applies Holm's correction; returns the adjusted p-values in the order given."""
    order = np.argsort(p_values)
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
