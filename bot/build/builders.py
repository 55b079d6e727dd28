"""Builders by name, rpmbuild's command in a buildroot, and the limits of builds.

A build that runs out of memory is tried once more in a larger slot, of which a machine has one: two
at once would need more memory than it has.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bot import limits
from bot.build.builder import Builder
from bot.build.buildroot import BUILD_DIRECTORY
from bot.build.fetch import SourcePolicy
from bot.errors import UsageError
from bot.limits import LOG_TAIL
from bot.sandbox.cgroup import groups_around
from bot.sandbox.values import Limits, RunResult

if TYPE_CHECKING:
    from bot.distro.cache import Cache

_GIBIBYTE = 1024**3


def build_limits() -> Limits:
    """Return the limits of one build on this machine."""
    return Limits(
        seconds=30 * 60.0,
        memory=slot_memory(machine_memory()),
        processes=2048,
        output=limits.BUILD_LOG,
        file_size=8 * _GIBIBYTE,
        tmp=_GIBIBYTE,
        disk=20 * _GIBIBYTE,
    )


_TAIL_LINES = 30
_STAGE = re.compile(r"Bad exit status from \S+ \((%\w+)\)")
# A compiler's or linker's own message is better than rpm's, which only says that a script failed.
_CAUSE = re.compile(r"\S:\d+(?::\d+)?: (?:fatal )?error: |: command not found$|: cannot find -l")
# Any fixed time: it is the same on both sides, so that equal trees give equal bytes.
_EPOCH = 1_700_000_000


def rpmbuild_command(
    stage: str, spec: str, definitions: Mapping[str, str], *, jobs: int, check: bool
) -> list[str]:
    """Return rpmbuild's arguments in the buildroot; `stage` is `-bb` or `-br`, `spec` a path there.

    `--nodeps`: the requirements are solved and installed already, and the buildroot's rpm may be
    unable to read the database that the host's wrote.
    """
    macros = {
        "_topdir": BUILD_DIRECTORY,
        "_tmppath": f"{BUILD_DIRECTORY}/tmp",
        "_buildhost": "minimize",
        "debug_package": "%{nil}",
        "_smp_ncpus_max": str(jobs),
        "use_source_date_epoch_as_buildtime": "1",
        "clamp_mtime_to_source_date_epoch": "1",
        "build_mtime_policy": "clamp_to_source_date_epoch",
        **definitions,
    }
    command = ["/usr/bin/rpmbuild", stage, "--nodeps"]
    if not check:
        command.append("--nocheck")
    for name, value in macros.items():
        command += ["--define", f"{name} {value}"]
    return [*command, spec]


def build_environment(jobs: int) -> dict[str, str]:
    """Return the environment of a build, except PATH and LANG."""
    return {
        "HOME": f"{BUILD_DIRECTORY}/home",
        "TMPDIR": f"{BUILD_DIRECTORY}/tmp",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(_EPOCH),
        "RPM_BUILD_NCPUS": str(jobs),
    }


def limit_message(finished: RunResult, limits: Limits) -> str:
    """Return the message for a build that exceeded one of its limits."""
    reasons = {
        "time": f"it took longer than {limits.seconds:.0f} s",
        "memory": f"it needed more than {limits.memory} bytes of memory",
        "processes": f"it started more than {limits.processes} processes",
        "output": f"it printed more than {limits.output} bytes",
        "disk": f"it wrote more than {limits.disk} bytes, filled the disk up to the reserve, or"
        f" a file of it passed {limits.file_size} bytes",
    }
    return f"The build was ended: {reasons[finished.limit or 'time']}."


def failure_message(status: int, output: str) -> str:
    """Return the message for a failed build: place and cause in one line, then its last lines.

    `output` is the end of the build's output.
    """
    lines = output.splitlines()
    stage = _STAGE.search(output)
    cause = next((line.strip() for line in lines if _CAUSE.search(line)), None)
    if cause is None:
        cause = next((line.strip() for line in lines if line.startswith("error: ")), "")
    section = f" in {stage[1]}" if stage else ""
    first = f"rpmbuild ended with status {status}{section}" + (f": {cause}" if cause else ".")
    return "\n".join([first, *lines[-_TAIL_LINES:]])


def log_tail(log: Path) -> str:
    """Return the last LOG_TAIL bytes of a log."""
    with log.open("rb") as stream:
        stream.seek(max(log.stat().st_size - LOG_TAIL, 0))
        return stream.read(LOG_TAIL).decode("utf-8", "replace")


BUILDERS = ("rpmbuild", "mock")


def builder_named(
    name: str,
    cache: Cache,
    *,
    limits: Limits | None = None,
    policy: SourcePolicy | None = None,
    rebuild: bool = False,
    cached_only: bool = False,
    emulated: Collection[str] = (),
) -> Builder:
    """Return the builder `name`; UsageError, with the possible names, for any other.

    `limits` bind each build, `policy` restricts sources; `rebuild` ignores cached builds,
    `cached_only` uses nothing else: what was not built here before fails. `emulated` are
    architectures that may be built under emulation; mock builds only for this machine's.
    """
    if name == "rpmbuild":
        from bot.build.rpmbuild import RpmbuildBuilder

        return RpmbuildBuilder(
            cache,
            limits=limits,
            policy=policy,
            rebuild=rebuild,
            cached_only=cached_only,
            emulated=emulated,
        )
    if name == "mock":
        from bot.build.mock import MockBuilder

        return MockBuilder(
            cache, limits=limits, policy=policy, rebuild=rebuild, cached_only=cached_only
        )
    raise UsageError(f"There is no builder `{name}`.", f"Choose one of {', '.join(BUILDERS)}.")


LOG = logging.getLogger(__name__)
# Shares of a machine's memory, for a slot and for the larger one.
_SLOT_SHARE, _SHARE = 0.5, 0.75
# Bytes, enough for most packages; less on small machines.
_SLOT = 6 * 1024**3
# A slot that is less than this factor larger would not help.
_WORTH = 1.25
_LARGER = 2


@cache
def machine_memory() -> int:
    """Return the bytes of memory that this process may use: the machine's or its cgroup's."""
    return min([psutil.virtual_memory().total, *_group_limits()])


def slot_memory(machine: int) -> int:
    """Return the bytes of memory of one build on a machine with so many."""
    return min(_SLOT, int(machine * _SLOT_SHARE))


def _group_limits(proc: Path = Path("/proc/self")) -> list[int]:
    """Return the limits of this process's cgroup and its parents, in bytes."""
    limits_of_groups = []
    for group in groups_around("memory", proc):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):
                limits_of_groups.append(int((group / name).read_text()))
    return limits_of_groups


def larger(limits: Limits, machine: int | None = None) -> Limits | None:
    """Return the limits of a larger slot; None where the machine has too little memory.

    `machine` is the machine's memory in bytes (default: this one's).
    """
    total = machine_memory() if machine is None else machine
    memory = min(limits.memory * _LARGER, int(total * _SHARE))
    return None if memory < limits.memory * _WORTH else replace(limits, memory=memory)


def with_enough_memory(
    run: Callable[[Limits], RunResult],
    limits: Limits,
    alone: Callable[[], AbstractContextManager[object]],
    machine: int | None = None,
) -> tuple[RunResult, Limits]:
    """Run within `limits`; after running out of memory once more, `alone`, within larger ones.

    Returns the last run's end and its limits.
    """
    finished = run(limits)
    larger_limits = larger(limits, machine) if finished.limit == "memory" else None
    if larger_limits is None:
        return finished, limits
    LOG.info("a build out of memory is tried with %d bytes", larger_limits.memory)
    with alone():
        return run(larger_limits), larger_limits
