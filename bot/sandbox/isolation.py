"""The isolation of untrusted code on this machine: each part is tested, with its remedy."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.errors import write_hint
from bot.sandbox.cgroup import hierarchy, run_without_control_groups
from bot.sandbox.disk import DiskRoom
from bot.sandbox.launch import program
from bot.sandbox.remedies import memory_remedy
from bot.sandbox.run import require_sandbox, run_sandboxed
from bot.sandbox.user_ids import check_user_ids
from bot.sandbox.values import Limits, SandboxError

Strangers = Literal["run", "refused", "run without a memory limit"]
_PROGRAMS = ("bwrap", "prlimit", "setpriv", "unshare", "mount")
_UPDATE = "Update the kernel, bubblewrap and Python of this machine."
# Prints as JSON what it could reach, by the names of the parts below.
_INSIDE = """
import ctypes, json, os, socket
def reached(path):
    try: return bool(open(path, 'rb').read(1))
    except OSError: return False
libc = ctypes.CDLL(None, use_errno=True)
network = [line for line in open('/proc/net/dev') if ':' in line and 'lo:' not in line]
try: family = bool(socket.socket(16, 3))
except OSError: family = False
print(json.dumps({
    'namespaces': os.getpid() > 9 or bool(network),
    'system calls': family or libc.personality(0x0040000) != -1,
    '/proc': any(map(reached, ('/proc/cmdline', '/proc/kallsyms', '/proc/keys'))),
}))
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the isolation: whether this machine has it, and the remedy where it does not.

    `detail` says what provides it, or why it is missing.
    """

    name: str
    given: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Isolation:
    """All parts, and whether strangers' code runs under the settings."""

    parts: tuple[Part, ...]
    strangers: Strangers

    @property
    def missing(self) -> tuple[Part, ...]:
        """The parts that this machine does not have."""
        return tuple(part for part in self.parts if not part.given)


def inspect_isolation(cache: Path, *, memory_limit_required: bool = True) -> Isolation:
    """Test each part on this machine, for this process's user; `cache` is where builds write."""
    run_without_control_groups()  # the tested code is ours
    memory = _memory()
    parts = (
        *_programs(),
        *_parts_inside(),
        memory,
        _user_ids(),
        _disk(cache),
    )
    works = all(part.given for part in parts if part.name not in (memory.name, "user ids", "disk"))
    strangers: Strangers = "run"
    if not works or (not memory.given and memory_limit_required):
        strangers = "refused"
    elif not memory.given:
        strangers = "run without a memory limit"
    return Isolation(parts, strangers)


def _programs() -> Iterator[Part]:
    try:
        paths = [program(name) for name in _PROGRAMS]
    except SandboxError as error:
        yield Part("programs", False, error.what, error.hint)
    else:
        yield Part("programs", True, ", ".join(paths))


def _parts_inside() -> Iterator[Part]:
    """Yield the parts that a harmless program tests inside; one part where it cannot be started."""
    try:
        finished = run_sandboxed(
            ["/usr/bin/python3", "-I", "-c", _INSIDE], limits=Limits(seconds=30.0)
        )
        reachable = json.loads(finished.stdout)
    except SandboxError as error:
        yield Part("namespaces", False, error.what, error.hint)
        return
    except ValueError:
        text = finished.stderr.decode(errors="replace").strip()[-300:]
        yield Part("namespaces", False, f"a trivial program failed: {text}", _UPDATE)
        return
    details = {
        "namespaces": "no network, and only the processes and files of the sandbox",
        "system calls": "only those on a list, and no keyrings (seccomp)",
        "/proc": "the kernel's parameters, addresses and keys cannot be read",
    }
    for name, detail in details.items():
        if reachable[name]:
            yield Part(name, False, "a program inside got beyond it", _UPDATE)
        else:
            yield Part(name, True, detail)


def _memory() -> Part:
    where = hierarchy()
    if where is None:
        return Part("memory", False, "no control group can be made", memory_remedy())
    places = " and ".join(dict.fromkeys(str(place) for place in where.parents.values()))
    return Part("memory", True, f"control groups (version {where.version}) below {places}")


def _user_ids() -> Part:
    """Return the part for the installation of packages, tested by a program that is root inside."""
    try:
        detail = check_user_ids()
        require_sandbox("root")
    except SandboxError as error:
        return Part("user ids", False, f"builds cannot install packages: {error.what}", error.hint)
    return Part("user ids", True, detail)


def _disk(cache: Path) -> Part:
    cache = cache.resolve()
    place = next(path for path in (cache, *cache.parents) if os.path.exists(path))  # noqa: PTH110 -- no error where a folder above may not be entered
    if not os.access(place, os.W_OK | os.X_OK):
        detail = f"{cache} is for the cache, and this user cannot write at {place}"
        return Part("disk", False, detail, write_hint(PermissionError(errno.EACCES, ""), "--cache"))
    try:
        DiskRoom([place], None).check()
    except SandboxError as error:
        return Part("disk", False, error.what, error.hint)
    free = shutil.disk_usage(place).free >> 20
    return Part(
        "disk", True, f"a quota for each build and a reserve; {free} MiB are free at {place}"
    )
