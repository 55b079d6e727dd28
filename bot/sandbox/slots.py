"""User ids for sandboxes: one unprivileged id for each at a time, and a range for buildroots.

RLIMIT_NPROC does not bind root, not even in a user namespace that root made: the kernel checks who
made it. So if this process is root, bubblewrap is started by a user id that nobody else uses at
that moment; a lock file for each id says which are in use, by any process of this machine.
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

# Between the ids of adduser and those of systemd's dynamic users (from 61184 on).
FIRST_UID = 61000
SLOTS = 128

# A range that systemd's list of ids leaves unused: the ids on disk of uid 0 and the others of an
# installed buildroot. It is fixed, so that a cached buildroot stays valid for later runs.
IDS_BASE = 1_900_000_000
# The number of a buildroot's ids without the last, which starts it.
IDS = 65_535
# System users, to whom packages give files, have ids below this.
SYSTEM_USERS = 1000

# The inode of the initial user namespace (PROC_USER_INIT_INO of the kernel).
_FIRST_SPACE = 0xEFFFFFFD

CONTAINER_IDS = (
    "Give the container 65536 ids: on its host, a range in /etc/subuid and /etc/subgid for the user"
    " who starts it (then `podman system migrate`), or podman run --userns=auto:size=65536."
)


@dataclass(frozen=True, slots=True)
class OwnIds:
    """The ids of this user namespace that root gives to sandboxes.

    `slots` are the unprivileged ones; `first` and `count` are the range for buildroots (`count` 0:
    none).
    """

    slots: range
    first: int
    count: int


def ids_in(maps: Sequence[str]) -> OwnIds:
    """Return the ids of a namespace with these maps (of users, of groups; /proc/self/uid_map).

    A container without root on its host (podman, `--userns`) has only some 65,536 ids: there the
    highest are the unprivileged ones, and buildroots have those below, from 1 on.
    """
    maps_of_ids = [mapped_ids(text) for text in maps]
    host = OwnIds(range(FIRST_UID, FIRST_UID + SLOTS), IDS_BASE, IDS)
    if all(_has(ids, IDS_BASE, IDS) and _has(ids, FIRST_UID, SLOTS) for ids in maps_of_ids):
        return host
    top = min(max((start + count for start, count in ids if start <= 1), default=0)
              for ids in maps_of_ids)  # fmt: skip
    slots = range(max(top - SLOTS, (top + 1) // 2), top)
    count = min(slots.start - 1, IDS)
    return OwnIds(slots if top > 1 else range(0), 1, count if count >= SYSTEM_USERS else 0)


@cache
def own_ids() -> OwnIds:
    """Return the ids of this process's namespace."""
    return ids_in([own_map(kind) for kind in ("uid", "gid")])


def own_map(kind: str) -> str:
    """Return the map of this process's users (`uid`) or groups (`gid`), or SandboxError."""
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
    """Return the first inside id and the length of each range of a map, adjacent ones joined."""
    ranges: list[tuple[int, int]] = []
    for start, _, count in sorted(tuple(map(int, line.split())) for line in text.splitlines()):
        if ranges and sum(ranges[-1]) == start:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + count)
        else:
            ranges.append((start, count))
    return ranges


def _has(ranges: Sequence[tuple[int, int]], first: int, count: int) -> bool:
    return any(start <= first and first + count <= start + length for start, length in ranges)


def runtime_directory() -> Path:
    """Return our directory for locks and mount points, made if missing, or SandboxError.

    Its content matters only while sandboxes run. Other users may enter it, not list it.
    """
    uid = os.getuid()
    # In another namespace with the same /tmp, this id may be another user.
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
        # A directory of that name in /tmp may be another user's trap.
        if directory.is_dir() and not directory.is_symlink() and state.st_uid == uid:
            directory.chmod(0o711)
            return directory
    raise SandboxError(
        f"No directory for the sandbox's locks can be made ({candidates[-1]}).",
        "Make that directory writable, or remove what is in its place.",
    )


def unreadable_file() -> Path:
    """Return a file that nobody may open, to be mounted over files that must not be read."""
    path = runtime_directory() / "unreadable"
    path.touch(mode=0)
    return path


@contextlib.contextmanager
def uid_slot() -> Iterator[int | None]:
    """Reserve a user id that no other sandbox of this machine uses now.

    Yields None if this process is not root, or root of a namespace without another id. SandboxError
    where that root is the host's: strangers' code could then write files that only root may write,
    also in /proc.
    """
    if os.getuid() != 0 or not own_ids().slots:
        if is_root_outside(own_map("uid")):
            raise SandboxError(
                "The namespace of this process has no user but the host's root, and strangers' code"
                " is not run as the host's root.",
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
        f"{len(slots)} sandboxes run at the same time, and no user id is left for one more.",
        "Run fewer workers on this machine.",
    )
