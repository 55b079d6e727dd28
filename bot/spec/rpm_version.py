"""The rpm that reads spec files: this host's and the distribution's, and their versions.

What a spec file may say depends on rpm's major and minor version: `BuildSystem:` came with 4.20,
`%patchN` went with it. Patch releases of one minor version read the same language.
"""

from __future__ import annotations

import functools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bot.model.nevra import Nevra

# The Python that has the host's rpm module, which the distribution of the host packages.
HOST_PYTHON = "/usr/bin/python3"
_VERSION = re.compile(r"^(\d+)\.(\d+)")
_SAY_VERSION = "import rpm; print(rpm.__version__)"


@dataclass(frozen=True, order=True, slots=True)
class RpmVersion:
    """Major and minor version of rpm; `str()` is `4.20`."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class DistributionRpm:
    """The rpm of the distribution under test.

    `version` is null where its repositories have no package `rpm`. `root` is a directory that
    becomes / while spec files are evaluated: it holds that rpm, its Python module and `python`,
    the interpreter inside it. Without a root the host's rpm evaluates; `problem` says why there
    is none although the versions differ.
    """

    version: RpmVersion | None = None
    root: Path | None = None
    python: str = HOST_PYTHON
    problem: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report: that the host's rpm stands in for another version."""
        host = host_rpm()
        if self.root is not None or host is None or self.version in (None, host):
            return ()
        why = f": {self.problem}" if self.problem else ""
        return (
            f"Spec files were evaluated with this host's rpm {host}, not with the distribution's"
            f" rpm {self.version}{why}.",
        )


UNKNOWN_RPM = DistributionRpm()


class PublishedPackages(Protocol):
    """The part of a pool (`bot.closure.Pool`) that tells the distribution's rpm."""

    def selects(self, request: str) -> tuple[Nevra, ...]:
        """The packages that a request could mean; none if it matches nothing."""
        ...


def rpm_version(text: str) -> RpmVersion | None:
    """The version that a text such as `4.18.0+dfsg` begins with; null if it is none.

    >>> str(rpm_version("4.20.1"))
    '4.20'
    """
    match = _VERSION.match(text)
    return None if match is None else RpmVersion(int(match[1]), int(match[2]))


def published_rpm(pool: PublishedPackages) -> RpmVersion | None:
    """The newest version of the package `rpm`; null where there is none."""
    found = (rpm_version(nevra.version) for nevra in pool.selects("rpm") if nevra.name == "rpm")
    return max((version for version in found if version is not None), default=None)


@functools.cache
def host_rpm() -> RpmVersion | None:
    """The version of the rpm module that evaluates on this host; null where it has none."""
    command = [HOST_PYTHON, "-I", "-c", _SAY_VERSION]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return rpm_version(finished.stdout)
