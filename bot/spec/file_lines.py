"""The paths that `%files` lines give a package, as far as they are known without a build.

The syntax is rpm's (docs/manual/spec.md, build/files.c): directives before the path, globs with
braces, a directory with everything below it unless `%dir` says otherwise. Paths relative to the
build (`%doc README`) and lists that the build writes (`-f`) give no path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bot.model.spec import SpecPackage

_DIRECTIVE = re.compile(r"%(\w+)(?:\([^)]*\))?\s*")
# These are directives about the following lines and name no path.
_SETTINGS = frozenset(("defattr", "defverify", "docdir"))
_GLOB = re.compile(r"[*?\[{]")
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_MOST_GLOBS = 100
_LONGEST = 4096  # Linux's PATH_MAX


@dataclass(frozen=True, slots=True)
class _Line:
    """A path or glob of `%files`; `alone` is a directory without the files below it."""

    path: str
    excluded: bool
    alone: bool

    @property
    def literal(self) -> bool:
        return _GLOB.search(self.path) is None


def owned_files(
    published: Iterable[str], source: Iterable[str], before: SpecPackage | None, after: SpecPackage
) -> tuple[str, ...]:
    """The paths of a package at head, sorted: the published ones, and those that the lines change.

    `published` are the package's own paths, `source` those of all published packages of the source,
    from which a line of `after` may take one. A line that `before` lacks also adds its own path;
    one that `after` lacks removes the paths that no other line matches.
    """
    own = frozenset(published)
    old = () if before is None else before.files
    if before is not None and old == after.files:
        return tuple(sorted(own))
    remaining = _lines(after.files)
    dropped = _Matcher(_lines(set(old) - set(after.files)))
    new = _lines([line for line in after.files if line not in set(old)])
    staying, added = _Matcher(remaining), _Matcher(new)
    files = {path for path in own if staying.holds(path) or not dropped.holds(path)}
    files |= {path for path in source if added.holds(path)}
    files |= {line.path for line in new if line.literal and not line.excluded}
    return tuple(sorted(path for path in files if not added.excludes(path)))


def _lines(texts: Iterable[str]) -> tuple[_Line, ...]:
    return tuple(line for text in texts for line in _read(text))


def _read(text: str) -> Sequence[_Line]:
    rest, directives = text.strip(), set()
    while (match := _DIRECTIVE.match(rest)) is not None:
        directives.add(match[1])
        rest = rest[match.end() :]
    if rest.startswith("#") or directives & _SETTINGS:
        return ()
    excluded, alone = "exclude" in directives, "dir" in directives
    names = re.findall(r'"([^"]*)"|(\S+)', rest)
    paths = (quoted or plain for quoted, plain in names)
    return [
        _Line(re.sub("/{2,}", "/", path).rstrip("/") or "/", excluded, alone)
        for path in paths
        if path.startswith("/") and len(path) <= _LONGEST
    ]


class _Matcher:
    """Matches paths that some lines include or exclude."""

    def __init__(self, lines: Iterable[_Line]) -> None:
        self._included, self._excluded = _Paths(), _Paths()
        for line in lines:
            (self._excluded if line.excluded else self._included).add(line)

    def holds(self, path: str) -> bool:
        return self._included.fit(path) and not self._excluded.fit(path)

    def excludes(self, path: str) -> bool:
        return self._excluded.fit(path)


class _Paths:
    """Paths and globs.

    Each part of a path is matched by itself, so that no pattern in a spec file takes long.
    """

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._alone: set[str] = set()
        self._globs: list[tuple[list[str], bool]] = []

    def add(self, line: _Line) -> None:
        for path in _without_braces(line.path):
            if _GLOB.search(path) is None:
                (self._alone if line.alone else self._whole).add(path)
            else:
                self._globs.append((path.split("/"), line.alone))

    def fit(self, path: str) -> bool:
        if path in self._alone or any(parent in self._whole for parent in _with_parents(path)):
            return True
        parts = path.split("/")
        return any(
            (len(parts) == len(glob) if alone else len(parts) >= len(glob))
            and all(map(fnmatchcase, parts, glob))
            for glob, alone in self._globs
        )


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _without_braces(glob: str) -> list[str]:
    """The globs that one with `{a,b}` stands for; the glob itself if these are too many."""
    globs, open_ = [], [glob]
    while open_:
        text = open_.pop()
        braces = _BRACES.search(text)
        if braces is None:
            globs.append(text)
        else:
            before, after = text[: braces.start()], text[braces.end() :]
            open_ += [f"{before}{choice}{after}" for choice in braces[1].split(",")]
        if len(globs) + len(open_) > _MOST_GLOBS:
            return [glob]
    return globs
