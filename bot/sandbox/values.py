"""Values that go into a sandbox run, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.errors import SurroundingsError

Limit = Literal["time", "memory", "processes", "output", "disk"]

MEBIBYTE = 1024 * 1024


class SandboxError(SurroundingsError):
    """The sandbox itself could not work: nothing untrusted was run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a run: `seconds` of wall time, everything else in bytes or counts.

    `memory` is what all its processes together may hold, `processes` counts threads too, `output`
    is standard output and error together, `file_size` one file's, `tmp` the size of /tmp (which
    is of `memory`), `disk` what it may add to its writable directories.
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
    """A file or directory of the host that is seen inside at the absolute path `target`.

    The user inside must be allowed to read it (its parents may be closed to others); a writable
    one is given to the user inside for the time of the run.
    """

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended. `limit` names the limit that ended it, or is null.

    With a log, `stdout` holds the last 64 KiB of both streams and `stderr` is empty.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    limit: Limit | None
    seconds: float
