"""Ray ends with its driver: no process is left, no folder, and a frozen raylet delays nothing."""

import multiprocessing
import os
import signal
import subprocess
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from dse.design import DesignPoint, Evaluation, Job, Level
from dse.search.interrupts import Interrupted, Interrupts
from dse.workers.processes import kill, processes_of
from dse.workers.ray_pool import RayPool
from tests.fakes import ClosedForm

LIMIT_S = 5.0


def test_processes_are_found_by_their_command_and_with_what_they_started() -> None:
    word = f"word-{os.getpid()}"
    with subprocess.Popen(["sh", "-c", "sleep 600 & wait", word]) as shell:
        until = time.monotonic() + 60
        while len(found := processes_of(word)) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert shell.pid in {number for number, _ in found}
        assert len(found) == 2  # the shell's child does not have the word
        kill({(number, f"{start}0") for number, start in found})  # other processes of the same numbers
        assert processes_of(word) == found
        kill(found)
    assert processes_of(word) == set()


def drive(connection: Connection) -> None:
    """Runs a job on Ray, then closes the pool when told to, unless the process is killed before."""
    pool = RayPool(ClosedForm, workers=1, timeout_s=60)
    folder = pool._cluster._folder  # noqa: SLF001 -- the test follows Ray's processes
    pool.submit(Job(0, DesignPoint(()), Level.INTEGER))
    assert isinstance(pool.next().result, Evaluation)
    connection.send((str(folder), [number for number, _ in processes_of(str(folder))]))
    connection.recv()
    began = time.monotonic()
    pool.close()
    connection.send(time.monotonic() - began)


def alive(processes: list[int]) -> list[int]:
    return [process for process in processes if Path(f"/proc/{process}").exists() and not _is_zombie(process)]


def _is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def gone_in_time(processes: list[int]) -> bool:
    until = time.monotonic() + LIMIT_S
    while alive(processes) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(processes)


def freeze_raylet(processes: list[int]) -> None:
    commands = {process: Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0] for process in processes}
    (raylet,) = (process for process, command in commands.items() if command.endswith(b"/raylet"))
    os.kill(raylet, signal.SIGSTOP)


@pytest.mark.parametrize("fault", ["frozen raylet", "killed driver"])
def test_nothing_of_ray_outlives_its_driver(fault: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    driver = spawn.Process(target=drive, args=(theirs,))
    driver.start()
    folder, processes = ours.recv()
    assert len(alive(processes)) > 3
    if fault == "killed driver":
        os.kill(driver.pid or 0, signal.SIGKILL)
    else:
        freeze_raylet(processes)
        ours.send("close")
        assert ours.recv() < 60  # a machine as busy as it may be; Ray alone would wait for ever
    driver.join()
    assert gone_in_time(processes)
    until = time.monotonic() + LIMIT_S
    while Path(folder).exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(folder).exists()


def stop_with_sigterm(connection: Connection) -> None:
    """Starts Ray as a driver does, and is sent SIGTERM as by a batch system."""
    with suppress(Interrupted), Interrupts().caught():
        pool = RayPool(ClosedForm, workers=1, timeout_s=60)
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        except Interrupted as interrupt:
            connection.send(interrupt.status)
            raise
        finally:
            pool.close()


def test_sigterm_reaches_a_driver_with_ray() -> None:
    """Ray's own handler would abort the process, without tables and without a line."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    driver = spawn.Process(target=stop_with_sigterm, args=(theirs,))
    driver.start()
    theirs.close()
    driver.join()
    assert driver.exitcode == 0
    assert ours.recv() == 128 + signal.SIGTERM
