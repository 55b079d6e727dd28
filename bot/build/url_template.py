"""Templates of repositories and projects of others, with `{owner}`, `{sha}` and the like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from bot.errors import UsageError

PLACEHOLDERS = ("owner", "repo", "number", "sha", "arch", "chroot")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# What names of owners, repositories, chroots and commits are made of; a slash is none of it.
_VALUE = re.compile(r"[A-Za-z0-9._+~@:-]{1,200}")
# What may stand in a URL beside that: no query, fragment, backslash, percent or blank.
_TEXT = re.compile(r"[A-Za-z0-9._+~@:/{}=,-]*")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_SCHEMES = ("https://", "http://")


def placeholders_in(template: str) -> frozenset[str]:
    """The names of the placeholders in a template."""
    return frozenset(_PLACEHOLDER.findall(template))


def template_problem(template: str) -> str | None:
    """The error in a template itself, as a sentence without its subject; null if there is none.

    Whether its place is allowed is another question (`expand`).
    """
    problem = None
    scheme = next((s for s in _SCHEMES if template.startswith(s)), None)
    unknown = sorted(placeholders_in(template) - set(PLACEHOLDERS))
    host = template.partition("://")[2].partition("/")[0]
    if scheme is None:
        problem = "expected a URL that begins with https:// or http://"
    elif unknown:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        problem = f"`{{{unknown[0]}}}` is no placeholder; there are {known}"
    elif not _TEXT.fullmatch(template) or re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        problem = "has a character that no such URL has; a query or fragment is not taken"
    elif not _HOST.fullmatch(host):
        problem = "its host is not a plain name: no placeholder and no user name stands there"
    elif _has_steps(template):
        problem = "its path has an empty segment, `.` or `..`"
    return problem


def project_problem(template: str) -> str | None:
    """The error in a template of a Copr project, `owner/name` or `@group/name`; null if there is
    none."""
    unknown = sorted(placeholders_in(template) - set(PLACEHOLDERS))
    plain = _PLACEHOLDER.sub("x", template)
    if unknown:
        return f"`{{{unknown[0]}}}` is no placeholder"
    if not re.fullmatch(r"@?[A-Za-z0-9._+~-]+/[A-Za-z0-9._+~-]+", plain):
        return "expected an owner and a project, such as `packit/{owner}-{repo}-{number}`"
    return None


def expand_project(template: str, values: Mapping[str, str]) -> str:
    """The owner and project that a template stands for. UsageError where a value cannot stand in
    it."""
    return _PLACEHOLDER.sub(lambda match: _value(match[1], template, values), template)


def allowed_place(template: str, places: Iterable[str]) -> bool:
    """Return whether what stands before the first placeholder begins with one of the allowed
    `places`.

    Each place ends with a slash, so that no longer host or folder name begins with it too.
    """
    fixed = template.partition("{")[0]
    return any(place.endswith("/") and fixed.startswith(place) for place in places)


def expand(template: str, values: Mapping[str, str], places: Iterable[str]) -> str:
    """The URL, with a slash at its end. UsageError says why there is none.

    In a value a slash (of nested groups) becomes `-`, as Packit names its projects.
    """
    problem = template_problem(template)
    if problem is not None:
        raise UsageError(f"The URL template {template}: {problem}.")
    places = tuple(places)
    if not allowed_place(template, places):
        listed = ", ".join(places) or "nowhere (build.external in the server's settings is empty)"
        raise UsageError(
            f"Packages are not taken from {template}: this server takes them from {listed}.",
            "Whoever runs the bot may add the place to build.external in its settings.",
        )

    def value(match: re.Match[str]) -> str:
        return quote(_value(match[1], template, values), safe="@+~:")

    url = _PLACEHOLDER.sub(value, template).rstrip("/") + "/"
    if _has_steps(url) or not any(url.startswith(place) for place in places):
        raise UsageError(f"The URL {url} leaves the place that {template} begins with.")
    return url


def _value(name: str, template: str, values: Mapping[str, str]) -> str:
    found = values[name].replace("/", "-")
    if not _VALUE.fullmatch(found):
        raise UsageError(f"`{found[:100]}` cannot stand for {{{name}}} in {template}.")
    return found


def _has_steps(url: str) -> bool:
    path = url.partition("://")[2].partition("/")[2].removesuffix("/")
    return any(segment in (".", "..", "") for segment in path.split("/")) if path else False
