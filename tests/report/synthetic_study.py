"""Studies made from a seed: small, large, empty, unfinished, with hostile names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from dse.design.cost_source import CostSource
from dse.store.results import StudyFacts, StudyResults

HOSTILE = ("<script>alert(1)</script>", "=1+1", "a&b 'c' \"d\" %{x} {{ 7*7 }}", "x" * 90, "[bold]conv[/bold]")
LAYER_COLUMNS = [
    *("trial", "rescaler", "multiplier_bits", "method", "accumulator_bits", "right_shift_min", "right_shift_max"),
    *("channels", "rescales", "macs", "area_um2", "datapath_area_um2", "parameter_area_um2", "energy_nj"),
]
ABSORBING = 4  # every fourth rescaler is an ADD, which has nothing to absorb into


Names = tuple[str, ...]
Design = tuple[str, str, list[int], str]
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
    names: tuple[str, ...] = ()
    failed: int = 3
    test_samples: int = 700
    scored: bool = True
    roles: tuple[str, ...] = ("int32", "int32_finetuned", "uniform_round", "uniform_absorb")
    complete: bool = True
    margin_pp: float = 1.0
    accelerator: bool = True
    drop_scale: float = 1.0
    provenance: dict[str, str] = field(default_factory=lambda: {"seed": "0", "git revision": "abc<b>"})
    study: str = "synthetic"


def make_results(recipe: Recipe) -> StudyResults:
    rng = np.random.default_rng(recipe.seed)
    names = (*recipe.names, *(f"conv_{i}" for i in range(recipe.rescalers)))[: max(1, recipe.rescalers)]
    designs = _designs(recipe, len(names), rng)
    frame = pd.DataFrame([_row(recipe, rng, number, design, names) for number, design in enumerate(designs)])
    frame = _with_front(frame, recipe, names)
    scored = frame["on_front"] | (frame["role"] != "search") & (frame["state"] == "COMPLETE")
    if recipe.scored:
        frame = _tested(frame, scored, recipe, rng)
    layers = _layers(frame[scored & (frame["state"] == "COMPLETE")], names)
    return StudyResults(facts=_facts(recipe, names), rescalers=names, trials=frame, layers=layers)


def _designs(recipe: Recipe, count: int, rng: np.random.Generator) -> list[Design]:
    full = [31] * count
    designs: list[Design] = [("int32", "round", full, "none")] if "int32" in recipe.roles else []
    designs += [("int32_finetuned", "round", full, "short")] if "int32_finetuned" in recipe.roles else []
    for role in ("uniform_round", "uniform_absorb"):
        if role in recipe.roles:
            designs += [(role, role.split("_")[1], [k] * count, "none") for k in (1, 2, 4, 8)]
    widths = [*range(1, 17), 31]
    for _ in range(max(0, recipe.trials - len(designs))):
        bits = [int(k) for k in rng.choice(widths, count, p=_skew(len(widths)))]
        designs.append(("search", "mixed", bits, str(rng.choice(["none", "short"], p=[0.8, 0.2]))))
    return designs[: recipe.trials]


def _skew(count: int) -> np.ndarray:
    weights = 1.0 / np.arange(1, count + 1)
    return weights / weights.sum()


def _row(recipe: Recipe, rng: np.random.Generator, number: int, design: Design, names: Names) -> dict[str, object]:
    role, method, bits, finetune = design
    methods = [_method(method, i, rng) for i in range(len(names))]
    loss = sum(
        (9 - i % 5) * (1.0 if m == "round" else 0.3) * 0.6 ** (2 * k)
        for i, (k, m) in enumerate(zip(bits, methods, strict=True))
    )
    noise = 0.0 if role == "int32" else rng.normal(0, 0.25)
    drop = recipe.drop_scale * loss * (0.4 if finetune == "short" else 1.0) + noise
    drop = 0.0 if role == "int32" else round(drop * 5.4) / 5.4
    area, energy = _cost(bits)
    failed = role == "search" and number >= recipe.trials - recipe.failed
    row: dict[str, object] = {
        "trial": number,
        "state": "FAIL" if failed else "COMPLETE",
        "role": role,
        "on_front": False,
        "finetune": finetune,
        "fidelity": "short_finetune" if finetune == "short" else "integer",
        "val_accuracy": 93.0 - drop,
        "val_accuracy_drop_pp": drop,
        "val_accuracy_integer": 93.0 - drop * (2.0 if finetune == "short" else 1.0),
        "val_accuracy_drop_vs_control_pp": drop + 0.2 if finetune == "short" else np.nan,
        "test_accuracy": np.nan,
        "test_accuracy_drop_pp": np.nan,
        "ci_low": np.nan,
        "ci_high": np.nan,
        "rescaler_area_um2": area,
        "rescaler_energy_nj": energy,
        "other_rescaler_area_um2": area * 1.1 + 300 + rng.normal(0, 20),
        "other_rescaler_energy_nj": energy * 0.9,
        "parameter_bits": float(sum(bits) * 16),
        "seconds": float(rng.gamma(2.0, 0.4)),
        "finished": pd.Timestamp("2026-11-21T04:00:00Z") + pd.Timedelta(seconds=2.0 * number),
        "error": "RuntimeError: <script>alert('boom')</script> =cmd" if failed else "",
    }
    if recipe.accelerator:
        row |= {"accelerator_area_um2": area + 40_000.0, "accelerator_energy_nj": energy + 500.0}
        row |= {"other_style_rescaler_area_um2": 500.0 + 90.0 * max(bits)}
    row |= {f"{name}.multiplier_bits": k for name, k in zip(names, bits, strict=True)}
    row |= {f"{name}.method": m for name, m in zip(names, methods, strict=True)}
    if failed:
        for key in [
            key for key in row if key.startswith(("val_", "rescaler_", "other_", "accelerator_", "parameter_"))
        ]:
            row[key] = np.nan
    return row


def _method(method: str, index: int, rng: np.random.Generator) -> str:
    if index % ABSORBING == ABSORBING - 1:
        return "round"
    return str(rng.choice(["round", "absorb"])) if method == "mixed" else method


def _cost(bits: list[int]) -> tuple[float, float]:
    area = sum(260.0 + 86.0 * k * (1 + 0.1 * (i % 3)) for i, k in enumerate(bits))
    energy = sum((0.4 + 0.5 * k) * (1 + (i * 7) % 5) for i, k in enumerate(bits))
    return area, energy


def _with_front(frame: pd.DataFrame, recipe: Recipe, names: Names) -> pd.DataFrame:
    frame = frame.copy()
    if recipe.front == 0:
        return frame.assign(state="FAIL", error="no")
    if recipe.front is not None:
        frame = _forced(frame, recipe, names)
    complete = frame["state"] == "COMPLETE"
    values = frame.loc[complete, ["val_accuracy_drop_pp", "rescaler_area_um2", "rescaler_energy_nj"]].to_numpy()
    frame.loc[complete, "on_front"] = brute_force_front(values)
    return frame


def _forced(frame: pd.DataFrame, recipe: Recipe, names: Names) -> pd.DataFrame:
    """Better than everything else, and mutually non-dominated."""
    count = recipe.front or 0
    template = frame[frame["role"] == "search"].iloc[0].to_dict()
    rows = []
    for index in range(count):
        t = index / max(1, count - 1)
        row = dict(template)
        row |= {"trial": len(frame) + index, "val_accuracy_drop_pp": 4.0 * (1 - t) ** 2 - 1.0}
        row |= {"rescaler_area_um2": 50.0 + 400 * t, "rescaler_energy_nj": 1.0 + 3 * t, "state": "COMPLETE"}
        row |= {"val_accuracy": 93.0 - row["val_accuracy_drop_pp"], "error": ""}
        row |= {f"{name}.multiplier_bits": 1 + (index * 3 + i) % 31 for i, name in enumerate(names)}
        rows.append(row)
    rest = frame.assign(
        val_accuracy_drop_pp=frame["val_accuracy_drop_pp"].where(
            frame["role"] == "int32", frame["val_accuracy_drop_pp"].abs()
        )
    )
    return pd.concat([rest, pd.DataFrame(rows)], ignore_index=True).astype(frame.dtypes.to_dict())


def brute_force_front(values: np.ndarray) -> np.ndarray:
    better = (values[:, None, :] <= values[None, :, :]).all(2) & (values[:, None, :] < values[None, :, :]).any(2)
    return ~better.any(axis=0)


def _tested(frame: pd.DataFrame, scored: pd.Series, recipe: Recipe, rng: np.random.Generator) -> pd.DataFrame:
    drop = frame["val_accuracy_drop_pp"] + rng.normal(0, 0.2, len(frame))
    half = 100 * 1.96 * np.sqrt(0.01 + 0.002 * drop.abs()) / np.sqrt(recipe.test_samples)
    half = half.where(frame["role"] != "int32", 0.0)
    drop = drop.where(frame["role"] != "int32", 0.0)
    values = {
        "test_accuracy": 92.5 - drop,
        "test_accuracy_drop_pp": drop,
        "ci_low": drop - half,
        "ci_high": drop + half,
    }
    return frame.assign(
        **{name: column.where(scored & (frame["state"] == "COMPLETE")) for name, column in values.items()}
    )


def _layers(rows: pd.DataFrame, names: Names) -> pd.DataFrame:
    records = []
    for row in rows.to_dict(orient="records"):
        for index, name in enumerate(names):
            bits = row[f"{name}.multiplier_bits"]
            area = 260.0 + 86.0 * bits * (1 + 0.1 * (index % 3))
            records.append(
                {
                    "trial": row["trial"],
                    "rescaler": name,
                    "multiplier_bits": bits,
                    "method": row[f"{name}.method"],
                    "accumulator_bits": 14 + index,
                    "right_shift_min": 3,
                    "right_shift_max": 9 + index,
                    "channels": 8 * (index + 1),
                    "rescales": 1024 // (index + 1),
                    "macs": 90_000 // (index + 1),
                    "area_um2": area,
                    "datapath_area_um2": 0.8 * area,
                    "parameter_area_um2": 0.2 * area,
                    "energy_nj": (0.4 + 0.5 * bits) * (1 + (index * 7) % 5),
                }
            )
    return pd.DataFrame(records, columns=LAYER_COLUMNS)


def _facts(recipe: Recipe, names: Names) -> StudyFacts:
    return StudyFacts(
        study=recipe.study,
        network="net <b>bold</b>" if recipe.names else "digits_cnn",
        dataset="digits",
        samples={"finetune": 539, "validation": 540, "test": recipe.test_samples},
        contract="half_up",
        weight_bits=4,
        style="streaming",
        lanes=1,
        objective_cost=CostSource(
            "analytic", "aladdin40", 40.0, "Shao et al., ISCA 2014", "not yet measured against synthesis"
        ),
        other_cost=CostSource("rtl", "aladdin40", 40.0, "Shao et al., ISCA 2014", "median 12% against synthesis"),
        margin_pp=recipe.margin_pp,
        resolvable_margin_pp=100 * 1.96 * 0.1 / recipe.test_samples**0.5 if recipe.scored else None,
        complete=recipe.complete,
        provenance=recipe.provenance,
    )


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
