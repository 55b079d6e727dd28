"""One unprivileged user id for each sandbox that runs at the same time.

RLIMIT_NPROC does not bind root, not even inside a user namespace that root made: the kernel asks
who made it. So where we are root, bubblewrap is started by a user id that nobody else uses at
that moment; a lock file for each id says which are taken, by any process of this machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bot.sandbox.values import SandboxError

# Between the ids that adduser gives and those of systemd's dynamic users (61184 and on).
FIRST_UID = 61000
SLOTS = 128

# A range that systemd's list of ids leaves unused: what uid 0 and the others of an installed
# buildroot are on disk. Fixed, so that a cached buildroot means the same to every later run.
IDS_BASE = 1_900_000_000


def runtime_directory() -> Path:
    """Our directory for locks and mount points, made if it is missing; SandboxError if it cannot.

    Its content matters only while sandboxes run. Others may enter it and see nothing.
    """
    uid = os.getuid()
    candidates = [Path(tempfile.gettempdir()) / f"minimize-sandbox-{uid}"]
    if uid == 0:
        candidates.insert(0, Path("/run/minimize"))
    elif runtime := os.environ.get("XDG_RUNTIME_DIR"):
        candidates.insert(0, Path(runtime) / "minimize")
    for directory in candidates:
        try:
            directory.mkdir(mode=0o711, exist_ok=True)
            state = directory.lstat()
        except OSError:
            continue
        # Another user's directory of that name in /tmp would be a trap.
        if directory.is_dir() and not directory.is_symlink() and state.st_uid == uid:
            directory.chmod(0o711)
            return directory
    raise SandboxError(
        f"No directory for the sandbox's locks can be made ({candidates[-1]}).",
        "Make that directory writable, or remove what is in its place.",
    )


def unreadable_file() -> Path:
    """A file that nobody may open, for the places inside that are not to be read."""
    path = runtime_directory() / "unreadable"
    path.touch(mode=0)
    return path


@contextlib.contextmanager
def uid_slot() -> Iterator[int | None]:
    """A user id that no other sandbox of this machine uses now; null where we are not root."""
    if os.getuid() != 0:
        yield None
        return
    locks = runtime_directory() / "uids"
    locks.mkdir(mode=0o700, exist_ok=True)
    for uid in range(FIRST_UID, FIRST_UID + SLOTS):
        handle = os.open(locks / str(uid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield uid
            return
        finally:
            os.close(handle)
    raise SandboxError(
        f"{SLOTS} sandboxes run at the same time, and there is no user id for one more.",
        "Run fewer workers on this machine.",
    )
