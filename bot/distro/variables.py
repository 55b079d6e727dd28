"""dnf's variables in the options of a repository: `$basearch`, `${stream:-9-stream}`, ..."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from bot.distro.documents import RepositoryDocument, RepoSource
from bot.model.architecture import basearch
from bot.model.package import Reference

# Always set; the last two follow from `releasever`.
BUILT_IN = ("basearch", "arch", "releasever", "releasever_major", "releasever_minor")
_NAME = re.compile(r"\w*", re.ASCII)
_DEEPEST = 32


def expanded(source: RepoSource, document: RepositoryDocument, arch: str) -> RepoSource:
    """`source` with dnf's variables replaced; each base URL ends in `/`."""
    major, _, minor = document.releasever.partition(".")
    values = {
        "basearch": basearch(arch),
        "arch": arch,
        "releasever": document.releasever,
        "releasever_major": major,
        "releasever_minor": minor,
        **document.variables,
    }

    def expand(text: str) -> str:
        return substituted(text, values)

    def expand_path(value: str | Reference | None) -> str | Reference | None:
        return expand(value) if isinstance(value, str) else value

    access = source.access
    return replace(
        source,
        baseurl=tuple(f"{expand(url).rstrip('/')}/" for url in source.baseurl),
        metalink=expand(source.metalink) if source.metalink else None,
        mirrorlist=expand(source.mirrorlist) if source.mirrorlist else None,
        gpgkey=tuple(expand(url) for url in source.gpgkey),
        variables=values,
        access=replace(
            access,
            sslcacert=expand_path(access.sslcacert),
            sslclientcert=expand_path(access.sslclientcert),
            sslclientkey=expand_path(access.sslclientkey),
            proxy=expand(access.proxy) if access.proxy else access.proxy,
        ),
    )


def substituted(text: str, values: Mapping[str, str]) -> str:
    """`text` with `$name`, `${name}`, `${name:-default}` and `${name:+alternative}` replaced.

    A variable without a value stays as written, a backslash escapes the next character (libdnf's
    ConfigParser::substitute_expression).
    """
    return _substituted(text, 0, values, 0)[0]


def variables_in(text: str) -> frozenset[str]:
    """The names of the variables that must have a value for all of `text` to be replaced."""
    return frozenset(re.findall(r"(?<!\\)\$(?:\{(?=\w+\}))?(\w+)", text, re.ASCII))


def _substituted(
    text: str, position: int, values: Mapping[str, str], depth: int
) -> tuple[str, int]:
    """The text from `position` on, up to its end or, within braces, to the closing `}`."""
    if depth > _DEEPEST:
        return text[position:], len(text)
    parts: list[str] = []
    while position < len(text):
        character = text[position]
        if character == "}" and depth:
            break
        if character == "\\" and position + 1 < len(text):
            parts.append(text[position + 1])
            position += 2
        elif character == "$":
            replacement, position = _variable(text, position, values, depth)
            parts.append(replacement)
        else:
            parts.append(character)
            position += 1
    return "".join(parts), position


def _variable(text: str, start: int, values: Mapping[str, str], depth: int) -> tuple[str, int]:
    """The value of the variable at `start`, and the position after it."""
    braces = text.startswith("{", start + 1)
    match = _NAME.match(text, start + 1 + braces)
    assert match is not None
    name, end = match[0], match.end()
    value = values.get(name)
    if not braces:
        return (text[start:end] if value is None else value), end
    if text.startswith("}", end):
        return (text[start : end + 1] if value is None else value), end + 1
    if text[end : end + 2] not in (":-", ":+"):
        return text[start:end], end
    word, closing = _substituted(text, end + 2, values, depth + 1)
    if not text.startswith("}", closing):
        return text[start:], len(text)
    if text[end + 1] == "-":
        return value or word, closing + 1
    return (word if value else ""), closing + 1
