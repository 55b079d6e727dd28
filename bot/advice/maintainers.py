"""The maintainers of source packages, read from a file.

Three forms are read: YAML or JSON that maps names of sources, or globs, to one or several
maintainers; the same below `rpms`, as Fedora's pagure_owner_alias.json has it; and the lines of
forges' CODEOWNERS, where a pattern is a path and the last match counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bot.distro.fields import OneOrMany
from bot.distro.validation import InvalidDataError, dotted, validated
from bot.errors import UsageError
from bot.yamltext import YamlError, parse_yaml

# Bytes; Fedora's file has 1.5 MB.
_MOST_BYTES = 20_000_000
OWNERS_FILES = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")
_ByName = dict[str, OneOrMany]


@dataclass(frozen=True, slots=True)
class Maintainers:
    """Maintainers by source: an exact name first, else the last glob or path that matches."""

    exact: Mapping[str, tuple[str, ...]]
    patterns: Sequence[tuple[str, tuple[str, ...]]] = ()

    def of(self, source: str, spec_path: str | None = None) -> tuple[str, ...]:
        """Return the maintainers of a source; `spec_path` is its spec's path in its repository."""
        known = self.exact.get(source)
        if known is not None:
            return known
        for pattern, owners in reversed(self.patterns):
            if fnmatchcase(source, pattern) or (
                spec_path is not None and _covers(pattern, spec_path)
            ):
                return owners
        return ()


NOBODY = Maintainers({})


def maintainers_of(named: Mapping[str, Sequence[str]]) -> Maintainers:
    """Return the maintainers by names of sources, or globs of them."""
    maintainers = {name: tuple(owners) for name, owners in named.items()}
    patterns = [(name, owners) for name, owners in maintainers.items() if set(name) & set("*?[")]
    return Maintainers(maintainers, patterns)


def read_maintainers(path: Path) -> Maintainers:
    """Read the maintainers in a file; UsageError where it cannot be read or understood."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} is larger than {_MOST_BYTES} bytes.", "Name a smaller file.")
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The maintainers in {path} cannot be read: {error}.", "Name another file."
        ) from error
    if path.name.startswith("CODEOWNERS"):
        return _of_lines(text)
    return _of_data(_parsed(path, text), path)


def maintainers_in(checkout: Path) -> Maintainers:
    """Return the maintainers that a checkout's CODEOWNERS names; NOBODY where it has none."""
    for name in OWNERS_FILES:
        if (checkout / name).is_file():
            return read_maintainers(checkout / name)
    return NOBODY


def _parsed(path: Path, text: str) -> Any:
    try:
        return json.loads(text) if path.suffix == ".json" else parse_yaml(text.encode()).data
    except (YamlError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is neither YAML nor JSON: {error}.",
            "Name a YAML or JSON map of sources to maintainers, or a CODEOWNERS file.",
        ) from error


def _of_data(data: Any, path: Path) -> Maintainers:
    if isinstance(data, dict) and isinstance(data.get("rpms"), dict):
        data = data["rpms"]
    try:
        named = validated(_ByName, data, str(path))
    except InvalidDataError as error:
        places = "; ".join(
            f"{dotted(p.place) or 'the file'}: {p.message}" for p in error.problems[:5]
        )
        raise UsageError(
            f"{path} does not map sources to maintainers: {places}.",
            "Write `nginx: web-sig`, or a list of several.",
        ) from error
    return maintainers_of(named)


def _of_lines(text: str) -> Maintainers:
    patterns = []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        # A GitLab section (`[Docs] @team`) is no path.
        if len(words) > 1 and not words[0].startswith(("[", "^[")):
            patterns.append((words[0], tuple(words[1:])))
    return Maintainers({}, patterns)


def _covers(pattern: str, path: str) -> bool:
    """Return whether a CODEOWNERS pattern matches a path; a directory matches all below it."""
    rooted = pattern.startswith("/")
    wanted = pattern.strip("/")
    if wanted in ("*", "**"):
        return True
    below = f"{wanted}/*"
    if rooted or "/" in wanted:
        return fnmatchcase(path, wanted) or fnmatchcase(path, below)
    parts = path.split("/")
    return any(fnmatchcase(part, wanted) for part in parts)
