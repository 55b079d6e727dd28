"""Which dependencies of a package an automatic generator made: only its RPM header says so."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bot.model.package import DependencyKind, Package
from bot.spec.capability import (
    CONFIG,
    FIND_PROVIDES,
    FIND_REQUIRES,
    capability_key,
    capability_text,
)

if TYPE_CHECKING:
    from bot.distro.cache import Cache

_TAGS: dict[DependencyKind, str] = {
    "requires": "REQUIRE",
    "provides": "PROVIDE",
    "conflicts": "CONFLICT",
    "obsoletes": "OBSOLETE",
    "recommends": "RECOMMEND",
    "suggests": "SUGGEST",
    "supplements": "SUPPLEMENT",
    "enhances": "ENHANCE",
}


@dataclass(frozen=True, slots=True)
class GeneratedFlags:
    """The dependencies that a generator made, by kind and capability (`capability_key`)."""

    generated: frozenset[tuple[DependencyKind, str]]

    def made(self, kind: DependencyKind, capability: str) -> bool:
        """Return whether a generator made this dependency (maybe a spec line states it as well)."""
        return (kind, capability_key(capability)) in self.generated


Headers = Callable[[Package], GeneratedFlags | None]


def flags_in_header(header: bytes) -> GeneratedFlags | None:
    """Read the header of an RPM file: `header` is the file's start, lead to header's end.

    Null where the bytes are no header that rpm can read, or this system has no rpm module.
    """
    try:
        import rpm
    except ImportError:
        return None
    transaction = rpm.TransactionSet()
    # The repository's checksum vouches for the package; no key of this host does.
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES | rpm.RPMVSF_MASK_NODIGESTS)
    transaction.setKeyring(rpm.keyring())
    with tempfile.TemporaryFile() as file:
        file.write(header)
        file.flush()
        file.seek(0)
        try:
            read = transaction.hdrFromFdno(file.fileno())
        except rpm.error:
            return None
    found: set[tuple[DependencyKind, str]] = set()
    for kind, tag in _TAGS.items():
        entries = zip(
            read[getattr(rpm, f"RPMTAG_{tag}NAME")],
            read[getattr(rpm, f"RPMTAG_{tag}FLAGS")],
            read[getattr(rpm, f"RPMTAG_{tag}VERSION")],
            strict=True,
        )
        for name, flags, version in entries:
            if flags & (FIND_REQUIRES | FIND_PROVIDES | CONFIG):
                found.add((kind, capability_key(capability_text(name, flags, version))))
    return GeneratedFlags(frozenset(found))


def generated_flags(
    cache: Cache, fetch: Callable[[Package, Cache], bytes | None] | None = None
) -> Headers:
    """Generated flags by package; each header is fetched once, and only its byte range.

    `fetch` (by default `bot.distro.fetch_header`) gives null where the header cannot be had.
    """
    from bot.distro.failover import FEW
    from bot.distro.packages import fetch_header

    get = fetch or partial(fetch_header, retry_policy=FEW)
    known: dict[Package, GeneratedFlags | None] = {}

    def flags(package: Package) -> GeneratedFlags | None:
        if package not in known:
            header = get(package, cache)
            known[package] = None if header is None else flags_in_header(header)
        return known[package]

    return flags
