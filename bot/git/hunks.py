"""The lines that a patch shows: those of its hunks, with the unchanged lines around them.

The format is git's unified one: https://git-scm.com/docs/diff-format. A forge takes comments on
these lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.git.repository import GitRepository

_HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


def shown_lines(patch: str) -> dict[int, int | None]:
    """The numbers of the lines on the new side of a file's patch, each with its number on the old
    side, null if it is new."""
    lines: dict[int, int | None] = {}
    old = new = 0
    for line in patch.split("\n"):
        hunk = _HUNK.match(line)
        if hunk is not None:
            old, new = int(hunk[1]), int(hunk[2])
        elif new == 0 or line[:1] not in (" ", "+", "-"):
            continue  # before the first hunk, or "\ No newline at end of file"
        elif line[0] == "-":
            old += 1
        else:
            lines[new] = old if line[0] == " " else None
            old += line[0] == " "
            new += 1
    return lines


def lines_of_change(
    git: GitRepository, before: str, after: str, old_path: str | None, new_path: str
) -> Mapping[int, int | None]:
    """The lines of a file that a forge shows for a change between two commits, as `shown_lines`."""
    paths = dict.fromkeys(path for path in (old_path, new_path) if path is not None)
    options = ("--find-renames", "--unified=3", "--no-ext-diff", "--no-color", "--no-textconv")
    patch = git.git("diff", *options, before, after, "--", *paths)
    return shown_lines(patch.decode(errors="replace"))
