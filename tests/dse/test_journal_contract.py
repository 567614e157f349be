"""The journal passes Optuna's own contract of storages, also when it is opened again after every step."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.storages import BaseStorage
from optuna.testing.pytest_storages import StorageTestCase

from dse.store.journal import examine, new_journal


class TestJournal(StorageTestCase):
    """Every test of Optuna's; afterwards, every line of the journal is as it was written."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[BaseStorage]:
        path = tmp_path / f"journal-{next(_NUMBERS)}.log"
        yield new_journal(path)
        condition = examine(path)
        assert condition.loss == condition.flaw == ""
        assert condition.good.offset == path.stat().st_size


_NUMBERS = itertools.count()
