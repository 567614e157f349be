"""Weight inheritance: a fine-tune starts from the nearest design that is already trained."""

from dataclasses import replace
from pathlib import Path

import pytest

from dse.design.evaluation import Evaluation, Job, Level
from dse.design.point import DesignPoint, Finetune
from dse.design.roles import Role
from dse.evaluate.designs import shipped
from dse.evaluate.evaluator import Evaluator
from dse.search.driver import Driver
from dse.search.inheritance import distance, nearest
from dse.search.sampler import make_sampler
from dse.store.run_folder import RunFolder
from dse.store.trials import record_in, role_of
from dse.study.prepared import PreparedStudy
from dse.study.space import space_over
from dse.workers import SerialPool
from nets.narrow.narrowing import RescalerChoice
from nets.network.fingerprints import fingerprint
from nets.network.operators import Method
from tests import stores


def point(*bits: int, method: Method = Method.ROUND) -> DesignPoint:
    return DesignPoint.of({f"conv_{i}": RescalerChoice(k, method) for i, k in enumerate(bits)}, Finetune.SHORT)


def test_distance_counts_octaves_and_methods() -> None:
    assert distance(point(4, 8), point(4, 8)) == 0
    assert distance(point(4, 8), point(8, 2)) == pytest.approx(3)
    assert distance(point(4, 4), point(4, 4, method=Method.ABSORB)) == 2
    assert distance(point(1, 16), point(16, 1)) == distance(point(16, 1), point(1, 16))


def test_nearest_is_the_earliest_of_equals() -> None:
    assert nearest(point(4, 4), {}) is None
    trained = {3: point(8, 8), 1: point(2, 2)}
    assert nearest(point(2, 8), trained) == 1, "two octaves from both: the earlier trial"
    assert nearest(point(4, 4), {**trained, 7: point(4, 5)}) == 7


def inheriting(prepared: PreparedStudy, **changes: object) -> PreparedStudy:
    fidelity = prepared.spec.fidelity.model_copy(update={"inherit": True, **changes})
    return replace(prepared, spec=prepared.spec.model_copy(update={"fidelity": fidelity}))


def test_training_starts_from_the_inherited_weights(digits: PreparedStudy) -> None:
    space = space_over(digits.operators, digits.spec.search, Finetune.SHORT)
    parent, child = (space.uniform(bits, Method.ABSORB, Finetune.SHORT) for bits in (2, 1))
    trained = Evaluator(digits).run(Job(0, parent, Level.SHORT_FINETUNE))
    assert isinstance(trained, Evaluation)
    still = Evaluator(inheriting(digits, learning_rate=1e-12))
    results = [
        still.run(Job(1, child, Level.SHORT_FINETUNE)),
        still.run(Job(1, child, Level.SHORT_FINETUNE, trained.weights, heir_of=parent)),
    ]
    alone, heir = (result for result in results if isinstance(result, Evaluation))
    assert fingerprint(shipped(digits.members[0], child, heir.weights)) == heir.network_sha256
    assert heir.network_sha256 != alone.network_sha256
    assert heir.val_accuracy > alone.val_accuracy, "a trained neighbour is a better start than the narrowed weights"


def test_driver_hands_on_the_weights_of_the_nearest_trained_design(digits: PreparedStudy, tmp_path: Path) -> None:
    prepared, folder = inheriting(digits, slack_pp=50.0), RunFolder(tmp_path)
    folder.weights_path.mkdir()
    space = space_over(prepared.operators, prepared.spec.search, Finetune.SHORT)
    store = stores.opened(stores.journal_for_driver(folder.journal_path), "study")
    store.use(make_sampler(prepared.spec.search, space, 0), space)
    Driver(prepared.spec, store, space, folder, SerialPool(lambda: Evaluator(prepared))).run(12)
    records = {t.number: (role_of(t), r) for t in store.complete() if (r := record_in(t))}
    heirs = {n: r for n, (_, r) in records.items() if r.heir_of is not None}
    assert heirs
    for number, record in heirs.items():
        assert records[number][0] == Role.SEARCH
        assert record.is_trained
        earlier = [n for n, (_, r) in records.items() if n < number and r.is_trained]
        own = DesignPoint.from_json(record.design)
        assert distance(own, DesignPoint.from_json(records[record.heir_of or 0][1].design)) == min(
            distance(own, DesignPoint.from_json(records[n][1].design)) for n in earlier
        )
