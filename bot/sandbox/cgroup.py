"""The control group of one run, with limits on all its memory and on its processes.

Memory is everything that the run's processes use together: their own, files in memory (/tmp, memfd,
shared memory), and the kernel's for them (sockets, pipes, inodes). Where no group can be made,
nothing is run, unless this process allowed it by `run_without_control_groups`.

Groups can be made in these places, of either version (cgroups(7)). Version 2: in this process's own
group where it was delegated (systemd's Delegate=, a container's own group); else, as root, in a
group of ours at the top. A group with processes cannot have limited groups below it, so the
processes of a delegated group are first moved into one below it. Version 1: as root at the top of
each controller's hierarchy, else in the process's own group, if it is writable.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox.remedies import memory_remedy
from bot.sandbox.values import Limit, Limits, SandboxError
from bot.sandbox.watch import Usage

CONTROLLERS = ("memory", "pids")
# The group for a delegated group's processes, and root's group at the top for the runs' groups.
MAIN, OWN = "minimize-main", "minimize"
_PROC = Path("/proc/self")
_SLACK = 16  # for bubblewrap's processes and those that start it
_PREFIX = "minimize-run-"
# Version 1 counts TCP and UDP buffers separately: this fraction of the memory is for them.
_SOCKETS = 16


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The groups, by controller, in which those of runs are made; the same one in version 2."""

    version: int
    parents: dict[str, Path]


@dataclass(frozen=True, slots=True)
class _Mount:
    version: int
    root: str
    place: Path
    controllers: frozenset[str]


def find_hierarchy(proc: Path = _PROC, *, root: bool | None = None) -> Hierarchy | None:
    """Return where this process may make groups with both controllers, or None.

    `proc` has this process's `mountinfo` and `cgroup`; `root` says whether it is root (default: by
    its user id).
    """
    root = os.geteuid() == 0 if root is None else root
    try:
        mounts = list(_mounts((proc / "mountinfo").read_text()))
        own = _own_groups((proc / "cgroup").read_text())
    except OSError:
        return None
    for mount in mounts:
        if mount.version == 2:
            for candidate in _candidates(mount, own.get("", "/"), root=root):
                if _claim(candidate):
                    return Hierarchy(2, dict.fromkeys(CONTROLLERS, candidate))
    parents: dict[str, Path] = {}
    for controller in CONTROLLERS:
        for mount in mounts:
            if mount.version == 1 and controller in mount.controllers:
                place = mount.place if root else _within(mount, own.get(controller, "/"))
                if os.access(place, os.W_OK):
                    parents.setdefault(controller, place)
    return Hierarchy(1, parents) if len(parents) == len(CONTROLLERS) else None


def groups_around(controller: str, proc: Path = _PROC) -> list[Path]:
    """Return the directories of this process's group and its visible parents, in both versions.

    `proc` is as for `find_hierarchy`.
    """
    try:
        mounts = list(_mounts((proc / "mountinfo").read_text()))
        own = _own_groups((proc / "cgroup").read_text())
    except OSError:
        return []
    groups: list[Path] = []
    for mount in mounts:
        if mount.version == 2 or controller in mount.controllers:
            group = _within(mount, own.get("" if mount.version == 2 else controller, "/"))
            groups += [
                directory
                for directory in (group, *group.parents)
                if directory.is_relative_to(mount.place)
            ]
    return groups


def _mounts(text: str) -> Iterator[_Mount]:
    """Yield the mounts of control groups in a `mountinfo` (proc_pid_mountinfo(5))."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(), after.split(maxsplit=2)
        if kind in ("cgroup", "cgroup2"):
            place = Path(fields[4].replace("\\040", " "))
            version = 2 if kind == "cgroup2" else 1
            yield _Mount(version, fields[3], place, frozenset(options.split(",")))


def _own_groups(text: str) -> dict[str, str]:
    """Return this process's groups: by controller for version 1, by an empty name for version 2."""
    groups = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _within(mount: _Mount, group: str) -> Path:
    """Return the directory of a group; the mount's own if the group is outside of the mount."""
    try:
        relative = Path(group).relative_to(mount.root)
    except ValueError:
        return mount.place
    return mount.place / relative if ".." not in relative.parts else mount.place


def _candidates(mount: _Mount, group: str, *, root: bool) -> Iterator[Path]:
    own = _within(mount, group)
    if own.name == MAIN:  # moved by an earlier process of ours, or by our parent
        own = own.parent
    delegated = own == mount.place or _is_delegated(own)
    if delegated or not root:
        yield own
    if root:
        yield mount.place / OWN


def _is_delegated(group: Path) -> bool:
    """Return whether systemd delegated this group to its processes (Delegate=)."""
    for name in ("trusted.delegate", "user.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(group, name) == b"1":
                return True
    return False


def _claim(group: Path) -> bool:
    """Make groups with both controllers possible below `group`; return False where that fails."""
    try:
        if group.name == OWN:
            _enable(group.parent)
            group.mkdir(exist_ok=True)
        if not os.access(group / "cgroup.procs", os.W_OK):
            return False
        try:
            _enable(group)
        except OSError as error:
            if error.errno != errno.EBUSY:
                return False
            _move_processes(group)
            _enable(group)
    except OSError:
        return False
    return True


def _enable(group: Path) -> None:
    control = group / "cgroup.subtree_control"
    missing = set(CONTROLLERS) - set(control.read_text().split())
    if missing:
        control.write_text(" ".join(f"+{name}" for name in sorted(missing)))


def _move_processes(group: Path) -> None:
    target = group / MAIN
    target.mkdir(exist_ok=True)
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            (target / "cgroup.procs").write_text(pid)


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
