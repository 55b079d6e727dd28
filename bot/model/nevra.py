"""NEVRA: the name by which everything here calls a binary package."""

from __future__ import annotations

import re
from dataclasses import dataclass

# name-epoch:version-release.arch; name and release may hold dots, version and release no dash.
# Metadata may hold what rpm would not build: empty ones, and colons in them.
_NEVRA = re.compile(r"^(?P<n>.+)-(?:(?P<e>\d+):)?(?P<v>[^-]*)-(?P<r>[^-]*)\.(?P<a>[^.-]+)$")
_EVR = re.compile(r"^(?:(?P<e>\d+):)?(?P<v>[^-]+)(?:-(?P<r>[^-]+))?$")


@dataclass(frozen=True, order=True, slots=True)
class Nevra:
    """Name, epoch, version, release, architecture. `str()` always shows the epoch, 0 too.

    The dataclass order is by text, for stable output; it is not rpm's version order.
    """

    name: str
    epoch: int
    version: str
    release: str
    arch: str

    def __str__(self) -> str:
        return f"{self.name}-{self.epoch}:{self.version}-{self.release}.{self.arch}"

    @property
    def evr(self) -> str:
        """`epoch:version-release`, the epoch always there."""
        return f"{self.epoch}:{self.version}-{self.release}"

    @property
    def version_release(self) -> str:
        """`version-release`, without the epoch."""
        return f"{self.version}-{self.release}"


def parse_nevra(text: str) -> Nevra:
    """The NEVRA `name-[epoch:]version-release.arch` in `text`; ValueError if it is none."""
    match = _NEVRA.match(text)
    if match is None:
        raise ValueError(f"not a NEVRA: {text!r}")
    return Nevra(match["n"], int(match["e"] or 0), match["v"], match["r"], match["a"])


def parse_evr(text: str) -> tuple[int, str, str]:
    """Epoch, version and release of `[epoch:]version[-release]`; ValueError if it is none."""
    match = _EVR.match(text)
    if match is None:
        raise ValueError(f"not an epoch:version-release: {text!r}")
    return int(match["e"] or 0), match["v"], match["r"] or ""
