"""Compute processes: ended with all that they started, replaced, warm, and counted by slots."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot import limits
from bot.engine import compute_process
from bot.engine.compute_process import (
    AnswerTooLargeError,
    ComputationError,
    ComputeProcess,
    ProcessEndedError,
    RunStoppedError,
    is_large,
)
from bot.engine.processes import Processes
from bot.errors import ChangeError, SurroundingsError
from bot.model.result_json import check_to_json
from tests.engine.conftest import FakeChecker
from tests.report.situations import SITUATIONS

MEMORY = 2_000_000_000


class Own:
    """What stands in for a checker: it remembers what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def warm_up(self) -> None:
        self.done.append("warmed up")


def pid(_own: Any) -> int:
    return os.getpid()


def remembered(own: Any, word: str) -> list[str]:
    own.done.append(word)
    return list(own.done)


def start_family(_own: Any, folder: Path) -> None:
    """Starts a child in a session of its own, and it another in another: and sleeps."""
    script = (
        "import os, pathlib, subprocess, sys, time\n"
        "inner = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "pathlib.Path(sys.argv[1]).write_text(f'{os.getpid()} {inner.pid}')\n"
        "time.sleep(600)\n"
    )
    subprocess.Popen(
        [sys.executable, "-c", script, str(folder / "writing")], start_new_session=True
    )
    while not (folder / "writing").exists() or len((folder / "writing").read_text().split()) < 2:
        time.sleep(0.01)
    (folder / "family").write_text(f"{os.getpid()} {(folder / 'writing').read_text()}")
    time.sleep(600)


def end_itself(_own: Any, how: int) -> None:
    os.kill(os.getpid(), how)
    time.sleep(600)


def fill_memory(_own: Any, size: int) -> None:
    held = b"x" * size
    time.sleep(600)
    del held


def raised(_own: Any, error: Exception) -> None:
    raise error


def meet(_own: Any, folder: Path) -> int:
    """Returns once two processes are here at a time."""
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.01)
    return os.getpid()


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    processes: Any = Processes(Own, {"predictions": 2, "builds": 1}, memory=MEMORY)
    yield processes
    processes.close()


async def family_in(folder: Path) -> list[psutil.Process]:
    file = folder / "family"
    # A file is there before what is written to it.
    while not file.exists() or len(file.read_text().split()) < 3:
        await asyncio.sleep(0.01)
    return [psutil.Process(int(one)) for one in file.read_text().split()]


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in family if lives(process)]


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False  # it ended between the two questions


async def test_a_process_serves_one_run_after_the_other_and_stays_warm(
    processes: Processes,
) -> None:
    first = await processes.run("a", "predictions", 60, partial(remembered, word="one"))
    again = await processes.run("b", "predictions", 60, partial(remembered, word="two"))
    assert (first, again) == (["one"], ["one", "two"])


async def test_who_is_warm_for_the_same_repositories_is_taken(
    processes: Processes, tmp_path: Path
) -> None:
    async def run(name: str, about: str) -> int:
        return await processes.run(name, "predictions", 60, partial(meet, folder=tmp_path), about)

    centos, fedora = await asyncio.gather(run("a", "centos"), run("b", "fedora"))
    assert centos != fedora
    for about, same in (("fedora", fedora), ("centos", centos), ("centos", centos)):
        assert await processes.run("c", "predictions", 60, pid, about) == same


@pytest.fixture
def limits_of_runs(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.Timeout]:
    """The time limits that were begun, the newest last."""
    begun: list[asyncio.Timeout] = []
    plain = asyncio.timeout

    def timeout(seconds: float | None) -> asyncio.Timeout:
        begun.append(plain(seconds))
        return begun[-1]

    monkeypatch.setattr(asyncio, "timeout", timeout)
    return begun


