"""Study files: what is refused, how it is said, and that reading back what was written changes nothing."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dse.errors import StudyError
from dse.fetch import name_in, public_files
from dse.study.inputs import input_files
from dse.study.loading import load_study, validated
from dse.study.spec import StudyDocument
from dse.study.values import DEFAULT_MULTIPLIER_BITS
from nets.network.contracts import CONTRACTS
from studies.reference.write_study_file import reference
from tests.small_studies import document, small_spec, write_study

# Changed keys, then what the one line must hold: key, value, what would be right.
BAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"serch__trials": 5}, ("unknown key serch", "did you mean search?")),
    ({"search__trails": 5}, ("unknown key search.trails = 5; did you mean trials?",)),
    ({"network__weigth_bits": 5}, ("unknown key network.weigth_bits = 5; did you mean weight_bits?",)),
    ({"search__rescalers": [{"names": "*", "method": ["round"]}]}, ("rescalers.0.method", "did you mean methods?")),
    ({"search__colour": 5}, ("unknown key search.colour = 5", "docs/study-file.md")),
    ({"search__trials": "12"}, ("search.trials", "integer", "'12'")),
    ({"search__trials": 12.0}, ("search.trials", "integer", "12.0")),
    ({"search__trials": True}, ("search.trials", "integer", "True")),
    ({"search__trials": 0}, ("search.trials", "greater than or equal to 1", "0")),
    ({"search__multiplier_bits": [4, 40]}, ("search.multiplier_bits.1", "less than or equal to 31", "40")),
    ({"search__multiplier_bits": [0]}, ("search.multiplier_bits.0", "greater than or equal to 1", "0")),
    ({"search__multiplier_bits": []}, ("search.multiplier_bits", "at least 1")),
    ({"search__multiplier_bits": [4, 4]}, ("search", "multiplier_bits = [4, 4]", "twice")),
    ({"search__multiplier_bits": 4}, ("search.multiplier_bits", "4")),
    ({"search__methods": ["absorb", "guess"]}, ("search.methods.1", "'round' or 'absorb'", "'guess'")),
    ({"search__sampler": "magic"}, ("search.sampler", "'tpe'", "'magic'")),
    ({"search__uniform_multiplier_bits": [32]}, ("search.uniform_multiplier_bits.0", "31", "32")),
    ({"network__weight_bits": 2}, ("network.weight_bits", "greater than or equal to 3", "2")),
    ({"network__weight_bits": 9}, ("network.weight_bits", "less than or equal to 8", "9")),
    ({"network__contract": "banker"}, ("network", "'banker'", *CONTRACTS)),
    ({"network__topology": None}, ("network", "either model", "not neither")),
    ({"network__model": "m.tflite"}, ("network", "not both")),
    ({"network__cut": ["x", 3]}, ("network", "cut = ['x', 3] cuts a model", "leave cut out")),
    ({"network__topology": "vgg"}, ("network.topology", "'digits_cnn'", "'vgg'")),
    ({"data__samples": "x.npz"}, ("data", "not both")),
    ({"data__dataset": None}, ("data", "not neither")),
    ({"data__test": 0.5}, ("data", "must be 1", "0.5")),
    ({"data__finetune": -0.1}, ("data.finetune", "greater than or equal to 0", "-0.1")),
    ({"data": None}, ("data", "missing")),
    ({"name": None}, ("name", "missing")),
    ({"name": "../up"}, ("name", "pattern", "'../up'")),
    ({"name": 3}, ("name", "string", "3")),
    ({"seed": -1}, ("seed", "greater than or equal to 0", "-1")),
    ({"seed": 2**31}, ("seed", "less than", str(2**31))),
    ({"fidelity__finetune": "long"}, ("fidelity.finetune", "'none'", "'short'", "'long'")),
    ({"fidelity__slack_pp": float("nan")}, ("fidelity.slack_pp", "finite", "nan")),
    ({"workers__timeout_s": float("inf")}, ("workers.timeout_s", "finite", "inf")),
    ({"workers__executor": "slurm"}, ("workers.executor", "'ray' or 'serial'", "'slurm'")),
    ({"hardware__accelerator": {"preset": "tpu"}}, ("hardware.accelerator.preset", "'nvdla_small'", "'tpu'")),
    ({"hardware__accelerator": {"preset": ["finn"]}}, ("hardware.accelerator.preset", "finn")),
    ({"hardware__accelerator": {"buffer_kib": 0}}, ("hardware.accelerator.buffer_kib", "greater than 0")),
    (
        {"hardware__accelerator": {"preset": "finn", "weight_uses": 2}},
        ("hardware", "accelerator.weight_uses is given by preset = 'finn'"),
    ),
    (
        {"hardware__accelerator": {"preset": "nvdla_small"}, "hardware__mac_lanes": 16},
        ("hardware", "mac_lanes = 16, but accelerator.preset = 'nvdla_small' has 64", "leave one out"),
    ),
    ({"hardware__style": "systolic"}, ("hardware.style", "'streaming' or 'shared'", "'systolic'")),
    ({"accuracy": "mean"}, ("accuracy = 'mean'", "several networks", "leave it out")),
    ({"hardware__cost_source": "guess"}, ("hardware.cost_source", "'analytic'", "'guess'")),
]


@pytest.mark.parametrize(("changes", "said"), BAD, ids=lambda value: "-".join(value) if isinstance(value, dict) else "")
def test_bad_input_is_one_clear_line(tmp_path: Path, changes: dict[str, Any], said: tuple[str, ...]) -> None:
    path = write_study(tmp_path, **changes)
    with pytest.raises(StudyError) as caught:
        load_study(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for words in said:
        assert words in message


@pytest.mark.parametrize(("key", "value"), [("network__model", "nowhere/m.tflite"), ("data__samples", "nowhere/s.npz")])
def test_missing_file_is_named_with_its_key(tmp_path: Path, key: str, value: str) -> None:
    table, name = key.split("__")
    other = {"network": "network__topology", "data": "data__dataset"}[table]
    with pytest.raises(StudyError, match=rf"{table}\.{name}: no such file: {tmp_path}/{value}"):
        load_study(write_study(tmp_path, **{other: None, key: value}))


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such study file"), (b"name = ", "TOML"), (b"\xff\xfe", "TOML"), (b"a = 1\na = 2", "TOML")],
)
def test_unreadable_study_file(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "broken.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError, match=said) as caught:
        load_study(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_study_file(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="not a readable TOML file"):
        load_study(tmp_path)


def test_paths_are_relative_to_the_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "s.npz").write_bytes(b"")
    (tmp_path / "elsewhere").mkdir()
    path = write_study(tmp_path, data__dataset=None, data__samples="data/s.npz")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_study(path).members[0].data.samples == (tmp_path / "data" / "s.npz").resolve()


def test_defaults_are_documented_widths() -> None:
    widths = small_spec(search=None).search.multiplier_bits
    assert widths == DEFAULT_MULTIPLIER_BITS
    assert set(widths) == {*range(1, 17), 31}


@given(
    seed=st.integers(0, 2**31 - 1),
    trials=st.integers(1, 10_000),
    bits=st.lists(st.integers(1, 31), min_size=1, max_size=31, unique=True),
    methods=st.permutations(["round", "absorb"]).flatmap(lambda both: st.sampled_from([both, both[:1]])),
    finetune=st.sampled_from(["none", "short"]),
    slack=st.floats(0, 100, allow_nan=False),
    contract=st.sampled_from(sorted(CONTRACTS)),
    style=st.sampled_from(["streaming", "shared"]),
    name=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,20}\Z"),
)
def test_written_and_read_again_is_equal(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    trials: int,
    bits: list[int],
    methods: list[str],
    finetune: str,
    slack: float,
    contract: str,
    style: str,
    name: str,
) -> None:
    spec = small_spec(
        name=name,
        seed=seed,
        search__trials=trials,
        search__multiplier_bits=bits,
        search__methods=methods,
        fidelity__finetune=finetune,
        fidelity__slack_pp=slack,
        network__contract=contract,
        hardware__style=style,
    )
    path = tmp_path_factory.getbasetemp() / "again.toml"
    path.write_text(spec.to_toml(), encoding="utf-8")
    assert load_study(path) == spec
    assert TypeAdapter(StudyDocument).validate_json(spec.model_dump_json()) == spec


def test_identity_leaves_out_how_long_and_by_how_many_only() -> None:
    spec = small_spec()
    same = small_spec(search__trials=99, workers__count=7, workers__executor="ray", report__margin_pp=0.5)
    assert spec.identity() == same.identity()
    for changes in ({"seed": 8}, {"search__sampler": "tpe"}, {"network__weight_bits": 5}, {"fidelity__epochs": 2}):
        assert spec.identity() != small_spec(**changes).identity()


def test_the_reference_is_up_to_date() -> None:
    """``python -m studies.reference.write_study_file`` writes it."""
    page = Path(__file__).parents[2] / "docs" / "study-file.md"
    assert page.read_text(encoding="utf-8") == reference()
    assert "None" not in reference()  # every key is described


@pytest.mark.parametrize("study", sorted((Path(__file__).parents[2] / "studies").glob("*.toml")), ids=lambda p: p.stem)
def test_the_studies_of_the_project_are_valid(study: Path) -> None:
    spec = validated(tomllib.loads(study.read_text(encoding="utf-8")), study.parent)
    assert spec.name == study.stem
    for key, file in input_files(spec).items():
        name = name_in(file)
        assert name in public_files(), f"{key} names a file that a stranger does not have"


def test_values_do_not_change_after_validation() -> None:
    with pytest.raises(ValueError, match="frozen"):
        small_spec().seed = 3  # type: ignore[misc]


def test_validated_takes_plain_toml_values() -> None:
    assert validated(document()) == small_spec()


def test_objectives_are_metrics_and_begin_with_the_drop() -> None:
    named = ["val_accuracy_drop_pp", "accelerator_energy_nj", "latency_cycles"]
    assert list(small_spec(search__objectives=named).search.objectives) == named
    for wrong, said in (
        (named[1:], "the first one, and no other, is val_accuracy_drop_pp"),
        ([*named, "val_divergence"], "the first one, and no other, is val_accuracy_drop_pp"),
        (named[:1], "at least 2 items"),
        ([*named, named[1]], "names a value twice"),
        ([*named, "beauty"], "latency_cycles"),
    ):
        with pytest.raises(StudyError, match=said):
            small_spec(search__objectives=wrong)
