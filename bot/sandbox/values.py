"""Arguments of a sandbox run, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.errors import SurroundingsError

Limit = Literal["time", "memory", "processes", "output", "disk"]

MEBIBYTE = 1024 * 1024


class SandboxError(SurroundingsError):
    """The sandbox itself did not work: nothing untrusted was run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a run: `seconds` of wall time; the others are bytes or counts.

    `memory` is that of all its processes together, `processes` counts threads too, `output` is
    standard output and error together, `file_size` that of one file, `tmp` the size of /tmp (which
    counts as `memory`), `disk` the bytes that it may add to its writable directories.
    """

    seconds: float = 20.0
    memory: int = 512 * MEBIBYTE
    processes: int = 64
    output: int = MEBIBYTE
    file_size: int = 64 * MEBIBYTE
    tmp: int = 64 * MEBIBYTE
    disk: int = 1024 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the host that is visible inside at the absolute path `target`.

    The user inside must be allowed to read it (its parents may be closed to others); a writable one
    is owned by the user inside during the run.
    """

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """The end of a run; `limit` is the limit that ended it, or None.

    With a log, `stdout` is the last 64 KiB of both streams and `stderr` is empty.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    limit: Limit | None
    seconds: float
