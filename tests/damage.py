"""Damages a run folder at random: it is recovered, or refused with one line, but never accepted wrongly.

``python -m tests.damage --number 10000 --seed 0`` prints how often which came of it.
"""

import argparse
import json
import random
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from dse.design import TestScore
from dse.errors import StudyError
from dse.evaluate import contents_of
from dse.run import begin_run, planned
from dse.search import Driver, make_sampler
from dse.store import Manifest, RunFolder, StudyStore, check, record_in, repair, storage_to_drive, without_weights
from dse.study.prepared import PreparedStudy, prepare
from dse.workers import SerialPool
from tests.fakes import ClosedForm
from tests.small_studies import small_spec

Damage = Callable[[Path, random.Random], None]
TRIALS = 8


@dataclass(frozen=True)
class Contents:
    """All that commands take from a run folder."""

    manifest: Manifest
    trials: list[tuple[object, ...]]
    tests: dict[int, TestScore]
    weights: dict[int, list[tuple[str, bytes]]]
    journal: bytes = field(compare=False)


def make_run(path: Path, prepared: PreparedStudy) -> RunFolder:
    """Makes a run of a small study, evaluated in closed form, with trained weights."""
    spec = small_spec(search__trials=TRIALS)
    study = replace(prepared, spec=spec)
    folder, space = RunFolder(path), study.space
    with folder.locked():
        store = begin_run(planned(study, folder, contents_of(spec)), folder)
        store.use(make_sampler(spec.search, space, 0), space)
        Driver(spec, store, space, folder, SerialPool(ClosedForm)).run(TRIALS)
    return folder


def read(folder: RunFolder) -> Contents:
    manifest = folder.manifest()
    store = StudyStore.of_run(folder, manifest)
    return Contents(
        manifest,
        [told(trial) for trial in store.trials()],
        store.tests(),
        weights(folder, store),
        folder.journal_path.read_bytes(),
    )


def told(trial: FrozenTrial) -> tuple[object, ...]:
    record = record_in(trial)
    return trial.number, trial.state, trial.values, trial.params, trial.user_attrs, trial.system_attrs, record


def weights(folder: RunFolder, store: StudyStore) -> dict[int, list[tuple[str, bytes]]]:
    records = ((trial.number, record_in(trial)) for trial in store.complete())
    return {
        number: sorted((name, array.tobytes()) for name, array in folder.load_weights(number, r.network_sha256).items())
        for number, r in records
        if r is not None and r.is_trained
    }


def outcome(folder: RunFolder, whole: Contents) -> str:
    """Returns what came of a damage; raises AssertionError if it was accepted wrongly."""
    try:
        findings = check(folder)
    except (StudyError, OSError) as error:
        findings = [one_line(error)]
    found, refusal = None, ""
    try:
        found = read(folder)
    except (StudyError, OSError) as error:
        refusal = one_line(error)
    if found is None:
        assert findings, f"dse check finds nothing, but: {refusal}"
        return f"refused, then {repaired(folder, whole)}"
    assert found == whole, "accepted wrongly by a command that reads"
    resume(folder)
    assert folder.journal_path.read_bytes() == whole.journal, "accepted wrongly by a driver"
    return "harmless" if not findings else "recovered"


def resume(folder: RunFolder) -> None:
    """Opens the run as its driver does."""
    with warnings.catch_warnings(), folder.locked():
        warnings.simplefilter("ignore")
        storage_to_drive(folder, folder.manifest())


def repaired(folder: RunFolder, whole: Contents) -> str:
    """Repairs a folder; what is there afterwards is the beginning of what was."""
    try:
        repair(folder)
        store = StudyStore.of_run(folder, folder.manifest())
        resume(folder)
    except (StudyError, OSError) as error:
        one_line(error)
        return "not repaired"
    complete = {trial.number: told(trial) for trial in store.trials() if trial.state is TrialState.COMPLETE}
    assert all(whole.trials[number] == trial for number, trial in complete.items()), "repaired wrongly"
    assert folder.manifest() == whole.manifest, "manifest restored wrongly"
    if len(complete) < len(whole.trials):
        return "repaired with fewer trials"
    return "to be trained again" if without_weights(folder, store) else "repaired"


