"""Advisory locks on files and directories (flock): a limit on waiting, and who holds one.

A lock holds between threads and between processes, and ends with the process that has it. Who
takes one sets the file's time, so that who waits in vain can say since when it is held. A process
of a service that has a lock and is frozen for as long as a lease is ended by who waits for it: its
work is others' by then.
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

# Seconds: longer than what any holder does, builds aside, and shorter than people's patience.
LIMIT = 900.0
# A build holds its lock for as long as it may take (an hour, unless the settings say otherwise).
BUILD_LIMIT = 7200.0
# Seconds: a process of the engine that gives no sign for so long has lost its work to others; it
# gives one each so many.
LEASE, RENEWAL = 12.0, 3.0
_LOOK = 1.0  # seconds between two looks at who holds a lock
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.2


class LockedError(SurroundingsError):
    """A lock was not free in time; the text says who holds it."""


@contextmanager
def locked(
    path: Path,
    *,
    shared: bool = False,
    seconds: float = LIMIT,
    waiting: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock on `path`, a directory or a file that is made where it is missing.

    `shared` locks exclude only those that are not. LockedError once `seconds` of waiting are over;
    `waiting` is called once, with who holds the lock, where it is not free at once. OSError where
    `path` cannot be opened.
    """
    handle = _opened(path)
    try:
        _take(path, handle, shared, seconds, waiting)
        yield
    finally:
        os.close(handle)


@contextmanager
def free_lock(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold the lock on `path` if it is free at this moment; yields false where it is not."""
    handle = _opened(path)
    try:
        yield _try(handle, shared)
    finally:
        os.close(handle)


def holder(path: Path) -> str:
    """A phrase that names the processes with a lock on `path`: id, command, since when."""
    with suppress(OSError):
        state = path.stat()
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(state.st_mtime))
        names = " and ".join(_command(pid) for pid in _holders(state.st_ino))
        return f"{names or 'a process that is not visible from here'} since {since}"
    return "an unknown process"


def _opened(path: Path) -> int:
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
    """The holders of a lock that do not run, since when they have been seen so."""

    def __init__(self, inode: int) -> None:
        self._inode = inode
        self._since: dict[int, float] = {}
        self._looked = time.monotonic()

    def look(self) -> None:
        """End who was frozen at each look for a lease's time; looks once a second."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        holders = [pid for pid in _holders(self._inode) if _is_frozen(pid)]
        self._since = {pid: self._since.get(pid, now) for pid in holders}
        for pid, since in self._since.items():
            if now - since >= LEASE:
                import logging  # here: a cold command takes a lock, and ends nobody

                log = logging.getLogger(__name__)
                log.warning("%s has a lock and is frozen: it is ended", _command(pid))
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)


def _is_frozen(pid: int) -> bool:
    """Return whether a process is stopped by a signal or frozen by its control group, and has no
    terminal: what somebody stopped there is continued there (proc_pid_stat(5))."""
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
    """True once the lock is ours."""
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with suppress(PermissionError):  # another user's file: its time stays
        os.utime(handle)
    return True


def _holders(inode: int) -> list[int]:
    """The ids of the processes that hold a flock on a file (proc_locks(5)); 0 of other spaces."""
    fields = (line.split() for line in Path("/proc/locks").read_text("ascii").splitlines())
    found = {
        int(pid)
        for _, kind, _, _, pid, file, *_ in (line for line in fields if "->" not in line)
        if kind == "FLOCK" and file.endswith(f":{inode}")
    }
    return sorted(found - {0})


def _command(pid: int) -> str:
    try:
        content = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return f"a child of process {pid}, which has ended,"
    words = content.decode("utf-8", "replace").replace("\0", " ").strip()
    return f"process {pid} (`{words[:120]}`)"
