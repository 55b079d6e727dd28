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
from bot.sandbox.slots import IDS_BASE
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
        """Map the ids of the sandbox that just started by `uid`; SandboxError if that fails."""
        os.close(self._info_write)
        self._info_write = -1
        pid = self._child()
        if uid is not None:
            text = f"0 {IDS_BASE} {STARTER}\n{STARTER} {uid} 1\n"
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

    def _child(self) -> int:
        text = b""
        while readable(self._info_read, _WAIT):
            piece = os.read(self._info_read, 4096)
            text += piece
            try:
                return int(json.loads(text)["child-pid"])
            except ValueError:
                if not piece:
                    break
        raise SandboxError("The sandbox did not start, so its user ids could not be mapped.")


def range_of_ids(program: str = "newuidmap", file: str = "/etc/subuid") -> tuple[int, int]:
    """The first id and the number of those that `program` may map; SandboxError if too few."""
    start, count = _subordinate(Path(file))
    if shutil.which(program) is None or count < STARTER:
        raise SandboxError(
            "Installing packages in a sandbox needs a range of user ids, and there is none.",
            f"Install uidmap (shadow-utils) and give this user 65536 ids in {file}; or be root.",
        )
    return start, count


def _with_helper(program: str, file: str, pid: int, own: int) -> None:
    start, _ = range_of_ids(program, file)
    ranges: Sequence[int] = (0, start, STARTER, STARTER, own, 1)
    done = subprocess.run(
        [program, str(pid), *map(str, ranges)], capture_output=True, check=False, text=True
    )
    if done.returncode != 0:
        raise SandboxError(f"{program} failed: {done.stderr.strip()}")


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
