"""The hidden markers by which our answers are found again, and known as ours."""

from __future__ import annotations

import re
from collections.abc import Sequence

# What every comment of ours has among its first lines; see bot.report.COMMENT_MARKER.
_OURS = re.compile(r"^<!-- /?minimize[:\w -]*-->", re.MULTILINE)
_FIRST = 2_000


def answer_marker(comment: str, commands: Sequence[str]) -> str:
    """The marker of the answer to some commands (their names) of the comment with this id."""
    import hashlib

    exact = hashlib.sha256("\0".join(sorted(commands)).encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9]", "", comment)[:40]
    return f"<!-- minimize:answer {readable} {exact} -->"


def is_ours(body: str) -> bool:
    """Whether a comment looks like one of our own: such a one is never obeyed.

    With a token we are a user like others, and the forge does not call our comments a bot's.
    """
    return _OURS.search(body[:_FIRST]) is not None
