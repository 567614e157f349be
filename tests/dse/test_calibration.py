"""Calibration in studies: splits, levels, the networks that ship, and the sharing of what calibration costs."""

import base64
import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.point import DesignPoint, Finetune
from dse.design.space import SearchSpace
from dse.errors import StudyError
from dse.evaluate.designs import Calibrations, narrowed, shipped_networks
from dse.evaluate.evaluator import Evaluator
from dse.report.recommendations import recommendation
from dse.report.tables import summary_table
from dse.report.terminal import show
from dse.run import run_study
from dse.store.run_folder import RunFolder
from dse.study.prepared import PreparedMember, PreparedStudy, fingerprint_of, prepare
from dse.verdict.designs import choices, uniform_name
from nets.errors import NetworkError
from nets.narrow import Calibration, RescalerChoice, narrow
from nets.network import QuantizedNetwork, Weighted, fingerprint
from nets.network.operators import Method
from tests.small_studies import small_spec

SAMPLES = 20


@dataclass(frozen=True)
class Shifted:
    """A calibration that adds the number of its samples to the biases of what it narrows."""

    member: PreparedMember
    on_narrow: Callable[[], None] = lambda: None

    def narrow(self, network: QuantizedNetwork, choices: Mapping[str, RescalerChoice]) -> QuantizedNetwork:
        self.on_narrow()
        made = narrow(network, choices, self.member.originals)
        weighted = [operator for operator in made.operators if isinstance(operator, Weighted)]
        return made.with_operators({each.name: replace(each, bias=each.bias + SAMPLES) for each in weighted})


class Counting(Calibrations):
    """Calibrations of the kind above that count how often one is made."""

    def __init__(self) -> None:
        self.made = self.narrowed = 0
        super().__init__(self._shifted)  # type: ignore[arg-type]  # has the one method that is used

    def _shifted(self, member: PreparedMember) -> Shifted:
        assert len(member.splits.calibration) == SAMPLES
        self.made += 1
        return Shifted(member, self._count)

    def _count(self) -> None:
        self.narrowed += 1


@pytest.fixture(scope="module")
def study() -> PreparedStudy:
    return prepare(small_spec(data__calibration=30, fidelity__calibration=SAMPLES, search__contracts=["floor"]))


@pytest.fixture(scope="module")
def space(study: PreparedStudy) -> SearchSpace:
    return study.space


def evaluated(evaluator: Evaluator, point: DesignPoint, level: Level) -> Evaluation:
    evaluation = evaluator.run(Job(0, point, level))
    assert isinstance(evaluation, Evaluation)
    return evaluation


def test_calibration_samples_are_in_no_other_split(study: PreparedStudy) -> None:
    splits = study.members[0].splits
    assert len(splits.calibration) == SAMPLES, "as many as are used"
    parts = (splits.finetune.inputs, splits.validation.inputs, splits.test.inputs)
    assert sum(map(len, parts)) == 1797 - 30
    taken = {image.tobytes() for image in splits.calibration}
    assert not any(image.tobytes() in taken for part in parts for image in part)


def test_every_narrowed_level_is_calibrated_and_int32_is_not(study: PreparedStudy, space: SearchSpace) -> None:
    calibrations, member = Counting(), study.members[0]
    evaluator = Evaluator(study, calibrations)
    point = space.uniform(1, Method.ABSORB, Finetune.SHORT)
    expected = Shifted(member).narrow(member.network, dict(point.choices))
    for level in (Level.PART, Level.CALIBRATED):
        assert evaluated(evaluator, point, level).network_sha256 == fingerprint(expected)
    assert calibrations.narrowed == 1, "a promoted design is narrowed once"
    int32 = evaluated(evaluator, space.uniform(31, Method.ROUND, Finetune.NONE), Level.INTEGER)
    assert int32.network_sha256 == fingerprint(member.network)
    evaluated(evaluator, space.point({**space.parameters(point), "contract": "floor"}), Level.CALIBRATED)
    assert calibrations.made == 1, "statistics of int32 are computed once"


def test_networks_are_those_of_the_calibration_itself(study: PreparedStudy, space: SearchSpace) -> None:
    member, point = study.members[0], space.uniform(1, Method.ABSORB, Finetune.NONE)
    calibration = Calibration(member.network, member.splits.calibration, originals=member.originals)
    expected = fingerprint(calibration.narrow(member.network, dict(point.choices)))
    first, again = (evaluated(Evaluator(study), point, Level.CALIBRATED) for _ in range(2))
    assert first.network_sha256 == again.network_sha256 == expected
    plain = evaluated(Evaluator(study), replace(point, calibration=0), Level.INTEGER)
    assert plain.network_sha256 != expected


def test_what_ships_is_calibrated_again_and_checked(study: PreparedStudy, space: SearchSpace) -> None:
    calibrations = Counting()
    evaluator, point = Evaluator(study, calibrations), space.uniform(2, Method.ABSORB, Finetune.NONE)
    evaluation = evaluated(evaluator, point, Level.CALIBRATED)
    assert evaluation.weights is None, "no weights are stored"
    test = Job(0, point, Level.TEST, None, evaluation.network_sha256)
    assert isinstance(evaluator.run(test), TestScore)
    assert fingerprint_of(shipped_networks(study, point, None, calibrations)) == evaluation.network_sha256
    uncalibrated = replace(point, calibration=0)
    with pytest.raises(ValueError, match="are not those that were validated"):
        evaluator.run(replace(test, point=uncalibrated))


