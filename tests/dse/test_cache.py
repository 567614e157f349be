"""The cache of evaluations: what went in comes out, damage is noticed, and equal keys mean equal results."""

import multiprocessing
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dse.evaluate.cache_key
import dse.evaluate.evaluator
import dse.run
from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.point import DesignPoint, Finetune
from dse.evaluate.cache_key import CacheKeys
from dse.evaluate.evaluator import Evaluator
from dse.run import run_study
from dse.store.cache import DamagedEntryError, EvaluationCache, packed, unpacked
from dse.store.run_folder import RunFolder
from dse.study.prepared import PreparedStudy
from dse.study.space import space_over
from dse.study.spec import RtlSpec
from hwmodels.technologies.technology import technology_names
from nets.network.fingerprints import trained_arrays
from nets.network.operators import Method
from tests.conftest import Cli
from tests.fakes import evaluation
from tests.small_studies import small_spec, write_study

RTL = "module rescaler(input [7:0] x, output [7:0] y); assign y = x; endmodule"


def point(prepared: PreparedStudy, bits: int = 2, method: Method = Method.ABSORB) -> DesignPoint:
    return space_over(prepared.operators, prepared.spec.search, Finetune.SHORT).uniform(bits, method, Finetune.SHORT)


def same(one: object, other: object) -> bool:
    """Equal, trained weights and their types included."""
    if not isinstance(one, Evaluation) or not isinstance(other, Evaluation):
        return one == other
    mine, theirs = one.weights or {}, other.weights or {}
    return (
        replace(one, weights=None) == replace(other, weights=None)
        and mine.keys() == theirs.keys()
        and all(mine[name].dtype == theirs[name].dtype and np.array_equal(mine[name], theirs[name]) for name in mine)
    )


def test_real_results_come_back_bit_for_bit(digits: PreparedStudy, tmp_path: Path) -> None:
    cache, evaluator = EvaluationCache(tmp_path / "new"), Evaluator(digits)
    levels = (Level.INTEGER, Level.SHORT_FINETUNE)
    results = {f"{level}": evaluator.run(Job(0, point(digits), level)) for level in levels}
    results["test"] = TestScore(719, 700, 3, 2)
    for key, result in results.items():
        cache.put(key, result)
    other_driver = EvaluationCache(tmp_path / "new")
    assert all(same(other_driver.get(key), result) for key, result in results.items())
    assert other_driver.get("nothing") is None


@given(st.floats(-10, 90), st.floats(0, allow_infinity=False))
def test_every_float_comes_back(drop: float, area: float) -> None:
    result = evaluation(DesignPoint(()), objectives=(drop, area, 1.0))
    assert same(unpacked("key", packed("key", result)), result)


ENTRY = packed("key", evaluation(DesignPoint(()), Level.SHORT_FINETUNE))


@given(st.integers(0, len(ENTRY) - 1), st.integers(1, 255), st.booleans())
def test_any_damage_is_noticed(position: int, change: int, cut: bool) -> None:
    damaged = ENTRY[:position] if cut else _changed(ENTRY, position, change)
    with pytest.raises(DamagedEntryError):
        unpacked("key", damaged)


def _changed(content: bytes, position: int, change: int) -> bytes:
    return content[:position] + bytes([content[position] ^ change]) + content[position + 1 :]


def test_an_entry_of_another_kind_is_noticed() -> None:
    score = packed("key", TestScore(10, 9, 1, 0))
    assert isinstance(unpacked("key", score), TestScore)
    with pytest.raises(DamagedEntryError, match="damaged"):
        unpacked("key", b"")


