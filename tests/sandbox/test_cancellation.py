"""Work that nobody waits for any more: what it runs in sandboxes ends, with all it started."""

from __future__ import annotations

import contextlib
import contextvars
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import bot
from bot.build.mock import run_within_limits
from bot.sandbox.cancellation import Cancellation, WorkCancelled, current_cancellation
from bot.sandbox.disk import DiskRoom
from bot.sandbox.run import run_sandboxed, sandbox_available
from bot.sandbox.values import Bind, Limits

needs_sandbox = pytest.mark.skipif(
    sandbox_available() is not None, reason=f"no sandbox here: {sandbox_available()}"
)
# What a spec file's author may do to stay: another session, no parent, deaf to signals.
HOSTILE = """
trap '' HUP TERM INT
for i in 1 2 3; do (setsid sh -c 'trap "" HUP TERM; sleep "$0"' "$0" &) ; done
echo started > /out/started
sleep "$0"
"""
# Seconds of a sleep that no other process of this machine sleeps.
OURS = f"86411.{os.getpid()}"


@contextlib.contextmanager
def working(work: Callable[[], object]) -> Iterator[tuple[Cancellation, Future[object]]]:
    """`work` in a thread, as an engine's step runs it: its cancellation, and how it ends."""
    cancellation = Cancellation()
    with ThreadPoolExecutor(1) as threads:
        try:
            yield cancellation, threads.submit(cancellation.run, work)
        finally:
            cancellation.cancel()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists()


def processes_with(argument: str) -> list[int]:
    """The processes of this machine that have this argument."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if argument.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


@needs_sandbox
def test_cancelled_work_leaves_no_process(tmp_path: Path) -> None:
    binds = [Bind(tmp_path, "/out", writable=True)]

    def work() -> None:
        run_sandboxed(["bash", "-c", HOSTILE, OURS], binds=binds, limits=Limits(seconds=3600))

    with working(work) as (cancellation, future):
        wait_for(tmp_path / "started")
        assert processes_with(OURS)
        cancellation.cancel()
    assert isinstance(future.exception(), WorkCancelled)
    assert processes_with(OURS) == []


@needs_sandbox
def test_cancelled_work_starts_nothing_more() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(WorkCancelled):
        cancellation.run(lambda: run_sandboxed(["true"]))


@needs_sandbox
def test_other_work_goes_on(tmp_path: Path) -> None:
    binds = [Bind(tmp_path, "/out", writable=True)]
    script = "echo > /out/started; while [ ! -e /out/end ]; do sleep 0.01; done"

    def work() -> None:
        run_sandboxed(["bash", "-c", script], binds=binds, limits=Limits(seconds=3600))

    other = Cancellation()
    with working(work) as (_, future):
        wait_for(tmp_path / "started")
        other.cancel()
        assert run_sandboxed(["echo", "fine"]).stdout == b"fine\n"
        (tmp_path / "end").touch()
        assert future.exception() is None


@needs_sandbox
def test_a_sandbox_that_could_not_start_cancels_nothing(tmp_path: Path) -> None:
    cancellation = Cancellation()
    with pytest.raises(Exception, match="could not start"):
        cancellation.run(lambda: run_sandboxed(["true"], binds=[Bind(tmp_path, "/usr/nothere")]))
    cancellation.check()


def test_a_thread_that_is_given_the_context_has_the_cancellation() -> None:
    cancellation = Cancellation()

    def work() -> Cancellation:
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(context.run, current_cancellation).result()

    assert cancellation.run(work) is cancellation
    assert current_cancellation() is not cancellation


def test_a_cancelled_mock_is_asked_to_end_and_is_awaited(tmp_path: Path) -> None:
    script = f"trap 'echo > {tmp_path}/unmounted; exit' TERM; echo > {tmp_path}/started; "
    command = ["bash", "-c", script + "while :; do sleep 0.01; done"]

    def work() -> None:
        run_within_limits(command, subprocess.DEVNULL, 3600, DiskRoom([], 0))

    with working(work) as (cancellation, future):
        wait_for(tmp_path / "started")
        cancellation.cancel()
    assert isinstance(future.exception(), WorkCancelled)
    assert (tmp_path / "unmounted").exists()


@needs_sandbox
def test_an_interrupted_caller_does_not_wait_for_the_sandbox(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, threading, time\n"
        "from pathlib import Path\n"
        "from bot.sandbox.run import run_sandboxed\n"
        "from bot.sandbox.values import Bind, Limits\n"
        "out = Path(sys.argv[1])\n"
        "def interrupt():\n"
        "    while not (out / 'started').exists(): time.sleep(0.01)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        # A suite that a script started in the background ignores the signal.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "threading.Thread(target=interrupt, daemon=True).start()\n"
        "try:\n"
        "    run_sandboxed(['sh', '-c', 'echo > /out/started; sleep ' + sys.argv[2]],\n"
        "        binds=[Bind(out, '/out', writable=True)], limits=Limits(seconds=3600))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    place = Path(bot.__file__).parents[1]
    environment = dict(os.environ, PYTHONPATH=str(place))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), OURS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "interrupted\n", done.stderr
    assert processes_with(OURS) == []
