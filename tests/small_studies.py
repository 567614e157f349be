"""Study files for tests: the digits, small, changed key by key."""

import copy
from pathlib import Path
from typing import Any

import tomli_w

from dse.study.loading import validated
from dse.study.spec import Study

DIGITS: dict[str, Any] = {
    "name": "small",
    "seed": 7,
    "network": {"topology": "digits_cnn", "weight_bits": 4},
    "data": {"dataset": "digits", "finetune": 0.35, "validation": 0.25, "test": 0.4},
    "search": {"trials": 10, "sampler": "random", "starts": 0, "uniform_multiplier_bits": [1, 4]},
    "fidelity": {"finetune": "short", "epochs": 1, "batch_size": 64, "learning_rate": 2e-3},
    "workers": {"executor": "serial", "count": 2},
}


def document(**changes: object) -> dict[str, Any]:
    """The small study with keys changed: ``search__trials=5``; None takes a key or table away."""
    changed = copy.deepcopy(DIGITS)
    for path, value in changes.items():
        *tables, key = path.split("__")
        table = changed
        for name in tables:
            table = table.setdefault(name, {})
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    return changed


def small_spec(**changes: object) -> Study:
    return validated(document(**changes))


def write_study(folder: Path, **changes: object) -> Path:
    path = folder / "study.toml"
    path.write_text(tomli_w.dumps(document(**changes)), encoding="utf-8")
    return path