def test_swapped_entries_are_noticed(tmp_path: Path) -> None:
    """Each is whole, but stands under the other's key."""
    cache = EvaluationCache(tmp_path)
    for key, lost in (("aaaa", 1), ("bbbb", 2)):
        cache.put(key, TestScore(10, 9, lost, 0))
    one, other = tmp_path / "aa" / "aaaa", tmp_path / "bb" / "bbbb"
    mine = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(mine)
    for key in ("aaaa", "bbbb"):
        with pytest.warns(UserWarning, match="the entry is damaged, or another one's"):
            assert cache.get(key) is None


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (replace(evaluation(DesignPoint(())), val_accuracy=150.0), "val_accuracy = 150, which should lie from 0"),
        (evaluation(DesignPoint(()), objectives=(1.0, -5.0, 1.0)), "rescaler_area_um2 = -5"),
        (evaluation(DesignPoint(()), objectives=(float("nan"), 5.0, 1.0)), "val_accuracy = nan"),
        (TestScore(10, 12, 0, 0), "an accuracy of 120.0 % of 10 samples"),
        (TestScore(10, 9, 12, 11), "lost = 12 of 10 samples"),
        (TestScore(10, 9, 0, 0, members=(("a", TestScore(10, 9, -1, 0)),)), "lost = -1"),
    ],
)
def test_what_cannot_be_is_not_served(tmp_path: Path, result: Evaluation | TestScore, reason: str) -> None:
    """Its digest is right: another program may have written it."""
    cache = EvaluationCache(tmp_path)
    cache.put("key", result)
    with pytest.warns(UserWarning, match=f"the entry holds .*{reason}"):
        assert cache.get("key") is None


def test_other_peoples_caches_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    cache = EvaluationCache(tmp_path / "cache")
    cache.put("key", TestScore(10, 9, 1, 0))
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.warns(UserWarning, match="another user wrote the entry"):
        assert cache.get("key") is None
    refused = cli("run", write_study(tmp_path), "--cache", tmp_path / "cache")
    assert refused.status == 2
    assert refused.err.endswith("cache: is another user's cache; give --cache a folder of your own, or --no-cache\n")
    assert not (tmp_path / "runs").exists()


def test_links_in_a_cache_are_not_followed(tmp_path: Path) -> None:
    cache = EvaluationCache(tmp_path / "cache")
    cache.put("key", TestScore(10, 9, 1, 0))
    entry = tmp_path / "cache" / "ke" / "key"
    entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="symbolic links"):
        assert cache.get("key") is None
    cache.put("key", TestScore(10, 8, 1, 0))  # replaces the link and leaves its target
    assert unpacked("key", (tmp_path / "elsewhere").read_bytes()) == TestScore(10, 9, 1, 0)
    assert cache.get("key") == TestScore(10, 8, 1, 0)


