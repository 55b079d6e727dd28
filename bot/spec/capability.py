"""Capabilities as text: how rpm prints them, how two of them are compared."""

from __future__ import annotations

import re

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
_TOKEN = re.compile(r"[^\s,]+")
_OPERATOR_TEXTS = frozenset({"<", ">", "=", "==", "<=", ">=", "=<", "=>"})
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


def split_capability(capability: str) -> tuple[str, str, str]:
    """Name, operator and version; the last two empty where there are none."""
    if not capability.startswith("("):
        parts = capability.split(" ")
        if len(parts) == 3 and parts[1] in _OPERATOR_TEXTS:
            return parts[0], parts[1], parts[2]
    return capability, "", ""


def known_part(capability: str) -> str | None:
    """Return a capability without its version where that holds an undefined macro.

    `kf5-rpm-macros >= %majmin_ver_kf5` is `kf5-rpm-macros`; null where the name has one, or a rich
    dependency has.
    """
    name, _, version = split_capability(capability)
    if "%" in name:
        return None
    return name if "%" in version else capability


def capabilities_in(text: str) -> list[str]:
    """The capabilities that the value of a dependency tag lists, in rpm's notation."""
    found: list[str] = []
    position = 0
    while (match := _TOKEN.search(text, position)) is not None:
        if match.group().startswith("("):
            end = _closing(text, match.start())
            found.append(" ".join(text[match.start() : end].split()))
            position = end
            continue
        position = match.end()
        name = match.group()
        operator = re.compile(r"\s+([<>=]+)\s+([^\s,]+)").match(text, position)
        if operator is None or operator[1] not in _OPERATOR_TEXTS:
            found.append(name)
            continue
        written = {"==": "=", "=<": "<=", "=>": ">="}.get(operator[1], operator[1])
        found.append(f"{name} {written} {operator[2]}")
        position = operator.end()
    return found


def _closing(text: str, start: int) -> int:
    depth = 0
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index + 1
    return len(text)
