"""The control group of one run, with limits on all its memory and on its processes.

Memory is everything that the run's processes use together: their own, files in memory (/tmp, memfd,
shared memory), and the kernel's for them (sockets, pipes, inodes). Where no group can be made,
nothing is run, unless this process allowed it by `run_without_control_groups`.
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

_SLACK = 16  # for bubblewrap's processes and those that start it
_PREFIX = "minimize-run-"
# Version 1 counts TCP and UDP buffers separately: this fraction of the memory is for them.
_SOCKETS = 16


class ControlGroup:
    """The group of one run: its directory for each controller; empty where there is no group."""

    def __init__(self, directories: Mapping[str, Path]) -> None:
        self._directories = directories

    @property
    def entrances(self) -> tuple[Path, ...]:
        """The files to which a process writes `0` to enter the group."""
        return tuple(
            dict.fromkeys(directory / "cgroup.procs" for directory in self._directories.values())
        )

    def usage(self) -> Usage | None:
        """Return the tasks and processes of the group, or None without one.

        Its memory is 0 there: the kernel limits it.
        """
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
        """Return the limit that the kernel enforced in this group, or None."""
        if not self._directories:
            return None
        memory, pids = (self._directories[name] for name in CONTROLLERS)
        if _event(memory / "memory.events", "oom_kill") or _event(
            memory / "memory.oom_control", "oom_kill"
        ):
            return "memory"
        return "processes" if _event(pids / "pids.events", "max") else None

    def kill(self) -> None:
        """Kill every process of the group."""
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
    """Allow this process to run sandboxes whose total memory cannot be limited.

    For settings that allow it, and for commands on a person's own files.
    """
    global _required  # noqa: PLW0603 -- a property of the process, as its user is
    _required = False


@functools.cache
def hierarchy() -> Hierarchy | None:
    """Return where groups can be made, found once in a process."""
    return find_hierarchy()


@contextlib.contextmanager
def control_group(limits: Limits, where: Hierarchy | None) -> Iterator[ControlGroup]:
    """Make a group with these limits; it is removed afterwards with all its processes.

    Groups of killed runs are removed too. SandboxError where no group can be made, unless
    `run_without_control_groups` was called.
    """
    directories: dict[str, Path] = {}
    with contextlib.ExitStack() as stack:
        if where is not None:
            name = _PREFIX + secrets.token_hex(8)
            for parent in dict.fromkeys(where.parents.values()):
                _sweep(parent)
                stack.enter_context(_directory(parent / name))
            directories = {
                controller: parent / name for controller, parent in where.parents.items()
            }
            try:
                _limit(directories, where.version, limits)
            except OSError as error:
                raise SandboxError(f"No limits can be set for a control group: {error}.") from error
        elif _required:
            raise SandboxError(
                "No control group can be made here to limit the memory of strangers' code.",
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
    """Make a group's directory, locked while it is in use: a lock ends with its process."""
    while True:
        try:
            path.mkdir()
        except OSError as error:
            raise SandboxError(f"The control group {path} cannot be made: {error}.") from error
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process swept it
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
    """Kill and remove the groups below `parent` that killed processes left."""
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
