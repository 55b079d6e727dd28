"""%autorelease and %autochangelog, computed from the git history as rpmautospec does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rpmautospec_core import AUTORELEASE_MACRO, check_specfile_features

if TYPE_CHECKING:
    from bot.limits import NAME
from bot.git.repository import GitRepository
from bot.limits import NAME

# rpmautospec's documentation: -p prerelease, -e extra version, -s snapshot, -b base, -n no dist.
_AUTORELEASE = (
    "%{{?-p:0.}}%{{lua:print(math.floor({number} + (tonumber(rpm.expand('%{{?-b*}}')) or 1) - 1))}}"
    "%{{?-e:.%{{-e*}}}}%{{?-s:.%{{-s*}}}}%{{!?-n:%{{?dist}}}}"
)
_BUMP = re.compile(r"\[bump\s+release:\s*(\d+)\s*\]", re.IGNORECASE)
# Up to the end of the line: `.*?\s*$` would take quadratic time on blanks.
_VERSION = re.compile(r"^(Version|Epoch)[^\S\n]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_DEFINED = re.compile(r"^%(?:global|define)[^\S\n]+(\w+)[^\S\n](.*)$", re.MULTILINE)
_MACRO = re.compile(r"%\{?\??(\w+)\}?")
_MOST_COMMITS = 1000
_WORKING_TREE = "working tree"


def release_definitions(repository: GitRepository, commit: str, spec_path: str) -> dict[str, str]:
    """Definitions with which `evaluate_spec` expands %autorelease at a commit.

    Empty if the spec file does not use it, or the history is cut off (a shallow clone) before the
    version's first commit: `evaluate_spec` then uses a placeholder and notes it. `commit` may be
    `working tree`, which counts as one commit on top of HEAD.
    """
    number = release_number(repository, commit, spec_path)
    return {} if number is None else autorelease_definitions(number)


def release_number(repository: GitRepository, commit: str, spec_path: str) -> int | None:
    """The number that %autorelease expands to: commits since the version last changed.

    Commits of the first-parent history that touch the spec file's directory count; `[bump release:
    N]` in a message counts N. Null if the spec file does not use it, or the number cannot be known.
    """
    content = repository.read(commit, spec_path)
    if content is None or b"autorelease" not in content:
        return None
    version = _version(content)
    uncommitted = commit == _WORKING_TREE
    start = repository.resolve("HEAD" if uncommitted else commit)
    directory = str(PurePosixPath(spec_path).parent)
    log = repository.git(
        "log",
        "--first-parent",
        f"--max-count={_MOST_COMMITS}",
        "--format=%H%x00%B%x00%x00",
        start,
        "--",
        directory,
    )
    count = 1 if uncommitted else 0
    entries = [entry.strip(b"\n").split(b"\0", 1) for entry in log.split(b"\0\0")]
    shallow = repository.git("rev-parse", "--is-shallow-repository").strip() == b"true"
    for sha, message in (entry for entry in entries if len(entry) == 2):
        content = repository.read(sha.decode(), spec_path)
        if content is None or _version(content) != version:
            return max(count, 1)
        bumps = [int(number) for number in _BUMP.findall(message.decode(errors="replace"))]
        count += max(bumps, default=1)
    return None if shallow or len(entries) > _MOST_COMMITS else max(count, 1)


def _version(content: bytes) -> tuple[str, ...]:
    """The values of the Version and Epoch tags, with simple macros of the same file expanded."""
    text = content.decode(errors="replace")
    defined = {name: value.strip()[:NAME] for name, value in _DEFINED.findall(text)}
    tags = []
    for tag, value in _VERSION.findall(text):
        filled = value.strip()[:NAME]
        for _ in range(5):
            # Each round could grow the text tenfold: no version is that long.
            filled = _MACRO.sub(lambda match: defined.get(match[1], match[0]), filled)[:NAME]
        tags.append(f"{tag.lower()}={filled}")
    return tuple(tags)


def autorelease_definitions(number: int) -> dict[str, str]:
    """The macro definitions with which a spec file's release is the `number`th of its version."""
    return {AUTORELEASE_MACRO: _AUTORELEASE.format(number=number), "autochangelog": "%{nil}"}


def placeholder_definitions(
    spec: Path, definitions: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Definitions and notes for a spec file that uses rpmautospec if `given` has none."""
    features = check_specfile_features(spec, enable_caching=False)
    uses = features.has_autorelease or features.has_autochangelog
    if not uses or features.is_processed or AUTORELEASE_MACRO in definitions:
        return {}, ()
    notes: tuple[str, ...] = ()
    if features.has_autorelease:
        notes = ("The release is from %autorelease, and no git history was there to count it by.",)
    return autorelease_definitions(1), notes
