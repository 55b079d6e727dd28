"""A range of user ids for one sandbox, which the installation of packages needs.

rpm gives files to users other than root; a user namespace of one id refuses that. If this process
is root it writes the map itself; otherwise newuidmap does, from the ranges of /etc/subuid that are
in our own namespace: a container's may end at 65,535.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from bot.sandbox.launch import STARTER
from bot.sandbox.remedies import in_container, install_remedy, no_new_privileges
from bot.sandbox.slots import CONTAINER_IDS, IDS, SYSTEM_USERS, mapped_ids, own_ids, own_map
from bot.sandbox.values import SandboxError
from bot.sandbox.watch import readable

_WAIT = 10.0


class IdMap:
    """The pipes by which bubblewrap waits for its map: `options` for it, `write` once it runs."""

    def __init__(self) -> None:
        self._ready_read, self._ready_write = os.pipe()
        self._info_read, self._info_write = os.pipe()

    @property
    def descriptors(self) -> tuple[int, int]:
        """The file descriptors that bubblewrap must inherit."""
        return self._ready_read, self._info_write

    @property
    def options(self) -> list[str]:
        """bubblewrap's options."""
        return ["--userns-block-fd", str(self._ready_read), "--info-fd", str(self._info_write)]

    def write(self, uid: int | None) -> None:
        """Map the ids of the sandbox that `uid` has just started; SandboxError if that fails.

        Nothing is done where it has ended: its output says why.
        """
        os.close(self._info_write)
        self._info_write = -1
        pid = self._child()
        if pid is None:
            return
        if uid is not None:
            own = own_ids()
            text = f"0 {own.first} {own.count}\n{STARTER} {uid} 1\n"
            for name in ("gid_map", "uid_map"):
                Path(f"/proc/{pid}/{name}").write_text(text)
        else:
            _map_ids("newgidmap", "/etc/subgid", pid, os.getgid())
            _map_ids("newuidmap", "/etc/subuid", pid, os.getuid())
        os.write(self._ready_write, b"1")

    def close(self) -> None:
        """Close the open ends of the pipes."""
        for descriptor in (self._ready_read, self._ready_write, self._info_read, self._info_write):
            if descriptor >= 0:
                os.close(descriptor)

    def _child(self) -> int | None:
        text = b""
        while readable(self._info_read, _WAIT):
            piece = os.read(self._info_read, 4096)
            text += piece
            try:
                return int(json.loads(text)["child-pid"])
            except ValueError:
                if not piece:
                    return None
        raise SandboxError("The sandbox did not start, so its user ids could not be mapped.")


def check_user_ids() -> str:
    """Return a sentence about the ids for builds; SandboxError with the remedy if too few.

    If this process is not root another program maps them, which must be setuid.
    """
    if os.geteuid() == 0:
        own = own_ids()
        if own.count:
            return f"one for each sandbox, {own.count:,} where packages are installed"
        raise SandboxError(
            "This root's namespace has too few user ids: installing packages needs 65,536.",
            CONTAINER_IDS if in_container() else _more_ids(),
        )
    start, count = range_of_ids()
    range_of_ids("newgidmap", "/etc/subgid")
    if no_new_privileges():
        raise SandboxError(
            "NoNewPrivileges is set for this process: newuidmap cannot map the user ids that"
            " installing packages needs.",
            "Take NoNewPrivileges=yes out of the unit (and what implies it: SystemCallFilter=,"
            " RestrictNamespaces=, ...), --security-opt no-new-privileges out of the container; or"
            " be root.",
        )
    return f"{count:,} from {start} on, where packages are installed"


def _more_ids() -> str:
    """Return the remedy for a user with too few ids: free ids of our namespace."""
    first, last = next_ids((Path("/etc/subuid"), Path("/etc/subgid")))
    source = ""
    space = mapped_ids(own_map("uid"))
    if not any(start <= first and last < start + count for start, count in space):
        top = max((start + count for start, count in space), default=0)
        first, last = os.getuid() + 1, top - 1
        if last - first < SYSTEM_USERS:
            return CONTAINER_IDS
        source = ", of those in /proc/self/uid_map"
    ids = f"{first}-{last}"
    return (
        f"Give this user ids that nobody else has{source}:"
        f" usermod --add-subuids {ids} --add-subgids {ids} {_user_name()} (as root)."
    )


def next_ids(files: Sequence[Path]) -> tuple[int, int]:
    """Return the first and the last of 65,536 ids above all ranges in files like /etc/subuid."""
    first = 100_000
    for file in files:
        for _, start, count in _ranges(file):
            first = max(first, start + count)
    return first, first + STARTER


def range_of_ids(program: str = "newuidmap", file: str = "/etc/subuid") -> tuple[int, int]:
    """Return the first id and the number that `program` may map; SandboxError if too few."""
    if shutil.which(program) is None:
        raise SandboxError(
            f"Installing packages in a sandbox needs {program}, which is not installed.",
            f"{install_remedy('uidmap', 'shadow-utils')} Or be root.",
        )
    subordinate = _subordinate(Path(file))
    space = mapped_ids(own_map("gid" if program == "newgidmap" else "uid"))
    start, count = max(
        _common(subordinate, space), key=lambda part: min(part[1], IDS), default=(0, 0)
    )
    if count < SYSTEM_USERS:
        few = "none of them is in /proc/self/uid_map" if subordinate else "this user has none"
        raise SandboxError(
            f"Installing packages in a sandbox needs the user ids of {file}, and {few}.",
            f"{_more_ids()} Or be root.",
        )
    return start, count


def _common(
    ranges: list[tuple[int, int]], space: list[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield the common parts of two lists of ranges (first, number), in the order of the first."""
    for start, count in ranges:
        for first, length in space:
            begin, end = max(start, first), min(start + count, first + length)
            if begin < end:
                yield begin, end - begin


def _map_ids(program: str, file: str, pid: int, own: int) -> None:
    start, count = range_of_ids(program, file)
    ranges = (0, start, min(count, IDS), STARTER, own, 1)
    process = subprocess.run(
        [program, str(pid), *map(str, ranges)], capture_output=True, check=False, text=True
    )
    if process.returncode != 0:
        check_user_ids()  # raises its own error for NoNewPrivileges
        capability = f"cap_set{program[3:6]}"
        raise SandboxError(
            f"{program} refuses to map the user ids of {file}: {process.stderr.strip()}.",
            f"On a file system without nosuid, it must be setuid root or have the capability: as"
            f" root, chmod u-s /usr/bin/{program}; setcap {capability}=ep /usr/bin/{program}. In a"
            " container without CAP_SYS_ADMIN only the capability helps.",
        )


def _subordinate(file: Path) -> list[tuple[int, int]]:
    """Return the ranges of this user in a file like /etc/subuid: the first id, the number."""
    names = {str(os.getuid()), _user_name()}
    return [(start, count) for name, start, count in _ranges(file) if name in names]


def _user_name() -> str:
    """Return this user's name, or its number where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def _ranges(file: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the user, first id and number of each valid line."""
    with contextlib.suppress(OSError):
        for line in file.read_text().splitlines():
            with contextlib.suppress(ValueError):
                name, start, count = line.split(":")
                yield name, int(start), int(count)
