"""The journal passes Optuna's own contract of storages, also when it is opened again after every step."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.storages import BaseStorage
from optuna.testing.pytest_storages import StorageTestCase

from dse.store.journal import DriverJournal, Journal, Position, examine, new_journal, write_mark


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


def test_what_the_driver_just_wrote_reads_as_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.touch()
    write_mark(path, Position())
    driver = DriverJournal(path)
    read: list[dict[str, object]] = []
    for number in range(4):
        logs = [{"op_code": 8, "trial_id": number, "user_attr": {"pair": (number, at)}} for at in range(number + 1)]
        driver.append_logs(logs)
        if number != 1:  # after two writes it is read once
            read += driver.read_logs(len(read))
    from_file = list(Journal(path).read_logs(0))
    assert read == from_file
    assert len(read) == 10
    assert list(driver.read_logs(7)) == from_file[7:]
    assert list(driver.read_logs(0)) == from_file  # a reader that begins anew
    assert list(driver.read_logs(10)) == []
