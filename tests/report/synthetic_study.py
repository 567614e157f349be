"""Studies made from a seed through the real store: small, large, empty, unfinished, with hostile names."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna

from dse.design.answers import Answers
from dse.design.cost_source import CostSource
from dse.design.evaluation import Evaluation, Level, TestScore
from dse.design.metrics import DROP, cost_of
from dse.design.point import DesignPoint, Finetune
from dse.design.roles import Role
from dse.design.space import RescalerVariable, SearchSpace
from dse.store.collection import collect
from dse.store.looks import Look
from dse.store.manifest import Manifest
from dse.store.records import record_of
from dse.store.results import StudyResults
from dse.store.trials import StudyStore
from dse.verdict.candidates import candidates_of, entries_of
from dse.verdict.plan import next_look
from hwmodels import MemoryCost, NetworkCost
from hwmodels.accelerator import AcceleratorCost
from hwmodels.costs import LayerCost, UnitCost
from hwmodels.workload import RescalerWorkload, RescaleStage
from nets.narrow.narrowing import RescalerChoice
from nets.network.operators import Method
from tests import stores
from tests.fakes import tell
from tests.small_studies import small_spec

HOSTILE = ("<script>alert(1)</script>", "=1+1", "a&b 'c' \"d\" %{x} {{ 7*7 }}", "x" * 90, "[bold]conv[/bold]")
ABSORBING = 4  # every fourth rescaler is an ADD, which has nothing to absorb into
BASELINE_ACCURACY, TEST_ACCURACY = 93.0, 0.925
VAL_SAMPLES = 540
STARTED = datetime(2026, 11, 21, 4, tzinfo=UTC)
COST_SOURCES = (
    CostSource("analytic", "aladdin40", 40.0, "Shao et al., ISCA 2014", "not yet measured against synthesis"),
    CostSource("rtl", "aladdin40", 40.0, "Shao et al., ISCA 2014", "median 12% against synthesis"),
)

Names = tuple[str, ...]
Maker = Callable[..., StudyResults]


@dataclass(frozen=True)
class Recipe:
    """How to make a study.

    ``front`` (designs) is reached exactly by appending points on a convex curve; None keeps what the search found.
    """

    trials: int = 60
    rescalers: int = 6
    seed: int = 0
    front: int | None = None
    names: Names = ()
    failed: int = 3
    test_samples: int = 700
    scored: bool = True
    roles: Names = ("int32", "int16", "int32_finetuned", "uniform_round", "uniform_absorb")
    complete: bool = True
    margin_pp: float = 1.0
    accelerator: bool = True
    drop_scale: float = 1.0
    study: str = "synthetic"


@dataclass(frozen=True)
class Design:
    """One trial to be recorded; without ``values`` (drop in pp, area in um2, energy in nJ) it fails with ``error``."""

    role: Role
    point: DesignPoint
    values: tuple[float, float, float] | None
    error: str = "RuntimeError: <script>alert('boom')</script> =cmd"


def make_results(recipe: Recipe) -> StudyResults:
    rng = np.random.default_rng(recipe.seed)
    names = (*recipe.names, *(f"conv_{i}" for i in range(recipe.rescalers)))[: max(1, recipe.rescalers)]
    store = stores.opened(optuna.storages.InMemoryStorage(), "synthetic")
    designs = _designs(recipe, names, rng)
    _record(store, _space(names), designs, recipe, rng)
    complete = sum(design.values is not None for design in designs)
    manifest = _manifest(recipe, names, trials=complete if recipe.complete else complete + 1)
    results = collect(manifest, store)
    if not recipe.scored:
        return results
    look = _look(results, manifest)
    if look.sequence:
        store.add_look(look)
    for number in sorted({*results.front["trial"], *results.baselines["trial"], *look.sequence}):
        row = results.trials.loc[number]
        identical = row["role"] == Role.INT32
        drop = 0.0 if identical else row["val_accuracy_drop_pp"] + rng.normal(0, 0.2)
        store.set_test(number, _tested(drop, recipe.test_samples, rng, identical=identical))
    return collect(manifest, store)


def _look(results: StudyResults, manifest: Manifest) -> Look:
    """What the driver would test."""
    search, rows = manifest.spec.search, results.complete
    entries = entries_of(
        results.records,
        {int(trial): Role(role) for trial, role in zip(rows["trial"], rows["role"], strict=True)},
        dict.fromkeys(results.records, True),
    )
    designs = candidates_of(entries, search.objectives, DROP, cost_of(search.objectives))
    return next_look(designs, (), manifest.spec.report.margin_pp, (manifest.samples["test"],), len(results.records))


def _space(names: Names) -> SearchSpace:
    methods = [(Method.ROUND,) if i % ABSORBING == ABSORBING - 1 else tuple(Method) for i in range(len(names))]
    variables = (RescalerVariable(name, tuple(range(1, 32)), each) for name, each in zip(names, methods, strict=True))
    return SearchSpace(tuple(variables), (Finetune.NONE, Finetune.SHORT))


def _designs(recipe: Recipe, names: Names, rng: np.random.Generator) -> list[Design]:
    space = _space(names)
    made = [
        (Role.INT32, space.uniform(31, Method.ROUND, Finetune.NONE)),
        (Role.INT16, space.uniform(15, Method.ROUND, Finetune.NONE)),
        (Role.CONTROL, space.uniform(31, Method.ROUND, Finetune.SHORT)),
        *((Role.uniform(m), space.uniform(k, m, Finetune.NONE)) for m in Method for k in (1, 2, 4, 8)),
    ]
    made = [(role, point) for role, point in made if role in recipe.roles]
    while len(made) < recipe.trials:
        made.append((Role.SEARCH, _searched(space, rng)))
    designs = [
        Design(role, point, None if _fails(recipe, role, number) else _measured(recipe, role, point, rng))
        for number, (role, point) in enumerate(made[: recipe.trials])
    ]
    if recipe.front == 0:
        return [Design(design.role, design.point, None, "no") for design in designs]
    return designs if recipe.front is None else [*map(_no_better, designs), *_forced(recipe.front, space)]


def _searched(space: SearchSpace, rng: np.random.Generator) -> DesignPoint:
    widths = (*range(1, 17), 31)
    odds = 1 / np.arange(1, len(widths) + 1)
    chosen = {
        variable.name: RescalerChoice(
            int(rng.choice(widths, p=odds / odds.sum())), variable.methods[rng.integers(len(variable.methods))]
        )
        for variable in space.rescalers
    }
    return space.design(chosen, Finetune.SHORT if rng.uniform() < 0.2 else Finetune.NONE)


def _fails(recipe: Recipe, role: Role, number: int) -> bool:
    return role is Role.SEARCH and number >= recipe.trials - recipe.failed


def _measured(recipe: Recipe, role: Role, point: DesignPoint, rng: np.random.Generator) -> tuple[float, float, float]:
    """Narrow is cheap and inaccurate, the more so for the first of every five rescalers and if rounded."""
    bits = [choice.multiplier_bits for _, choice in point.choices]
    loss = sum(
        (9 - i % 5) * (1.0 if choice.method is Method.ROUND else 0.3) * 0.6 ** (2 * choice.multiplier_bits)
        for i, (_, choice) in enumerate(point.choices)
    )
    trained = point.finetune is Finetune.SHORT
    drop = round((recipe.drop_scale * loss * (0.4 if trained else 1.0) + rng.normal(0, 0.25)) * 5.4) / 5.4
    drop = min(drop, BASELINE_ACCURACY // 2 - 1)  # an untrained design loses twice that
    area, energy = zip(*(_layer_cost(i, k) for i, k in enumerate(bits)), strict=True)
    return 0.0 if role is Role.INT32 else drop, sum(area), sum(energy)


def _layer_cost(index: int, bits: int) -> tuple[float, float]:
    """Area (um2) and energy (nJ)."""
    return 260.0 + 86.0 * bits * (1 + 0.1 * (index % 3)), (0.4 + 0.5 * bits) * (1 + (index * 7) % 5)


def _no_better(design: Design) -> Design:
    """The design without any gain in accuracy, so that the forced front dominates it."""
    if design.values is None:
        return design
    drop, *costs = design.values
    return Design(design.role, design.point, (abs(drop), *costs))


def _forced(count: int, space: SearchSpace) -> list[Design]:
    """Better than everything else, and mutually non-dominated."""
    designs = []
    for index in range(count):
        t = index / (count - 1) if count > 1 else 1.0
        chosen = {v.name: RescalerChoice(1 + (index * 3 + i) % 31, Method.ROUND) for i, v in enumerate(space.rescalers)}
        values = (4.0 * (1 - t) ** 2 - 1.0, 50.0 + 400 * t, 1.0 + 3 * t)
        designs.append(Design(Role.SEARCH, space.design(chosen, Finetune.NONE), values))
    return designs


def _record(
    store: StudyStore, space: SearchSpace, designs: list[Design], recipe: Recipe, rng: np.random.Generator
) -> None:
    for design in designs:
        store.enqueue(space, design.point, design.role)
        trial = store.ask(space)
        if design.values is None:
            store.tell_failed(trial, design.error)
        else:
            tell(store, trial, record_of(design.point.to_json(), _evaluations(design, recipe, rng)))
    for stored in store.trials():
        stored.datetime_complete = STARTED + timedelta(seconds=2 * stored.number)


def _evaluations(design: Design, recipe: Recipe, rng: np.random.Generator) -> list[Evaluation]:
    assert design.values is not None
    drop, area, energy = design.values
    trained = design.point.finetune is Finetune.SHORT
    reached = [(Level.INTEGER, 2 * drop), (Level.SHORT_FINETUNE, drop)] if trained else [(Level.INTEGER, drop)]
    bits = [choice.multiplier_bits for _, choice in design.point.choices]
    layers = tuple(_layer(name, i, choice) for i, (name, choice) in enumerate(design.point.choices))
    workloads = tuple(_workload(name, i) for i, (name, _) in enumerate(design.point.choices))
    accelerator = AcceleratorCost(
        area_um2=area + 40_000.0 if recipe.accelerator else None,
        energy_nj=energy + 500.0 if recipe.accelerator else None,
        latency_cycles=9216,
        rescalers=NetworkCost(area, energy, sum(bits) * 16, layers),
        missing=(),
        memories=MemoryCost(300_000.0, 2_000.0, 5.0, 64.0),
    )
    other = NetworkCost(area * 1.1 + 300 + rng.normal(0, 20), energy * 0.9, sum(bits) * 16, ())
    return [
        Evaluation(
            level=level,
            val_accuracy=BASELINE_ACCURACY - pp,
            val_accuracy_drop_pp=pp,
            other_cost=other,
            workloads=workloads,
            network_sha256=design.point.digest,
            weights=None,
            seconds=float(rng.gamma(2.0, 0.4)),
            accelerator=accelerator,
            other_style_area_um2=500.0 + 90.0 * max(bits) if recipe.accelerator else None,
            val_cross_entropy_increase=0.03 * pp,
            answers=_answers(pp, VAL_SAMPLES, BASELINE_ACCURACY / 100, rng, identical=design.role is Role.INT32),
        )
        for level, pp in reached
    ]


def _layer(name: str, index: int, choice: RescalerChoice) -> LayerCost:
    area, energy = _layer_cost(index, choice.multiplier_bits)
    return LayerCost(name, area, 0.8 * area, 0.2 * area, energy, 16, UnitCost(area, energy, None, ()))


def _workload(name: str, index: int) -> RescalerWorkload:
    stage = RescaleStage(operand_bits=14 + index, multiplier_bits=31, right_shift_min=3, right_shift_max=9 + index)
    return RescalerWorkload(
        name=name,
        stages=(stage,),
        output_bits=8,
        channels=8 * (index + 1),
        rescales_per_inference=1024 // (index + 1),
        macs_per_inference=90_000 // (index + 1),
        weight_bits=4,
        activation_bits=8,
    )


def _tested(drop_pp: float, samples: int, rng: np.random.Generator, *, identical: bool) -> TestScore:
    """A score with about this drop; 1% of the answers, and more of less accurate designs, differ."""
    answers = _answers(drop_pp, samples, TEST_ACCURACY, rng, identical=identical)
    right, correct = answers.are_right(), round(TEST_ACCURACY * samples)
    assert right is not None
    lost, gained = int((~right[:correct]).sum()), int(right[correct:].sum())
    return TestScore(samples, correct, lost, gained, answers=answers, most_frequent=samples // 10)


def _answers(drop_pp: float, samples: int, accuracy: float, rng: np.random.Generator, *, identical: bool) -> Answers:
    """Answers with about this drop below int32, which is right on the first samples."""
    correct, net = round(accuracy * samples), round(samples * drop_pp / 100)
    differing = 0 if identical else max(abs(net), round(samples * (0.01 + 0.002 * abs(drop_pp))))
    gained = min((differing - net) // 2, samples - correct)
    right = np.arange(samples) < correct
    right[rng.choice(correct, min(gained + net, correct), replace=False)] = False
    right[correct + rng.choice(samples - correct, gained, replace=False)] = True
    return Answers.of(samples, right, None)


def _manifest(recipe: Recipe, names: Names, trials: int) -> Manifest:
    spec = small_spec(seed=0, search__trials=max(1, trials), report__margin_pp=recipe.margin_pp)
    return Manifest(
        id="0" * 32,
        spec=spec.model_copy(update={"name": recipe.study}),  # a name that no study file may have
        folder="/runs/synthetic",
        processor="x86_64 AVX2",
        contents={},
        created=STARTED.isoformat(),
        versions={},
        git_revision="abc<b>",
        dataset="digits",
        data_sha256="0" * 64,
        samples={"finetune": 539, "validation": VAL_SAMPLES, "test": recipe.test_samples},
        stratified=True,
        network="net <b>bold</b>" if recipe.names else "digits_cnn",
        network_sha256="1" * 64,
        rescalers=names,
        baseline_val_accuracy=BASELINE_ACCURACY,
        cost_sources=COST_SOURCES,
    )


def brute_force_front(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    better = (values[:, None, :] <= values[None, :, :]).all(2) & (values[:, None, :] < values[None, :, :]).any(2)
    return ~better.any(axis=0)


STUDIES: dict[str, dict[str, Any]] = {
    "typical": {},
    "one": {"front": 1, "trials": 20, "roles": ("int32", "uniform_round")},
    "many": {"front": 500, "trials": 30},
    "none": {"front": 0},
    "hostile": {"names": HOSTILE, "study": "<script>alert(2)</script>"},
    "unscored": {"scored": False},
    "bare": {"roles": (), "accelerator": False},
    "unfinished": {"complete": False, "roles": ("int32",)},
    "two_trials": {"trials": 2, "rescalers": 1, "failed": 0},
}
