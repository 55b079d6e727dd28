"""What hangs says where it stands and ends, with what it started and nothing else."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bot.stacks import task_stacks, thread_stacks

HOME = Path(__file__).parents[2]
SPINS = """
import subprocess, sys
from bot.demo.time_limit import TimeLimit
from bot.stacks import write_stacks_on_sigusr1

def spins():
    print("spins", flush=True)
    while True:
        pass
"""


def python(text: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SPINS + text, *arguments],
        cwd=HOME, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_task_is_shown_down_to_what_it_waits_for() -> None:
    async def inner() -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner()

    task = asyncio.create_task(outer(), name="waits")
    await asyncio.sleep(0)
    lines = task_stacks().splitlines()
    at = lines.index("Task waits (most recent call last):")
    assert [line.rpartition(".")[2] for line in lines[at + 1 : at + 4]] == [
        "outer",
        "inner",
        "wait",
    ]
    task.cancel()


def test_sigusr1_shows_where_a_process_is() -> None:
    with python("write_stacks_on_sigusr1(2); spins()") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == "spins\n"
            process.send_signal(signal.SIGUSR1)
            said = process.stderr.readline()
            while "in spins" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            assert process.poll() is None
        finally:
            process.kill()


def test_sigusr1_ends_no_process_whose_threads_are_busy() -> None:
    # faulthandler's way of all threads ended such a process within the first 250 signals.
    with python(
        "import os, threading, time\n"
        "def deep(n): return n if n < 1 else deep(n - 1) + total(n - 1)\n"
        "def total(n): return sum(x for x in (same(n) for _ in range(2)))\n"
        "def same(n): return n\n"
        "def work():\n"
        "    while True: [deep(8) for _ in range(50)]\n"
        "for _ in range(4): threading.Thread(target=work, name='busy', daemon=True).start()\n"
        "write_stacks_on_sigusr1(os.open('/dev/null', os.O_WRONLY))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(60)"
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            for _ in range(400):
                process.send_signal(signal.SIGUSR1)
                time.sleep(0.005)
            assert process.poll() is None
        finally:
            process.kill()


def test_the_stacks_of_other_threads_are_shown() -> None:
    def waits() -> None:
        over.wait()

    over = threading.Event()
    with ThreadPoolExecutor(1, "other") as threads:
        threads.submit(waits)
        while (
            " in test_the_stacks_of_other_threads_are_shown.<locals>.waits" not in thread_stacks()
        ):
            time.sleep(0.01)
        assert "Thread other_0 (most recent call first):" in thread_stacks().splitlines()
        assert " in test_the_stacks_of_other_threads_are_shown\n" not in thread_stacks()
        over.set()


def test_past_its_limit_a_program_ends_with_those_below_it() -> None:
    with python(
        "child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "with TimeLimit(2, 'this'): spins()"
    ) as process:
        shown, said = process.communicate()
    assert process.returncode == 1
    assert "error: this took more than 2 s. Where it stood:" in said
    assert "in spins" in said
    assert not alive(shown.split()[0])


def test_within_its_limit_a_program_goes_on() -> None:
    with python("with TimeLimit(60, 'this'): pass\nprint('on')") as process:
        assert process.communicate() == ("on\n", "")
    assert process.returncode == 0


def limited(seconds: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.time_limited", seconds, *command],
        cwd=HOME, text=True, capture_output=True, check=False,
    )  # fmt: skip


def test_a_command_past_its_limit_ends_with_what_it_left_to_others(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "1000"])
    # The first parent ends at once: its child is not below the shell any more.
    script = (
        "(setsid sleep 1000 >/dev/null 2>&1 & echo $! > orphan); echo $$ > shell; exec sleep 1000"
    )
    done = limited("5", "sh", "-c", f"cd {tmp_path}; {script}")
    try:
        assert done.returncode == 124
        assert "took more than 5 s" in done.stderr
        assert done.stderr.count("sleep 1000") == 2
        for name in ("orphan", "shell"):
            assert not alive((tmp_path / name).read_text().strip())
        assert alive(str(other.pid))
    finally:
        other.kill()
        other.wait()


def test_a_command_in_time_keeps_its_code() -> None:
    assert limited("60", "sh", "-c", "exit 3").returncode == 3


def test_what_ends_without_a_parent_leaves_the_machine_s_processes(tmp_path: Path) -> None:
    """A suite leaves thousands, and a container may have 2,048 processes."""
    script = (
        "(setsid sh -c 'echo $$ >pid; mv pid orphan' &);"
        " until [ -e orphan ] && [ ! -e /proc/$(cat orphan) ]; do sleep 0.1; done"
    )
    assert limited("60", "sh", "-c", f"cd {tmp_path}; {script}").returncode == 0


def hangs(tmp_path: Path, text: str) -> str:
    """Runs a test file with the suite's own set-up and a limit of three seconds; what was shown."""
    file = tmp_path / "test_it.py"
    file.write_text(f"import asyncio\n{text}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "pyproject.toml",
         "-o", "timeout=3", "-o", "timeout_func_only=true", str(file)],
        cwd=HOME, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_a_test_that_waits_for_good_fails_and_shows_its_tasks(tmp_path: Path) -> None:
    said = hangs(
        tmp_path,
        "async def stands(): await asyncio.Event().wait()\n"
        "async def test_first(): await stands()\n"
        "def test_second(): pass\n",
    )
    assert "test_first took too long. Its tasks:" in said
    assert "in stands" in said
    assert "1 failed, 1 passed" in said


def test_a_test_that_spins_fails(tmp_path: Path) -> None:
    said = hangs(
        tmp_path,
        "async def test_spins():\n"
        "    ended = asyncio.ensure_future(asyncio.sleep(0))\n"
        "    await ended\n"
        "    while True: await asyncio.gather(ended)\n",
    )
    assert "Failed: Timeout" in said
