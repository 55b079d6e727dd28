"""URL templates of other projects and their repositories, with placeholders such as `{owner}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from bot.errors import UsageError

PLACEHOLDERS = ("owner", "repo", "number", "sha", "arch", "chroot")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# The characters of names of owners, repositories, chroots and commits, without a slash.
_VALUE = re.compile(r"[A-Za-z0-9._+~@:-]{1,200}")
# The characters of a template: no query, fragment, backslash, percent sign or blank.
_TEXT = re.compile(r"[A-Za-z0-9._+~@:/{}=,-]*")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_SCHEMES = ("https://", "http://")


def placeholders_in(template: str) -> frozenset[str]:
    """Return the names of the placeholders in a template."""
    return frozenset(_PLACEHOLDER.findall(template))


def template_problem(template: str) -> str | None:
    """Return the error in a template, as a sentence without its subject; None if there is none.

    Whether its place is allowed is checked by `expand`.
    """
    problem = None
    scheme = next((s for s in _SCHEMES if template.startswith(s)), None)
    unknown = sorted(placeholders_in(template) - set(PLACEHOLDERS))
    host = template.partition("://")[2].partition("/")[0]
    if scheme is None:
        problem = "expected a URL that begins with https:// or http://"
    elif unknown:
        names = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        problem = f"`{{{unknown[0]}}}` is no placeholder; there are {names}"
    elif not _TEXT.fullmatch(template) or re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        problem = "has a character that is not allowed in it, such as a query's or a fragment's"
    elif not _HOST.fullmatch(host):
        problem = "its host is not a plain name; placeholders and user names are not allowed in it"
    elif _has_steps(template):
        problem = "its path has an empty segment, `.` or `..`"
    return problem


def project_problem(template: str) -> str | None:
    """Return the error in a template of a Copr project (`owner/name` or `@group/name`), or None."""
    unknown = sorted(placeholders_in(template) - set(PLACEHOLDERS))
    plain = _PLACEHOLDER.sub("x", template)
    if unknown:
        return f"`{{{unknown[0]}}}` is no placeholder"
    if not re.fullmatch(r"@?[A-Za-z0-9._+~-]+/[A-Za-z0-9._+~-]+", plain):
        return "expected an owner and a project, such as `packit/{owner}-{repo}-{number}`"
    return None


def expand_project(template: str, values: Mapping[str, str]) -> str:
    """Return the owner and project of a template. UsageError for a value that cannot be in it."""
    return _PLACEHOLDER.sub(lambda match: _value(match[1], template, values), template)


def allowed_place(template: str, places: Iterable[str]) -> bool:
    """Return whether the part before the first placeholder begins with one of `places`.

    Each place ends with a slash, so that a longer host or directory name does not match.
    """
    fixed = template.partition("{")[0]
    return any(place.endswith("/") and fixed.startswith(place) for place in places)


def expand(template: str, values: Mapping[str, str], places: Iterable[str]) -> str:
    """Return the URL of a template, with a trailing slash. UsageError says why there is none.

    In a value a slash (of nested groups) becomes `-`, as Packit names its projects.
    """
    problem = template_problem(template)
    if problem is not None:
        raise UsageError(f"The URL template {template}: {problem}.")
    places = tuple(places)
    if not allowed_place(template, places):
        allowed = ", ".join(places) or "nowhere (build.external in the server's settings is empty)"
        raise UsageError(
            f"Packages are not taken from {template}: this server takes them from {allowed}.",
            "Whoever runs the bot may add the place to build.external in its settings.",
        )

    def value(match: re.Match[str]) -> str:
        return quote(_value(match[1], template, values), safe="@+~:")

    url = _PLACEHOLDER.sub(value, template).rstrip("/") + "/"
    if _has_steps(url) or not any(url.startswith(place) for place in places):
        raise UsageError(f"The URL {url} leaves the place that {template} begins with.")
    return url


def _value(name: str, template: str, values: Mapping[str, str]) -> str:
    value = values[name].replace("/", "-")
    if not _VALUE.fullmatch(value):
        raise UsageError(f"`{value[:100]}` cannot stand for {{{name}}} in {template}.")
    return value


def _has_steps(url: str) -> bool:
    path = url.partition("://")[2].partition("/")[2].removesuffix("/")
    return any(segment in (".", "..", "") for segment in path.split("/")) if path else False
