"""Locks: one holder at a time, a limit on waiting, and who holds one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.locks import LockedError, free_lock, holder, locked

HOLD = (
    "import sys; from pathlib import Path; from bot.locks import locked\n"
    "with locked(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.read()"
)


@contextmanager
def another_holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own session that holds the lock until its input ends."""
    argv = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process


def test_a_lock_has_one_holder_at_a_time(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(20):
            with locked(tmp_path / "lock"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_holder_that_is_frozen_for_a_lease_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.locks.LEASE", 2.0)
    with another_holder(tmp_path / "lock") as process:
        process.send_signal(signal.SIGSTOP)
        with locked(tmp_path / "lock", seconds=60):
            assert process.wait(60) == -signal.SIGKILL


def test_a_holder_that_runs_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.locks.LEASE", 0.0)
    with another_holder(tmp_path / "lock") as process:
        with pytest.raises(LockedError), locked(tmp_path / "lock", seconds=2.5):
            pass
        process.communicate(b"")
        assert process.returncode == 0


def test_a_lock_that_stays_held_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with another_holder(path) as process:
        waited: list[str] = []
        with (
            pytest.raises(LockedError) as raised,
            locked(path, seconds=0.05, waiting=waited.append),
        ):
            pass
        process.communicate(b"")
    named = f"process {process.pid} (`{sys.executable} -c import sys"
    assert raised.value.what.startswith(f"{path} is locked by {named}")
    assert raised.value.what.endswith("Z; waited 0 s for it.")
    assert [text.startswith(named) for text in waited] == [True]
    with locked(path, seconds=0):
        assert f"process {os.getpid()} " in holder(path)


def test_shared_locks_exclude_only_others(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, shared=True), locked(path, shared=True, seconds=0):
        with free_lock(path) as ours:
            assert not ours
        with free_lock(path, shared=True) as ours:
            assert ours
    with free_lock(path) as ours:
        assert ours


def test_a_directory_can_be_locked(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(LockedError, match="is locked by"):
        locked(tmp_path, seconds=0).__enter__()
    assert list(tmp_path.iterdir()) == []