def test_a_damaged_entry_is_evaluated_again_and_replaced(tmp_path: Path) -> None:
    cache = EvaluationCache(tmp_path)
    cache.put("key", TestScore(10, 9, 1, 0))
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="key: cannot be used and is evaluated again: the entry is damaged"):
        assert cache.get("key") is None
    cache.put("key", TestScore(10, 9, 1, 0))
    assert cache.get("key") == TestScore(10, 9, 1, 0)


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = EvaluationCache(tmp_path / "file")
    with pytest.warns(UserWarning, match="evaluations are not kept for later runs: .*Not a directory"):
        cache.put("key", TestScore(10, 9, 1, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        cache.put("key", TestScore(10, 9, 1, 0))


def test_what_was_used_longest_ago_is_evicted(tmp_path: Path) -> None:
    size = len(packed("key", TestScore(10, 9, 1, 0)))
    cache = EvaluationCache(tmp_path, limit_bytes=10 * size)
    for number in range(10):
        cache.put(f"0{number}", TestScore(10, 9, 1, 0))
        os.utime(tmp_path / f"0{number}" / f"0{number}", ns=(number, number))
    cache.get("00")
    cache.put("ten", TestScore(10, 9, 1, 0))
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"00", *(f"0{number}" for number in range(3, 10)), "ten"}
    for number in range(100):
        cache.put(f"more-{number}", TestScore(10, 9, 1, 0))
        assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 10 * size


def hammer(path: Path, seed: int) -> None:
    warnings.simplefilter("error")
    cache, chance = EvaluationCache(path, limit_bytes=2000), np.random.default_rng(seed)
    for _ in range(300):
        number = int(chance.integers(1, 20))
        if (result := cache.get(f"{number:02}")) is not None and result != TestScore(number, number, 0, 0):
            raise AssertionError(f"{number} gave {result}")
        cache.put(f"{number:02}", TestScore(number, number, 0, 0))


def test_several_drivers_at_once(tmp_path: Path) -> None:
    drivers = [multiprocessing.get_context("fork").Process(target=hammer, args=(tmp_path, seed)) for seed in range(3)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()  # the timeout of pytest is the only one
    assert [driver.exitcode for driver in drivers] == [0, 0, 0]
    assert all(len(path.name) <= 2 for path in tmp_path.rglob("*") if path.is_file())  # nothing half-written is left


@pytest.mark.usefixtures("trained_once")
def test_a_second_run_evaluates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In lock step, so that both runs ask for the same designs; inherited weights and test scores included."""
    done: list[Job] = []

    class Counting(Evaluator):
        def run(self, job: Job) -> Evaluation | TestScore:
            done.append(job)
            return super().run(job)

    monkeypatch.setattr(dse.evaluate.evaluator, "Evaluator", Counting)
    monkeypatch.setattr(dse.run, "write_report", lambda _results, _path: None)
    spec = small_spec(search__batch=3, search__starts=2, fidelity__inherit=True, fidelity__part=0.5)
    tables, evaluated, reused = [], [], []
    for name, cache in (("none", None), ("cold", tmp_path / "cache"), ("warm", tmp_path / "cache")):
        done.clear()
        known = None if cache is None else EvaluationCache(cache)
        shown: list[int] = []
        results = run_study(
            spec, RunFolder(tmp_path / name), cache=known, on_progress=lambda p, shown=shown: shown.append(p.reused)
        )
        tables.append(results.trials.drop(columns=["seconds", "finished"]))
        evaluated.append(len(done))
        reused.append(shown[-1])
        heirs = [job for job in done if job.heir_of is not None]
        assert bool(heirs) == (name != "warm")
    assert evaluated[0] >= evaluated[1] > 0  # a probe of the starts may be a baseline too
    assert (evaluated[2], reused[0], reused[2]) == (0, 0, evaluated[0])
    for table in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], table)


def test_the_command_uses_the_users_cache_unless_told_otherwise(
    cli: Cli, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dse.run, "write_report", lambda _results, _path: None)
    study = write_study(tmp_path, fidelity__finetune="none")
    assert cli("run", study, "--no-cache", "--out", tmp_path / "one").status == 0
    assert not own_cache.exists()
    first = cli("run", study, "--out", tmp_path / "two")
    assert first.status == 0
    assert list(own_cache.rglob("rescale-dse/evaluations/??/*"))
    again = cli("run", study, "--out", tmp_path / "three")
    assert " reused" in again.out
    elsewhere = cli("run", study, "--out", tmp_path / "four", "--cache", tmp_path / "cache")
    assert " reused" not in elsewhere.out
    assert list((tmp_path / "cache").glob("??/*"))


def with_spec(prepared: PreparedStudy, **changes: object) -> PreparedStudy:
    return replace(prepared, spec=small_spec(**changes))


def with_member(prepared: PreparedStudy, **changes: object) -> PreparedStudy:
    (member,) = prepared.members
    return replace(prepared, members=(replace(member, **changes),))  # type: ignore[arg-type]


def with_other_network(prepared: PreparedStudy) -> PreparedStudy:
    """One weight of one layer differs by one."""
    (name, first), *_ = ((op.name, op) for op in prepared.members[0].network.operators if hasattr(op, "weights"))
    weights = first.weights.copy()
    weights.flat[np.abs(weights).argmin()] += 1  # stays within the width
    network = prepared.members[0].network
    return with_member(prepared, network=network.with_operators({name: replace(first, weights=weights)}))


def with_other_originals(prepared: PreparedStudy) -> PreparedStudy:
    name, first = next(iter(prepared.members[0].originals.items()))
    originals = prepared.members[0].originals
    return with_member(prepared, originals={**originals, name: replace(first, bias=first.bias + 1)})


def with_other_samples(part: str) -> Callable[[PreparedStudy], PreparedStudy]:
    def changed(prepared: PreparedStudy) -> PreparedStudy:
        splits = prepared.members[0].splits
        samples = getattr(splits, part)
        labels = samples.labels.copy()
        labels[0] = (labels[0] + 1) % 10
        return with_member(prepared, splits=replace(splits, **{part: replace(samples, known_labels=labels)}))

    return changed


def with_values_for_outputs(prepared: PreparedStudy) -> PreparedStudy:
    spec = prepared.members[0].spec
    network = spec.network.model_copy(update={"outputs": "values"})
    return with_member(prepared, spec=spec.model_copy(update={"network": network}))


def with_rtl(prepared: PreparedStudy, file: Path, text: str) -> PreparedStudy:
    file.write_text(text)
    hardware = prepared.spec.hardware.model_copy(
        update={"cost_source": "rtl", "rtl": RtlSpec(files=(file,), top="rescaler")}
    )
    return replace(prepared, spec=prepared.spec.model_copy(update={"hardware": hardware}))


TRAINED = frozenset({Level.SHORT_FINETUNE, Level.FULL_FINETUNE})
UNTESTED = frozenset(Level) - {Level.TEST}
HARDWARE = {
    "technology": next(name for name in technology_names() if name != "aladdin40"),
    "cost_source": "rtl",
    "style": "shared",
    "lanes": 2,
    "mac_lanes": 8,
    "accelerator": {"buffer_kib": 64},
}
PROBLEMS: dict[str, tuple[Callable[[PreparedStudy], PreparedStudy], frozenset[Level]]] = {
    "network": (with_other_network, frozenset(Level)),
    "originals": (with_other_originals, frozenset(Level)),
    "variants": (lambda p: with_member(p, variants={"exact": p.members[0].network}), frozenset(Level)),
    "baseline": (lambda p: with_member(p, baseline_outputs=~p.members[0].baseline_outputs), frozenset(Level)),
    "validation": (with_other_samples("validation"), UNTESTED),
    "finetune": (with_other_samples("finetune"), TRAINED),
    "test": (with_other_samples("test"), frozenset({Level.TEST})),
    "calibration": (
        lambda p: with_member(p, splits=replace(p.members[0].splits, calibration=np.zeros((1, 8, 8, 1), np.int8))),
        frozenset(Level),
    ),
    "outputs": (with_values_for_outputs, frozenset(Level)),
    "part": (lambda p: with_spec(p, fidelity__part=0.5), frozenset({Level.PART})),
    "epochs": (lambda p: with_spec(p, fidelity__epochs=3), frozenset({Level.SHORT_FINETUNE})),
    "full epochs": (lambda p: with_spec(p, fidelity__full_epochs=3), frozenset({Level.FULL_FINETUNE})),
    "seed": (lambda p: with_spec(p, seed=8), TRAINED),
    "gpus": (lambda p: with_spec(p, workers__executor="ray", workers__gpus=0.5), TRAINED),
    "batch size": (lambda p: with_spec(p, fidelity__batch_size=32), TRAINED),
    "learning rate": (lambda p: with_spec(p, fidelity__learning_rate=1e-3), TRAINED),
    **{
        key: (lambda p, key=key, value=value: with_spec(p, **{f"hardware__{key}": value}), UNTESTED)
        for key, value in HARDWARE.items()
    },
    "what no evaluation sees": (
        lambda p: with_spec(p, name="other", search__trials=99, search__sampler="tpe", workers__count=7),
        frozenset(),
    ),
}


def keys(prepared: PreparedStudy) -> dict[Level, str]:
    return {level: CacheKeys(prepared)(Job(0, point(prepared), level)) for level in Level}


@pytest.mark.parametrize("case", PROBLEMS)
def test_the_key_changes_exactly_where_results_may(digits: PreparedStudy, case: str) -> None:
    change, levels = PROBLEMS[case]
    before, after = keys(digits), keys(change(digits))
    assert {level for level in Level if before[level] != after[level]} == levels


def test_the_key_depends_on_all_of_a_job_but_its_trial(digits: PreparedStudy) -> None:
    weights = trained_arrays(digits.members[0].network)
    other = {**weights, "fc_7.bias": weights["fc_7.bias"] + 1}
    jobs = [Job(0, point(digits), level) for level in Level]
    others = point(digits, 3), point(digits, 2, Method.ROUND)
    jobs += [Job(0, other_point, Level.INTEGER) for other_point in others]
    jobs += [
        Job(0, point(digits), Level.SHORT_FINETUNE, held, heir_of=point(digits, heir))
        for held in (weights, other)
        for heir in (3, 4)
    ]
    jobs += [Job(0, point(digits), Level.TEST, held, sha) for held in (weights, other) for sha in ("a", "b")]
    key = CacheKeys(digits)
    assert len({key(job) for job in jobs}) == len(jobs)
    assert [key(replace(job, trial=5)) for job in jobs] == [key(job) for job in jobs]
    untrained = replace(point(digits), finetune=Finetune.NONE)  # how far it may climb changes nothing below
    assert key(Job(0, untrained, Level.INTEGER)) == key(Job(0, point(digits), Level.INTEGER))


def test_the_key_depends_on_what_files_hold_and_not_on_where_they_are(digits: PreparedStudy, tmp_path: Path) -> None:
    same_text, other_place, other_text = (
        keys(with_rtl(digits, tmp_path / name, text))
        for name, text in (("a.v", RTL), ("b.v", RTL), ("a.v", RTL + "\n// changed"))
    )
    assert same_text == other_place
    assert same_text[Level.INTEGER] != other_text[Level.INTEGER]


def test_the_key_depends_on_files_that_verilog_includes(digits: PreparedStudy, tmp_path: Path) -> None:
    found = []
    for width in (8, 9):
        (tmp_path / "width.vh").write_text(f"`define WIDTH {width}\n")
        found.append(keys(with_rtl(digits, tmp_path / "a.v", '`include "width.vh"\n' + RTL)))
    before, after = found
    assert {level for level in Level if before[level] != after[level]} == UNTESTED


@pytest.mark.parametrize("part", ["machine", "sources"])
def test_the_key_depends_on_program_and_machine(
    digits: PreparedStudy, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys(digits)
    monkeypatch.setattr(dse.evaluate.cache_key, part, lambda: "other" if part == "machine" else b"other")
    assert all(before[level] != key for level, key in keys(digits).items())


def test_the_program_is_all_that_evaluates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more line in any source file of nets or hwmodels, or of a room of dse that evaluates, is another program."""
    for package in ("nets", "hwmodels", "dse"):
        (tmp_path / package / "inner").mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    files = [tmp_path / "dse" / room / "x.py" for room in dse.evaluate.cache_key.ROOMS]
    files += [tmp_path / "nets" / "inner" / "x.cpp", tmp_path / "hwmodels" / "inner" / "x.toml"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    for package in ("nets", "hwmodels"):
        module = getattr(dse.evaluate.cache_key, package)
        monkeypatch.setattr(module, "__file__", str(tmp_path / package / "__init__.py"))
    monkeypatch.setattr(dse.evaluate.cache_key, "__file__", str(tmp_path / "dse" / "evaluate" / "cache_key.py"))
    digest = dse.evaluate.cache_key.sources.__wrapped__
    digests = {digest()}
    for file in files:
        file.write_text("\n")
        digests.add(digest())
    assert len(digests) == len(files) + 1


def test_the_key_knows_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dse.evaluate.cache_key.machine()
    monkeypatch.setattr(dse.evaluate.cache_key, "version", lambda _package: "0")
    assert dse.evaluate.cache_key.machine() != before


def test_eviction_leaves_what_another_driver_is_writing(tmp_path: Path) -> None:
    cache = EvaluationCache(tmp_path, limit_bytes=1)
    cache.put("aaaa", TestScore(1, 1, 0, 0))
    writing, abandoned = tmp_path / "aa" / ".writing", tmp_path / "aa" / ".abandoned"
    for file in (writing, abandoned):
        file.write_bytes(b"half")
    os.utime(abandoned, (0, 0))
    cache.put("aabb", TestScore(1, 1, 0, 0))
    assert writing.exists()
    assert not abandoned.exists()
