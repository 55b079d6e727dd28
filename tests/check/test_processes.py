"""Several values at once, each in a forked process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from bot.check import processes
from bot.check.processes import in_processes
from bot.errors import ChangeError, SurroundingsError

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever threads the test runner has do not take part."""
    monkeypatch.setattr(processes, "threads", lambda: 1)


@pytest.mark.usefixtures("alone")
def test_results_come_in_order_from_other_processes() -> None:
    results = in_processes(lambda n: (n, os.getpid()), range(5))
    assert [n for n, _ in results] == [0, 1, 2, 3, 4]
    assert len({pid for _, pid in results} - {os.getpid()}) == 5


@pytest.mark.usefixtures("alone")
def test_a_large_result_is_whole() -> None:
    assert in_processes(lambda n: bytes([n]) * 3_000_000, [1, 2])[1] == b"\2" * 3_000_000


@pytest.mark.usefixtures("alone")
def test_an_error_for_people_is_raised_here() -> None:
    def fail(number: int) -> int:
        if number:
            raise ChangeError("It does not fit.", "Make it fit.")
        return number

    with pytest.raises(ChangeError, match="It does not fit") as caught:
        in_processes(fail, [0, 1, 2])
    assert caught.value.hint == "Make it fit."


@pytest.mark.usefixtures("alone")
def test_a_process_that_is_killed_is_said() -> None:
    with pytest.raises(SurroundingsError, match="killed"):
        in_processes(lambda _: os.kill(os.getpid(), signal.SIGKILL), [1, 2])


INTERRUPTED = """
import os, signal, sys, time
from bot.check.processes import in_processes

def interrupt(number):
    os.write(1, b"%d " % os.getpid())
    if number:
        os.kill(os.getppid(), signal.SIGINT)
    time.sleep(600)

# A suite that a script started in the background ignores the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.sched_getaffinity = lambda _: {0, 1}
try:
    in_processes(interrupt, [0, 1])
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_an_interruption_ends_the_processes() -> None:
    # In a process of its own: a thread of the test runner would take the signal that the main
    # thread blocks while it forks.
    finished = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 130, finished.stderr
    for pid in finished.stdout.split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_beside_other_threads_nothing_is_forked() -> None:
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        assert in_processes(lambda _: os.getpid(), [1, 2]) == [os.getpid()] * 2
    finally:
        stop.set()
        other.join()