def one_line(error: Exception) -> str:
    assert "\n" not in str(error).strip(), f"more than one line: {error}"
    assert str(error), repr(error)
    return str(error)


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def cut(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def lose(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    start = chance.randrange(len(content))
    path.write_bytes(content[:start] + content[start + chance.randrange(1, 600) :])


def blank(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    start, length = chance.randrange(len(content)), chance.choice((1, 16, 512, 4096))
    path.write_bytes(content[:start] + bytes(len(content[start : start + length])) + content[start + length :])


def insert(path: Path, chance: random.Random) -> None:
    content, start = path.read_bytes(), chance.randrange(path.stat().st_size)
    path.write_bytes(content[:start] + chance.randbytes(chance.randrange(1, 40)) + content[start:])


TAILS = (b"\n", b"3\n", b"null\n", b"[]\n", b'"x"\n', b"{}\n", b"\0" * 4096, b'{"op_code":4,"study_id":0}\n', b'{"op_')


def append(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.choice((*TAILS, chance.randbytes(30))))


def lines(path: Path, chance: random.Random) -> None:
    """Loses, repeats or exchanges lines, or cuts the file at a line's end."""
    text = path.read_bytes().splitlines(keepends=True)
    one, other = chance.randrange(len(text)), chance.randrange(len(text))
    kind = chance.randrange(4)
    if kind == 0:
        del text[one]
    elif kind == 1:
        text.insert(other, text[one])
    elif kind == 2:
        text[one], text[other] = text[other], text[one]
    else:
        del text[one:]
    path.write_bytes(b"".join(text))


def value(path: Path, chance: random.Random) -> None:
    """Changes one value in a JSON document, or in one line of JSON."""
    text = path.read_text().splitlines(keepends=True) if path.suffix == ".log" else [path.read_text()]
    one = chance.randrange(len(text))
    document = json.loads(text[one])
    holder: Any = document
    while True:
        key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if not isinstance(holder[key], dict | list) or not holder[key] or chance.random() < 0.1:
            break
        holder = holder[key]
    old = holder[key]
    others = (-99, None, "", [], {}, 1e308, old + 1 if isinstance(old, int | float) else f"{old}0")
    holder[key] = chance.choice(others)
    compact = (",", ":") if path.suffix == ".log" else None
    text[one] = json.dumps(document, separators=compact, indent=None if compact else 2) + "\n"
    path.write_text("".join(text))


def remove(path: Path, _chance: random.Random) -> None:
    path.unlink()


def empty(path: Path, _chance: random.Random) -> None:
    path.write_bytes(b"")


def folder_instead(path: Path, _chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def another(path: Path, chance: random.Random) -> None:
    """Puts another file of the run in its place."""
    others = [file for file in path.parent.iterdir() if file.is_file() and file != path and file.name != ".lock"]
    path.write_bytes(chance.choice(others).read_bytes())


ANYWHERE: tuple[Damage, ...] = (flip, cut, lose, blank, insert, append, remove, empty, folder_instead, another)


def damage(folder: RunFolder, chance: random.Random) -> str:
    """Damages one file of a run; returns what was done."""
    own = [folder.manifest_path, folder.journal_path, folder.journal_path.with_suffix(".mark"), folder.study_path]
    path = chance.choice([*own, folder.journal_path, folder.journal_path, folder.weights_path])
    path = path if path != folder.weights_path else chance.choice(sorted(path.iterdir()))
    kinds = [*ANYWHERE]
    if path == folder.journal_path:
        kinds += [lines, lines, lines, value, value, value, append]
    if path == folder.manifest_path:
        kinds += [value, value, value]
    kind = chance.choice(kinds)
    kind(path, chance)
    return f"{kind.__name__} {path.parent.name if path.suffix == '.safetensors' else path.name}"


def campaign(number: int, seed: int, work: Path, prepared: PreparedStudy) -> Counter[str]:
    """Damages a run so many times, each time another copy of it; returns how often which outcome came."""
    run = make_run(work / "run", prepared)
    whole, outcomes, chance = read(run), Counter[str](), random.Random(seed)  # noqa: S311 -- damage, not a secret
    assert whole.weights, "the run has no trained weights"
    assert check(run) == []
    for attempt in range(number):
        copy = work / "copy"
        shutil.copytree(run.path, copy, symlinks=True)
        done = ""
        try:
            done = damage(RunFolder(copy), chance)
            outcomes[outcome(RunFolder(copy), whole)] += 1
        except BaseException as error:
            error.add_note(f"damage {attempt} of seed {seed}: {done}; the folder is {copy}")
            raise
        shutil.rmtree(copy)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    memory = Path("/dev/shm")  # noqa: S108 -- a folder in it with a name that nobody knows
    work = Path(tempfile.mkdtemp(prefix="damage-", dir=memory if memory.is_dir() else None))
    for kind, times in campaign(arguments.number, arguments.seed, work, prepare(small_spec())).most_common():
        print(f"{times:6d} {kind}")  # noqa: T201
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