@pytest.mark.parametrize("how", ["cancelled", "stopped", "too slow", "closed"])
async def test_all_that_a_run_started_ends_with_it(
    processes: Processes, tmp_path: Path, limits_of_runs: list[asyncio.Timeout], how: str
) -> None:
    work = partial(start_family, folder=tmp_path)
    run = asyncio.create_task(processes.run("a", "builds", 600, work))
    family = await family_in(tmp_path)
    assert len(alive(family)) == 3
    if how == "too slow":
        (limit,) = limits_of_runs
        limit.reschedule(asyncio.get_running_loop().time())
    if how == "cancelled":
        run.cancel()
    if how == "stopped":
        await asyncio.to_thread(processes.end, "a")
    if how == "closed":
        processes.close()
    ends = {"cancelled": asyncio.CancelledError, "too slow": TimeoutError}
    with pytest.raises(ends.get(how, RunStoppedError)):
        await run
    assert alive(family) == []


async def test_a_slot_is_free_only_when_its_process_has_ended(
    processes: Processes, tmp_path: Path
) -> None:
    run = asyncio.create_task(
        processes.run("a", "builds", 60, partial(start_family, folder=tmp_path))
    )
    family = await family_in(tmp_path)
    look = partial(none_of, pids=[process.pid for process in family])
    waiting = asyncio.create_task(processes.run("b", "builds", 60, look))
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run
    assert await waiting


def none_of(_own: Any, pids: list[int]) -> bool:
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            if lives(psutil.Process(pid)):
                return False
    return True


async def test_a_run_that_was_stopped_starts_nothing_more(processes: Processes) -> None:
    processes.end("a")
    with pytest.raises(RunStoppedError):
        await processes.run("a", "builds", 60, pid)
    assert await processes.run("b", "builds", 60, pid)


async def test_who_is_cancelled_while_a_process_starts_leaves_slot_and_process(
    processes: Processes,
) -> None:
    for name in ("a", "b", "c"):
        run = asyncio.create_task(processes.run(name, "builds", 60, pid))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    first = await processes.run("d", "builds", 60, pid)
    assert await processes.run("e", "builds", 60, pid) == first


async def test_a_process_that_ends_by_itself_is_named_and_replaced(processes: Processes) -> None:
    with pytest.raises(ProcessEndedError, match="SIGSEGV"):
        await processes.run("a", "builds", 60, partial(end_itself, how=signal.SIGSEGV))
    assert await processes.run("a", "builds", 60, pid)


async def test_a_process_that_takes_too_much_memory_is_ended() -> None:
    small: Any = Processes(Own, {"builds": 1}, memory=400_000_000)
    try:
        with pytest.raises(ProcessEndedError, match="more than the 400 MB"):
            await small.run("a", "builds", 60, partial(fill_memory, size=600_000_000))
    finally:
        small.close()


