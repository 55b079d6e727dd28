"""Flags of dependencies in package headers, which show those that a generator made."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from bot.model.capability import split_capability
from bot.model.package import DependencyKind, Package

if TYPE_CHECKING:
    from bot.distro.cache import Cache


@dataclass(frozen=True, slots=True)
class GeneratedFlags:
    """The dependencies that a generator made, by kind and capability (`capability_key`)."""

    generated: frozenset[tuple[DependencyKind, str]]

    def has(self, kind: DependencyKind, capability: str) -> bool:
        """Return whether a generator made this dependency (a spec line may state it as well)."""
        return (kind, capability_key(capability)) in self.generated


Headers = Callable[[Package], GeneratedFlags | None]


def flags_in_header(header: bytes) -> GeneratedFlags | None:
    """Read the header of an RPM file: `header` is the file's start, up to the end of its header.

    Null if rpm cannot read it, or this system has no rpm module.
    """
    try:
        import rpm
    except ImportError:
        return None
    transaction = rpm.TransactionSet()
    # The repository's checksum verifies the package; the host has no key for it.
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES | rpm.RPMVSF_MASK_NODIGESTS)
    transaction.setKeyring(rpm.keyring())
    with tempfile.TemporaryFile() as file:
        file.write(header)
        file.flush()
        file.seek(0)
        try:
            header_data = transaction.hdrFromFdno(file.fileno())
        except rpm.error:
            return None
    generated: set[tuple[DependencyKind, str]] = set()
    for kind in get_args(DependencyKind):
        tag = kind.removesuffix("s").upper()  # rpm's name of the kind in RPMTAG_REQUIRENAME
        entries = zip(
            header_data[getattr(rpm, f"RPMTAG_{tag}NAME")],
            header_data[getattr(rpm, f"RPMTAG_{tag}FLAGS")],
            header_data[getattr(rpm, f"RPMTAG_{tag}VERSION")],
            strict=True,
        )
        for name, flags, version in entries:
            if flags & (FIND_REQUIRES | FIND_PROVIDES | CONFIG):
                generated.add((kind, capability_key(capability_text(name, flags, version))))
    return GeneratedFlags(frozenset(generated))


def generated_flags(cache: Cache) -> Headers:
    """Generated flags by package; each header is fetched once, by its byte range."""
    from bot.distro.failover import FEW
    from bot.distro.packages import fetch_header

    known: dict[Package, GeneratedFlags | None] = {}

    def flags(package: Package) -> GeneratedFlags | None:
        if package not in known:
            header = fetch_header(package, cache, retry_policy=FEW)
            known[package] = None if header is None else flags_in_header(header)
        return known[package]

    return flags


# rpmds.h
LESS, GREATER, EQUAL = 1 << 1, 1 << 2, 1 << 3
FIND_REQUIRES, FIND_PROVIDES, CONFIG = 1 << 14, 1 << 15, 1 << 28
_OPERATORS = {LESS: "<", GREATER: ">", EQUAL: "=", LESS | EQUAL: "<=", GREATER | EQUAL: ">="}
_QUALIFIERS = {
    5: "posttrans",
    7: "pretrans",
    8: "interp",
    9: "pre",
    10: "post",
    11: "preun",
    12: "postun",
    13: "verify",
    19: "missingok",
    20: "preuntrans",
    21: "postuntrans",
    26: "keyring",
    28: "config",
    29: "meta",
}
_ZERO_EPOCH = re.compile(r"(?<=[=<>] )0+:(?=\S)")


def capability_text(name: str, flags: int, version: str) -> str:
    """`name`, or `name op version`, as rpm prints it; a rich dependency is its own name."""
    operator = _OPERATORS.get(flags & (LESS | GREATER | EQUAL))
    return f"{name} {operator} {version}" if operator and version else name


def qualifiers(flags: int) -> tuple[str, ...]:
    """The qualifiers of `Requires(pre,post)`, sorted, from a dependency's flags."""
    return tuple(sorted(name for bit, name in _QUALIFIERS.items() if flags & 1 << bit))


def capability_key(capability: str) -> str:
    """The key of equal capabilities: an epoch of 0 and an absent one are the same."""
    return _ZERO_EPOCH.sub("", " ".join(capability.split()))


def known_part(capability: str) -> str | None:
    """Return a capability without its version if that has an undefined macro.

    `kf5-rpm-macros >= %majmin_ver_kf5` becomes `kf5-rpm-macros`; null if the name has a macro, or a
    rich dependency has.
    """
    name, _, version = split_capability(capability)
    if "%" in name:
        return None
    return name if "%" in version else capability
