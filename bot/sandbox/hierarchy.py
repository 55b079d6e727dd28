"""The places on this machine where control groups can be made, of either version (cgroups(7)).

Version 2: in this process's own group where it was delegated (systemd's Delegate=, a container's
own group); else, as root, in a group of ours at the top. A group with processes cannot have limited
groups below it, so the processes of a delegated group are first moved into one below it. Version 1:
as root at the top of each controller's hierarchy, else in the process's own group, if it is
writable.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = ("memory", "pids")
# The group for a delegated group's processes, and root's group at the top for the runs' groups.
MAIN, OWN = "minimize-main", "minimize"
_PROC = Path("/proc/self")


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