def large(_own: Any) -> tuple[bytes, ...]:
    return (bytes(limits.LARGE_ANSWER // 10),) * 11  # in its pickle once


async def test_a_large_answer_is_read_only_where_it_is_accepted(processes: Processes) -> None:
    before = await processes.run("a", "builds", 60, pid)
    for accepted in (True, False):

        async def accepts(answer: bool = accepted) -> bool:
            return answer

        reading = processes.run("a", "builds", 60, large, accepts_large=accepts)
        if accepted:
            assert len(await reading) == 11
        else:
            with pytest.raises(AnswerTooLargeError, match="fills more than the 3 MB"):
                await reading
        assert await processes.run("a", "builds", 60, pid, accepts_large=accepts) == before
    assert len(await processes.run("a", "builds", 60, large)) == 11


@pytest.mark.parametrize("situation", SITUATIONS)
def test_an_answer_counts_about_as_much_as_its_json(
    situation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = SITUATIONS[situation][1]()
    size = len(json.dumps(check_to_json(result)))
    for factor, large in ((0.5, True), (2, False)):
        monkeypatch.setattr(limits, "LARGE_ANSWER", factor * size)
        assert is_large((True, result)) is large


async def test_where_nobody_can_tell_a_large_answer_is_not_read(processes: Processes) -> None:
    before = await processes.run("a", "builds", 60, pid)

    async def away() -> bool:
        raise SurroundingsError("The forge is away.")

    with pytest.raises(SurroundingsError, match="The forge is away"):
        await processes.run("a", "builds", 60, large, accepts_large=away)
    assert await processes.run("a", "builds", 60, pid) == before


async def test_errors_for_people_cross_and_the_process_goes_on(processes: Processes) -> None:
    before = await processes.run("a", "builds", 60, pid)
    away = SurroundingsError("The mirror is away.", "Wait.")
    with pytest.raises(SurroundingsError, match="The mirror is away") as found:
        await processes.run("a", "builds", 60, partial(raised, error=away))
    assert (found.value.what, found.value.hint) == (away.what, away.hint)
    with pytest.raises(ChangeError, match="too large"):
        await processes.run("a", "builds", 60, partial(raised, error=ChangeError("too large")))
    assert await processes.run("a", "builds", 60, pid) == before


async def test_a_mistake_of_ours_crosses_with_its_traceback(processes: Processes) -> None:
    with pytest.raises(ComputationError, match="in raised"):
        await processes.run("a", "builds", 60, partial(raised, error=ZeroDivisionError("oops")))


async def test_who_was_idle_for_long_is_ended() -> None:
    now = [0.0]
    processes: Any = Processes(Own, {"builds": 1}, memory=MEMORY, idle=600, clock=lambda: now[0])
    try:
        process = psutil.Process(await processes.run("a", "builds", 60, pid))
        now[0] = 599.0
        assert processes.drop_idle() == 0
        now[0] = 601.0
        assert processes.drop_idle() == 1
        assert alive([process]) == []
    finally:
        processes.close()


OWNER = (
    "import asyncio, functools, pathlib, sys\n"
    "from bot.engine.processes import Processes\n"
    "from tests.engine.test_processes import Own, start_family\n"
    "if __name__ == '__main__':\n"
    "    made = Processes(Own, {'builds': 1}, memory=10**10)\n"
    "    work = functools.partial(start_family, folder=pathlib.Path(sys.argv[1]))\n"
    "    asyncio.run(made.run('a', 'builds', 600, work))\n"
)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_all_ends_with_an_owner_that_is_killed_or_frozen(
    tmp_path: Path, how: signal.Signals
) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], cwd=Path(__file__).parents[2]
    )
    family = await family_in(tmp_path)
    owner.send_signal(how)
    deadline = time.monotonic() + 120
    while alive(family):
        assert time.monotonic() < deadline, family
        await asyncio.sleep(0.05)
    owner.kill()
    owner.wait()


def priority(_own: Any) -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


async def test_what_an_emulated_build_computes_has_a_low_priority_and_its_own_process() -> None:
    processes: Any = Processes(Own, {"builds": 1, "emulated": 1}, memory=MEMORY)
    try:
        usual = await processes.run("a", "builds", 60, priority)
        assert await processes.run("a", "emulated", 60, priority) == min(usual + 15, 19)
        assert await processes.run("b", "builds", 60, priority) == usual
        first = await processes.run("c", "emulated", 60, pid)
        assert await processes.run("d", "emulated", 60, pid) == first
        assert await processes.run("d", "builds", 60, pid) != first
    finally:
        processes.close()


def test_a_start_that_the_forking_server_refuses_is_tried_again(monkeypatch):
    monkeypatch.setattr(compute_process, "_START_PAUSES", (0.0, 0.0, 0.0))
    refusals: list[Exception] = [ConnectionRefusedError(), EOFError()]

    def start() -> None:
        if refusals:
            raise refusals.pop()

    compute_process.start_process(start)
    refusals[:] = [ConnectionRefusedError() for _ in range(3)]
    with pytest.raises(compute_process.ProcessEndedError):
        compute_process.start_process(start)


def test_a_fork_server_that_is_killed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, killed = forkserver.read_signed, [EOFError("unexpected EOF")]  # type: ignore[attr-defined]

    def read_signed(fd: Any) -> Any:
        if killed:
            raise killed.pop()
        return plain(fd)

    monkeypatch.setattr(forkserver, "read_signed", read_signed)
    process = ComputeProcess(FakeChecker, "text")
    assert process.alive
    assert killed == []
    process.end(RunStoppedError("over"))
