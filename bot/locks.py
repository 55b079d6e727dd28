"""Advisory locks on files and directories (flock), with a time limit and the name of the holder.

A lock excludes threads and processes, and ends with the process that has it. Taking one sets the
file's time, so that others can report since when it is held. A process of a service that has a lock
and is frozen for longer than a lease is killed by the one that waits: its work belongs to others by
then.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.errors import SurroundingsError

# Seconds: longer than any holder needs, except builds, and short enough for a person to wait.
LIMIT = 900.0
# Seconds: a build holds its lock for as long as it may take (an hour, unless the settings say
# otherwise).
BUILD_LIMIT = 7200.0
# Seconds: a process of the engine without a heartbeat for this long has lost its work to others;
# and the interval of heartbeats.
LEASE, RENEWAL = 12.0, 3.0
_LOOK = 1.0  # seconds between two checks of a lock's holders
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.2


class LockedError(SurroundingsError):
    """A lock was not free in time; the text names its holder."""


@contextmanager
def locked(
    path: Path,
    *,
    shared: bool = False,
    seconds: float = LIMIT,
    waiting: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock on `path`, a directory or a file that is created if it is missing.

    `shared` locks exclude only those that are not. LockedError after `seconds` of waiting;
    `waiting` is called once, with the holder, if the lock is not free at once. OSError where `path`
    cannot be opened.
    """
    handle = _open(path)
    try:
        _take(path, handle, shared, seconds, waiting)
        yield
    finally:
        os.close(handle)


@contextmanager
def free_lock(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold the lock on `path` if it is free at this moment, and yield whether it was."""
    handle = _open(path)
    try:
        yield _try(handle, shared)
    finally:
        os.close(handle)


def holder(path: Path) -> str:
    """Return a phrase that names the processes with a lock on `path`: id, command, since when."""
    with suppress(OSError):
        state = path.stat()
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(state.st_mtime))
        names = " and ".join(_command(pid) for pid in _holders(state.st_ino))
        return f"{names or 'a process that is not visible from here'} since {since}"
    return "an unknown process"


def _open(path: Path) -> int:
    kind = os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDWR | os.O_CREAT
    return os.open(path, kind | os.O_CLOEXEC, 0o644)


def _take(
    path: Path,
    handle: int,
    shared: bool,
    seconds: float,
    waiting: Callable[[str], None] | None,
) -> None:
    end, pause = time.monotonic() + seconds, _FIRST_PAUSE
    frozen = _Frozen(os.fstat(handle).st_ino)
    while not _try(handle, shared):
        frozen.look()
        if waiting is not None:
            waiting(holder(path))
            waiting = None
        left = end - time.monotonic()
        if left <= 0:
            raise LockedError(
                f"{path} is locked by {holder(path)}; waited {seconds:.0f} s for it.",
                "Wait until that process ends, or end it if it hangs, then try again.",
            )
        # flock itself cannot wait for a limited time outside the main thread.
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


class _Frozen:
    """The frozen holders of a lock, with the time since which they have been seen so."""

    def __init__(self, inode: int) -> None:
        self._inode = inode
        self._since: dict[int, float] = {}
        self._looked = time.monotonic()

    def look(self) -> None:
        """Kill holders that were frozen at each check for a lease's time; checks once a second."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        holders = [pid for pid in _holders(self._inode) if _is_frozen(pid)]
        self._since = {pid: self._since.get(pid, now) for pid in holders}
        for pid, since in self._since.items():
            if now - since >= LEASE:
                import logging  # imported here: cold commands take locks, and kill nobody

                log = logging.getLogger(__name__)
                log.warning("%s has a lock and is frozen: it is ended", _command(pid))
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)


def _is_frozen(pid: int) -> bool:
    """Return whether a process is stopped by a signal or frozen by its cgroup, without a terminal.

    A process that was stopped at a terminal is continued there (proc_pid_stat(5)).
    """
    with suppress(OSError):
        state, _, _, _, terminal = (
            Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[:5]
        )
        if terminal != "0":
            return False
        if state == "T":
            return True
        group = Path(f"/proc/{pid}/cgroup").read_text("utf-8").strip().rpartition("::/")[2]
        return "frozen 1" in Path("/sys/fs/cgroup", group, "cgroup.events").read_text("utf-8")
    return False


def _try(handle: int, shared: bool) -> bool:
    """Return whether the lock was taken."""
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with suppress(PermissionError):  # another user's file: its time stays
        os.utime(handle)
    return True


def _holders(inode: int) -> list[int]:
    """Return the ids of processes with a flock on a file (proc_locks(5)); 0: other namespaces."""
    fields = (line.split() for line in Path("/proc/locks").read_text("ascii").splitlines())
    pids = {
        int(pid)
        for _, kind, _, _, pid, file, *_ in (line for line in fields if "->" not in line)
        if kind == "FLOCK" and file.endswith(f":{inode}")
    }
    return sorted(pids - {0})


def _command(pid: int) -> str:
    try:
        content = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return f"a child of process {pid}, which has ended,"
    words = content.decode("utf-8", "replace").replace("\0", " ").strip()
    return f"process {pid} (`{words[:120]}`)"
