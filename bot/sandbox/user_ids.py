"""A whole range of user ids for one sandbox: what installing packages needs.

rpm gives files to users other than root; a user namespace of one id refuses that. As root we
write the map ourselves; otherwise newuidmap does, from the ranges of /etc/subuid.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bot.sandbox.launch import STARTER
from bot.sandbox.remedies import in_container, install_remedy, no_new_privileges
from bot.sandbox.slots import CONTAINER_IDS, own_ids
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
        """Map the ids of the sandbox that just started by `uid`; SandboxError if that fails.

        Nothing is done where it ended before: its output says why.
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
            _with_helper("newgidmap", "/etc/subgid", pid, os.getgid())
            _with_helper("newuidmap", "/etc/subuid", pid, os.getuid())
        os.write(self._ready_write, b"1")

    def close(self) -> None:
        """Close what is still open of the pipes."""
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
    """A sentence about the ids that builds have; SandboxError with the remedy where it is none.

    For a process that is not root they are another program's to map, which must be setuid.
    """
    if os.geteuid() == 0:
        own = own_ids()
        if own.count:
            return f"one for each sandbox, {own.count:,} where packages are installed"
        raise SandboxError(
            "This root's namespace has too few user ids: installing packages needs 65,536.",
            CONTAINER_IDS if in_container() else _SUBORDINATE_IDS,
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


_SUBORDINATE_IDS = (
    "Give this user 65536 ids: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
    " (as root; 65536 that nobody else has in /etc/subuid and /etc/subgid)."
)


def range_of_ids(program: str = "newuidmap", file: str = "/etc/subuid") -> tuple[int, int]:
    """The first id and the number of those that `program` may map; SandboxError if too few."""
    start, count = _subordinate(Path(file))
    if shutil.which(program) is None:
        raise SandboxError(
            f"Installing packages in a sandbox needs {program}, which is not installed.",
            f"{install_remedy('uidmap', 'shadow-utils')} Or be root.",
        )
    if count < STARTER:
        raise SandboxError(
            "Installing packages in a sandbox needs a range of user ids, and this user has none in"
            f" {file}.",
            f"{_SUBORDINATE_IDS} Or be root.",
        )
    return start, count


def _with_helper(program: str, file: str, pid: int, own: int) -> None:
    start, _ = range_of_ids(program, file)
    ranges: Sequence[int] = (0, start, STARTER, STARTER, own, 1)
    done = subprocess.run(
        [program, str(pid), *map(str, ranges)], capture_output=True, check=False, text=True
    )
    if done.returncode != 0:
        check_user_ids()  # NoNewPrivileges has its own sentence
        raise SandboxError(
            f"{program} refuses to map the user ids of {file}: {done.stderr.strip()}.",
            f"It must be setuid root (or have the capability that its package gives it), on a file"
            f" system without nosuid; in a container, the ids of {file} must be among those in"
            " /proc/self/uid_map.",
        )


def _subordinate(file: Path) -> tuple[int, int]:
    names = {str(os.getuid())}
    with contextlib.suppress(OSError, KeyError):  # an id without a name
        names.add(getpass.getuser())
    try:
        for line in file.read_text().splitlines():
            name, start, count = line.split(":")
            if name in names:
                return int(start), int(count)
    except (OSError, ValueError):
        pass
    return 0, 0
