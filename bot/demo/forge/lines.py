"""Comments on lines of a pull request's diff, as both APIs have them."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from bot.demo.forge.values import Comment, Line, Pull
from bot.git.hunks import shown_lines

# GitHub's block, and GitLab's with how many lines above and below are replaced too.
_BLOCK = re.compile(r"^(`{3,})suggestion(?::-0\+0)?\n(.*?)\n?\1$", re.MULTILINE | re.DOTALL)


def line_of(pull: Pull, path: str, number: int, sha: str) -> Line | None:
    """The line of the head's side at `sha` with this number; null where the diff does not show
    it."""
    git = pull.repository.git
    base = git.merge_base(pull.base_sha, sha)
    changes = git.changes(base, sha) if base else ()
    patch = next((change.patch for change in changes if change.path == path), None)
    shown = shown_lines(patch or "")
    return Line(path, number, sha, shown[number]) if number in shown else None


def line_now(comment: Comment) -> Line | None:
    """The line of a comment at the pull request's head; null where it was changed or has left the
    diff: the comment is outdated."""
    line, pull = comment.line, comment.pull
    assert line is not None
    if line.sha == pull.head_sha:
        return line
    texts = [
        (pull.repository.git.file(sha, line.path) or b"").splitlines()
        for sha in (line.sha, pull.head_sha)
    ]
    for block in SequenceMatcher(None, texts[0], texts[1], autojunk=False).get_matching_blocks():
        if block.a < line.number <= block.a + block.size:
            return line_of(pull, line.path, line.number - block.a + block.b, pull.head_sha)
    return None


def suggested(comment: Comment) -> str | None:
    """The text that a comment suggests instead of its line; null where it suggests none."""
    found = _BLOCK.search(comment.body)
    return None if found is None else found[2]


def applied(comment: Comment) -> dict[str, bytes] | None:
    """The file, by its path, as the suggestion of a comment makes it; null where it cannot be
    applied."""
    line, text = line_now(comment), suggested(comment)
    if line is None or text is None:
        return None
    pull = comment.pull
    lines = (pull.repository.git.file(pull.head_sha, line.path) or b"").split(b"\n")
    lines[line.number - 1 : line.number] = [part.encode() for part in text.split("\n")]
    return {line.path: b"\n".join(lines)}
