"""User ids: an unprivileged one for each sandbox that runs at once, a range for buildroots.

RLIMIT_NPROC does not bind root, not even inside a user namespace that root made: the kernel asks
who made it. So where we are root, bubblewrap is started by a user id that nobody else uses at
that moment; a lock file for each id says which are taken, by any process of this machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.sandbox.values import SandboxError

# Between the ids that adduser gives and those of systemd's dynamic users (61184 and on).
FIRST_UID = 61000
SLOTS = 128

# A range that systemd's list of ids leaves unused: what uid 0 and the others of an installed
# buildroot are on disk. Fixed, so that a cached buildroot means the same to every later run.
IDS_BASE = 1_900_000_000
# The ids of a buildroot but the last, which is the one that starts it.
IDS = 65_535
# Packages give files to the users of the system, whose ids are below this.
SYSTEM_USERS = 1000

# The number of the user namespace that there is at first (PROC_USER_INIT_INO of the kernel).
_FIRST_SPACE = 0xEFFFFFFD

CONTAINER_IDS = (
    "Give the container 65536 ids: on its host, a range in /etc/subuid and /etc/subgid for the user"
    " who starts it (then `podman system migrate`), or podman run --userns=auto:size=65536."
)


@dataclass(frozen=True, slots=True)
class OwnIds:
    """The ids that root of this user namespace gives to sandboxes.

    `slots` are the unprivileged ones; `first` and `count` the range for buildroots, or 0 of them.
    """

    slots: range
    first: int
    count: int


def ids_in(maps: Sequence[str]) -> OwnIds:
    """The ids of a namespace with these maps (of users, of groups), as /proc/self/uid_map has them.

    In a container without root on its host (podman, `--userns`) only some 65,536 are mapped: there
    the highest are the unprivileged ones, and buildroots have those below, from 1 on.
    """
    mapped = [mapped_ids(text) for text in maps]
    host = OwnIds(range(FIRST_UID, FIRST_UID + SLOTS), IDS_BASE, IDS)
    if all(_has(ids, IDS_BASE, IDS) and _has(ids, FIRST_UID, SLOTS) for ids in mapped):
        return host
    top = min(max((start + count for start, count in ids if start <= 1), default=0)
              for ids in mapped)  # fmt: skip
    slots = range(max(top - SLOTS, (top + 1) // 2), top)
    count = min(slots.start - 1, IDS)
    return OwnIds(slots if top > 1 else range(0), 1, count if count >= SYSTEM_USERS else 0)


@cache
def own_ids() -> OwnIds:
    """Those of this process's namespace."""
    return ids_in([own_map(kind) for kind in ("uid", "gid")])


def own_map(kind: str) -> str:
    """The map of this process's users (`uid`) or groups (`gid`); SandboxError without a /proc."""
    try:
        return Path(f"/proc/self/{kind}_map").read_text()
    except FileNotFoundError as error:
        raise SandboxError(
            "There is no /proc here, and the sandbox cannot work without.",
            "In a chroot: mount -t proc proc /proc.",
        ) from error


def is_root_outside(uid_map: str) -> bool:
    """Return whether the only id of a namespace is root, inside and outside."""
    return [line.split() for line in uid_map.splitlines()] == [["0", "0", "1"]]


def mapped_ids(text: str) -> list[tuple[int, int]]:
    """The first id inside and the number of each line of a map, neighbours joined."""
    joined: list[tuple[int, int]] = []
    for start, _, count in sorted(tuple(map(int, line.split())) for line in text.splitlines()):
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + count)
        else:
            joined.append((start, count))
    return joined


def _has(mapped: Sequence[tuple[int, int]], first: int, count: int) -> bool:
    return any(start <= first and first + count <= start + many for start, many in mapped)


def runtime_directory() -> Path:
    """Our directory for locks and mount points, made if it is missing; SandboxError if it cannot.

    Its content matters only while sandboxes run. Others may enter it and see nothing.
    """
    uid = os.getuid()
    # Another namespace's user of that id, with the same /tmp, is somebody else.
    space = Path("/proc/self/ns/user").stat().st_ino
    name = f"minimize-sandbox-{uid}" if space == _FIRST_SPACE else f"minimize-sandbox-{uid}-{space}"
    candidates = [Path(tempfile.gettempdir()) / name]
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
    """A user id that no other sandbox of this machine uses now; null where we are not root, or root
    of a namespace that has no other id. SandboxError where that root is the host's: files that only
    root may write, of /proc too, would be written by what strangers wrote."""
    if os.getuid() != 0 or not own_ids().slots:
        if is_root_outside(own_map("uid")):
            raise SandboxError(
                "The namespace of this process has no user but the host's root, and as root of the"
                " host nothing of strangers is run.",
                CONTAINER_IDS,
            )
        yield None
        return
    locks = runtime_directory() / "uids"
    locks.mkdir(mode=0o700, exist_ok=True)
    slots = own_ids().slots
    for uid in slots:
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
        f"{len(slots)} sandboxes run at the same time, and there is no user id for one more.",
        "Run fewer workers on this machine.",
    )