def test_a_fine_tune_starts_from_the_calibrated_network(study: PreparedStudy, space: SearchSpace) -> None:
    point = space.uniform(1, Method.ABSORB, Finetune.SHORT)
    with_calibration, without = (
        evaluated(Evaluator(study, Counting()), each, Level.SHORT_FINETUNE)
        for each in (point, replace(point, calibration=0))
    )
    assert with_calibration.network_sha256 != without.network_sha256
    job = Job(0, point, Level.TEST, with_calibration.weights, with_calibration.network_sha256)
    assert isinstance(Evaluator(study, Counting()).run(job), TestScore)


def test_a_design_of_another_number_of_samples_is_refused(study: PreparedStudy, space: SearchSpace) -> None:
    point = replace(space.uniform(1, Method.ABSORB, Finetune.NONE), calibration=SAMPLES + 1)
    with pytest.raises(ValueError, match="takes 21 calibration samples, not 20"):
        narrowed(study.members[0], point, Counting())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fidelity__calibration": 64}, "fidelity.calibration = 64 needs samples of its own; give data.calibration"),
        ({"data__calibration": 8.5}, "data: calibration = 8.5: give a whole number of samples, or a share below 1"),
        ({"data__calibration": -1}, "data.calibration: Input should be greater than or equal to 0"),
        ({"data__finetune": 0, "data__test": 0.75}, "finetune = 0, but fidelity.finetune = 'short' trains; give it a"),
        (
            {"data__finetune": 0, "data__test": 0.75, "fidelity__finetune": "none"},
            "finetune = 0, but network.topology = 'digits_cnn' is trained on that split",
        ),
    ],
)
def test_splits_that_do_not_suffice_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        small_spec(**changes)


def test_too_few_calibration_samples_are_one_line() -> None:
    with pytest.raises(StudyError, match=r"digits: data.calibration = 10 gives 10 samples, but fidelity.calibration"):
        prepare(small_spec(data__calibration=10, fidelity__calibration=11))
    with pytest.raises(NetworkError, match=r"calibration split of 'digits' takes 1797 of 1797 samples"):
        prepare(small_spec(data__calibration=1797, fidelity__calibration=11))


def test_a_study_of_a_model_needs_no_samples_for_fine_tuning(tmp_path: Path) -> None:
    model = {"model": str(tmp_path / "m.tflite")}
    spec = small_spec(network=model, data__finetune=0, data__test=0.75, fidelity__finetune="none")
    assert spec.members[0].data.finetune == 0


def test_a_study_with_windows_and_calibration_runs_to_its_report(
    study: PreparedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = small_spec(
        data__calibration=30,
        fidelity__calibration=SAMPLES,
        fidelity__finetune="none",
        search__trials=12,
        search__shift_bits=[0, 3, "natural"],
        search__uniform_shift_bits=[0, 3],
        search__starts=2,
        search__start_groups="kind",
    )
    monkeypatch.setattr("dse.run.prepare", lambda _: replace(study, spec=spec))
    results = run_study(spec, folder := RunFolder(tmp_path / "run"))
    complete = results.complete
    assert len(complete) == 12
    assert complete[complete["role"] == "int32"]["fidelity"].tolist() == ["integer"]
    assert complete[complete["role"] == "uniform_window"]["fidelity"].tolist() == ["calibrated"] * 2
    assert complete[complete["role"] == "uniform_window"]["conv_0.shift_bits"].tolist() == [0, 3]
    absorbing = complete.filter(like=".method").eq("absorb").any(axis=1)
    assert (complete["calibration"].eq(SAMPLES) == absorbing).all()
    assert "add_3.shift_bits" not in complete.columns
    front = pd.read_csv(folder.path / "front.csv")
    assert next(name for name in front if name.endswith(".shift_bits")) == "conv_0.shift_bits"
    windowed = results.layers.dropna(subset=["shift_bits"])
    assert (windowed["right_shift_max"] - windowed["right_shift_min"] < 2 ** windowed["shift_bits"]).all()
    page = folder.report_path.read_text(encoding="utf-8")
    assert "shift windows across the front" in page
    assert f"calibrated with {SAMPLES} unlabelled samples" in page
    packed = re.search(r'type="application/gzip" id="data"[^>]*>([^<]*)<', page)
    assert packed is not None
    assert b"uniform window" in gzip.decompress(base64.b64decode(packed[1]))  # the data of the pictures
    console = Console(width=160, record=True)
    show(results, recommendation(results), console)
    text = " ".join(console.export_text().split())  # lines wrap
    assert f"calibrated with {SAMPLES} samples" in text
    names = {uniform_name(choice) for choice in choices(results, results.baselines) if choice.role.is_uniform}
    assert {"all 1 bit, absorb", "all 1 bit, absorb, 1 shift a layer", "all 1 bit, absorb, 8 shifts a layer"} <= names
    assert "Shift windows" in summary_table(results, recommendation(results)).columns
    again = run_study(spec, folder)
    assert again.trials["trial"].tolist() == results.trials["trial"].tolist(), "nothing is left to do"
