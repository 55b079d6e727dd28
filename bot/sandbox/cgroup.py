"""Control groups (version 2), where we may make them: as root, on a system that has them.

They hold memory and processes exactly, between two looks of the watcher. Where they cannot be
used (not root, a container with a read-only /sys/fs/cgroup, version 1), the watcher and the
per-process limits alone hold.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from bot.sandbox.values import Limit, Limits

_ROOT = Path("/sys/fs/cgroup")
_SLACK = 16  # bubblewrap's own processes, and the few that start it


class ControlGroup:
    """One group for one run; `directory` is None where there is none."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory

    @property
    def processes(self) -> Path | None:
        """The file that a process writes `0` to in order to enter."""
        return None if self.directory is None else self.directory / "cgroup.procs"

    def exceeded(self) -> Limit | None:
        """The limit that the kernel enforced in this group, or null."""
        if self.directory is None:
            return None
        if _event(self.directory / "memory.events", "oom_kill"):
            return "memory"
        if _event(self.directory / "pids.events", "max"):
            return "processes"
        return None

    def kill(self) -> None:
        """End every process of the group."""
        if self.directory is not None:
            with contextlib.suppress(OSError):
                (self.directory / "cgroup.kill").write_text("1")


def _event(path: Path, name: str) -> int:
    try:
        fields = dict(line.split() for line in path.read_text().splitlines())
        return int(fields.get(name, 0))
    except (OSError, ValueError):
        return 0


@contextlib.contextmanager
def control_group(name: str, limits: Limits, root: Path = _ROOT) -> Iterator[ControlGroup]:
    """A group named `name` with these limits, removed afterwards; an empty one where none can be.

    `root` is the mount point of the version 2 hierarchy.
    """
    directory = _make(name, limits, root) if os.getuid() == 0 else None
    group = ControlGroup(directory)
    try:
        yield group
    finally:
        group.kill()
        _remove(directory)


def _make(name: str, limits: Limits, root: Path) -> Path | None:
    try:
        have = set((root / "cgroup.controllers").read_text().split())
        if not {"memory", "pids"} <= have:
            return None
        _enable(root)
        parent = root / "minimize"
        parent.mkdir(exist_ok=True)
        _enable(parent)
        directory = parent / name
        _remove(directory)
        directory.mkdir()
    except OSError:
        return None
    try:
        (directory / "memory.max").write_text(str(limits.memory + limits.tmp))
        (directory / "pids.max").write_text(str(limits.processes + _SLACK))
        (directory / "memory.oom.group").write_text("1")
        swap = directory / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")
    except OSError:
        _remove(directory)
        return None
    return directory


def _enable(directory: Path) -> None:
    control = directory / "cgroup.subtree_control"
    missing = {"memory", "pids"} - set(control.read_text().split())
    if missing:
        control.write_text(" ".join(f"+{name}" for name in sorted(missing)))


def _remove(directory: Path | None) -> None:
    # A group is busy until its last killed process is reaped.
    for _ in range(50):
        if directory is None or not directory.exists():
            return
        try:
            directory.rmdir()
        except OSError:
            time.sleep(0.01)
