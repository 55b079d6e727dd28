"""The control group of one run: memory of every kind, and processes, held by the kernel.

Memory is all that the run's processes hold together: their own, files in memory (/tmp, memfd,
shared memory), the kernel's for them (sockets, pipes, inodes). Where no group can be made, nothing
is run, unless this process was configured so: `run_without_control_groups`.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bot.sandbox.hierarchy import CONTROLLERS, Hierarchy, find_hierarchy
from bot.sandbox.remedies import memory_remedy
from bot.sandbox.values import Limit, Limits, SandboxError
from bot.sandbox.watch import Usage

_SLACK = 16  # bubblewrap's own processes, and the few that start it
_PREFIX = "minimize-run-"
# Version 1 counts TCP's and UDP's buffers apart: this part of the memory is for them.
_SOCKETS = 16


class ControlGroup:
    """One group for one run: its directory for each controller; none where there is no group."""

    def __init__(self, directories: Mapping[str, Path]) -> None:
        self._directories = directories

    @property
    def entrances(self) -> tuple[Path, ...]:
        """The files that a process writes `0` to in order to enter."""
        return tuple(dict.fromkeys(one / "cgroup.procs" for one in self._directories.values()))

    def usage(self) -> Usage | None:
        """The tasks and processes of the group, its memory left to the kernel; null without one."""
        if not self._directories:
            return None
        directory = self._directories["pids"]
        try:
            tasks = int((directory / "pids.current").read_text())
            pids = (directory / "cgroup.procs").read_text().split()
        except (OSError, ValueError):
            return Usage(0, 0, ())
        return Usage(tasks, 0, tuple(sorted(map(int, pids))))

    def exceeded(self) -> Limit | None:
        """The limit that the kernel enforced in this group, or null."""
        if not self._directories:
            return None
        memory, pids = (self._directories[name] for name in CONTROLLERS)
        if _event(memory / "memory.events", "oom_kill") or _event(
            memory / "memory.oom_control", "oom_kill"
        ):
            return "memory"
        return "processes" if _event(pids / "pids.events", "max") else None

    def kill(self) -> None:
        """Send every process of the group the signal to end."""
        for directory in dict.fromkeys(self._directories.values()):
            _kill(directory)


def _event(path: Path, name: str) -> int:
    try:
        fields = dict(line.split() for line in path.read_text().splitlines())
        return int(fields.get(name, 0))
    except (OSError, ValueError):
        return 0


_required = True


def run_without_control_groups() -> None:
    """Let this process run code in the sandbox where its memory cannot be limited as a whole.

    For settings that say so, and for commands that a person starts on a tree of theirs.
    """
    global _required  # noqa: PLW0603 -- a property of the process, as its user is
    _required = False


@functools.cache
def hierarchy() -> Hierarchy | None:
    """Where groups can be made; found once a process."""
    return find_hierarchy()


@contextlib.contextmanager
def control_group(limits: Limits, where: Hierarchy | None) -> Iterator[ControlGroup]:
    """A group with these limits, removed afterwards with all in it; groups of killed runs too.

    SandboxError where there is none, unless `run_without_control_groups` was called.
    """
    directories: dict[str, Path] = {}
    with contextlib.ExitStack() as stack:
        if where is not None:
            name = _PREFIX + secrets.token_hex(8)
            for parent in dict.fromkeys(where.parents.values()):
                _sweep(parent)
                stack.enter_context(_directory(parent / name))
            directories = {each: parent / name for each, parent in where.parents.items()}
            try:
                _limit(directories, where.version, limits)
            except OSError as error:
                raise SandboxError(f"No limits can be set for a control group: {error}.") from error
        elif _required:
            raise SandboxError(
                "No control group can be made here, and the memory of strangers' code not limited.",
                memory_remedy(),
            )
        group = ControlGroup(directories)
        try:
            yield group
        finally:
            group.kill()


def _limit(directories: Mapping[str, Path], version: int, limits: Limits) -> None:
    memory, pids = (directories[name] for name in CONTROLLERS)
    if version == 2:
        (memory / "memory.max").write_text(str(limits.memory))
        (memory / "memory.oom.group").write_text("1")
        _write_if_there(memory / "memory.swap.max", "0")
    else:
        sockets = limits.memory // _SOCKETS
        most = str(limits.memory - sockets)
        (memory / "memory.limit_in_bytes").write_text(most)
        _write_if_there(memory / "memory.memsw.limit_in_bytes", most)
        _write_if_there(memory / "memory.kmem.tcp.limit_in_bytes", str(sockets))
    (pids / "pids.max").write_text(str(limits.processes + _SLACK))


def _write_if_there(file: Path, text: str) -> None:
    if file.exists():
        file.write_text(text)


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[None]:
    """A group's directory, locked while it is in use: a lock ends with its process."""
    while True:
        try:
            path.mkdir()
        except OSError as error:
            raise SandboxError(f"The control group {path} cannot be made: {error}.") from error
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another's sweep came between
        fcntl.flock(lock, fcntl.LOCK_SH)
        if path.exists():
            break
        os.close(lock)
    try:
        yield
    finally:
        _remove(path)
        os.close(lock)


def _sweep(parent: Path) -> None:
    """End and remove the groups below `parent` that a process left behind when it was killed."""
    for path in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _kill(path)
                _remove(path)
            finally:
                os.close(lock)


def _kill(directory: Path) -> None:
    with contextlib.suppress(OSError):
        end = directory / "cgroup.kill"
        if end.exists():
            end.write_text("1")
            return
        for pid in (directory / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGKILL)


def _remove(directory: Path) -> None:
    # A group is busy until its last killed process is reaped.
    for _ in range(100):
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            _kill(directory)
            time.sleep(0.01)
        else:
            return
