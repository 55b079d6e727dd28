"""NEVRA: the name, epoch, version, release and architecture that identify a binary package.

rpm's rules: an epoch is the digits before the first colon (parseEVR in rpmio/rpmver.c), at most 32
bits; version and release have no dash, a name and a release may have dots (build/parsePreamble.c).
`~`, `^`, `+` and `_` are parts of versions, which bot.closure.evr compares. Metadata may have what
rpm would not build: empty versions and releases, and colons in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ConfigDict
    from pydantic_core import CoreSchema

# For values with fields of other names in JSON.
JSON: ConfigDict = {"serialize_by_alias": True}
# name-epoch:version-release.arch
_NEVRA = re.compile(r"^(?P<n>.+)-(?:(?P<e>\d+):)?(?P<v>[^-]*)-(?P<r>[^-]*)\.(?P<a>[^.-]+)$")
_SOURCE_RPM = re.compile(r"(?P<n>.+)-[^-]*-[^-]*\.(?:no)?src(?:\.rpm)?")


@dataclass(frozen=True, order=True, slots=True)
class Nevra:
    """Name, epoch, version, release, architecture.

    `str()` always writes the epoch, also 0. The dataclass order is by text, for stable output; it
    is not rpm's version order.
    """

    name: str
    epoch: int
    version: str
    release: str
    arch: str

    def __str__(self) -> str:
        return f"{self.name}-{self.epoch}:{self.version}-{self.release}.{self.arch}"

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> CoreSchema:
        """Return the schema of a text: `str()` writes it, `parse_nevra` reads it."""
        from pydantic_core import core_schema as core

        return core.no_info_after_validator_function(
            _known_nevra, core.str_schema(), serialization=core.to_string_ser_schema()
        )

    @property
    def name_arch(self) -> tuple[str, str]:
        """Name and architecture, by which the packages of two sides are paired."""
        return self.name, self.arch

    @property
    def evr(self) -> str:
        """`epoch:version-release`, always with the epoch."""
        return f"{self.epoch}:{self.version}-{self.release}"

    @property
    def version_release(self) -> str:
        """`version-release`, without the epoch."""
        return f"{self.version}-{self.release}"

    @property
    def rpm_evr(self) -> str:
        """`[epoch:]version-release`, without an epoch of 0: rpm's `%{EVR}`."""
        return self.evr if self.epoch else self.version_release

    @property
    def nvra(self) -> str:
        """`name-version-release.arch`, without the epoch: rpm's `%{NVRA}`."""
        return f"{self.name}-{self.version}-{self.release}.{self.arch}"


def parse_nevra(text: str) -> Nevra:
    """Return the NEVRA `name-[epoch:]version-release.arch` in `text`; ValueError if it is none."""
    match = _NEVRA.match(text)
    if match is None:
        raise ValueError(f"not a NEVRA: {text!r}")
    return Nevra(match["n"], int(match["e"] or 0), match["v"], match["r"], match["a"])


# Cached: a result names the same packages on each architecture and in each chain.
_known_nevra = lru_cache(1 << 12)(parse_nevra)


def parse_evr(text: str) -> tuple[int, str, str]:
    """Return epoch, version and release of `[epoch:]version[-release]`.

    An epoch that is not valid in rpm (no number, or more than 32 bits) counts as 0.
    """
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "", text
    number = int(epoch) if epoch.isascii() and epoch.isdigit() and len(epoch) <= 10 else 0
    version, dash, release = rest.rpartition("-")
    if not dash:
        version, release = release, ""
    return (number if number < 2**32 else 0), version, release


def source_name(source_rpm: str) -> str:
    """Return the source's name in a file name such as `nginx-1.26-2.src.rpm`, else ""."""
    match = _SOURCE_RPM.fullmatch(source_rpm)
    return match["n"] if match else ""
