"""Capabilities of rpm's headers as text, and how two of them are compared."""

from __future__ import annotations

import re

from bot.model.capability import split_capability

# rpmds.h
LESS, GREATER, EQUAL = 1 << 1, 1 << 2, 1 << 3
FIND_REQUIRES, FIND_PROVIDES, CONFIG = 1 << 14, 1 << 15, 1 << 28
_OPERATORS = {
    LESS: "<",
    GREATER: ">",
    EQUAL: "=",
    LESS | EQUAL: "<=",
    GREATER | EQUAL: ">=",
}
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
    """`name`, or `name op version`, as rpm prints it; rich dependencies are their name."""
    operator = _OPERATORS.get(flags & (LESS | GREATER | EQUAL))
    return f"{name} {operator} {version}" if operator and version else name


def qualifiers(flags: int) -> tuple[str, ...]:
    """The qualifiers of `Requires(pre,post)`, sorted, from a dependency's flags."""
    return tuple(sorted(name for bit, name in _QUALIFIERS.items() if flags & 1 << bit))


def capability_key(capability: str) -> str:
    """The key of equal capabilities: an epoch of 0 and an absent one are the same."""
    return _ZERO_EPOCH.sub("", " ".join(capability.split()))


def known_part(capability: str) -> str | None:
    """Return a capability without its version where that holds an undefined macro.

    `kf5-rpm-macros >= %majmin_ver_kf5` is `kf5-rpm-macros`; null where the name has one, or a rich
    dependency has.
    """
    name, _, version = split_capability(capability)
    if "%" in name:
        return None
    return name if "%" in version else capability
