"""The text of a commit status on GitLab, and the same as a line of the comment.

The line stands between two hidden marks and belongs to one commit: a later text of the comment
keeps it while it is about that commit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.forge.values import StatusReport
from bot.report.render import COMMENT_MARKER

_DESCRIPTION = 255  # characters that GitLab takes
_STATES = {"pending": "pending", "success": "success", "failure": "failed", "neutral": "success"}
_WORDS = {
    "pending": "is running",
    "success": "succeeded",
    "failure": "failed",
    "neutral": "did not evaluate it",
}
_BLOCK = re.compile(
    r"<!-- minimize-status (?P<sha>[0-9a-f]{40,64}) -->\n(?P<line>[^\n]*)\n"
    r"<!-- /minimize-status -->\n\n"
)
# What the comment says where nothing but the status of a fork's commit calls for one.
ALONE = f"{COMMENT_MARKER}\nThis fork takes no commit status from the bot, so it stands here.\n"


def status_fields(report: StatusReport, name: str) -> dict[str, Any]:
    """The parameters of a commit status. It knows no neutral: a success that says what it is."""
    title = f"not evaluated: {report.title}" if report.state == "neutral" else report.title
    fields: dict[str, Any] = {
        "state": _STATES[report.state],
        "name": name,
        "description": _cut(title, _DESCRIPTION),
    }
    if report.url:
        fields["target_url"] = report.url
    return fields


def next_status(
    newest: Mapping[str, Any] | None, fields: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The request that makes the status say `fields`; None if `newest` says so already.

    GitLab takes a new text only with a new state: what is pending and has more to tell runs.
    """
    if newest is None:
        return dict(fields)
    same_text = all(newest.get(n) == fields.get(n) for n in ("description", "target_url"))
    if fields["state"] == "pending" and newest["status"] in ("pending", "running"):
        return None if same_text else {**fields, "state": "running"}
    return None if same_text and newest["status"] == fields["state"] else dict(fields)


def status_line(sha: str, report: StatusReport) -> str:
    """One line of Markdown. The title is code: no mention, reference or markup in it acts."""
    title = _cut(" ".join(report.title.split()), _DESCRIPTION).replace("`", "'")
    link = f" ([details]({report.url}))" if report.url and _plain(report.url) else ""
    word = _WORDS[report.state]
    return f"{_line_start(sha)} {word}: `{title}`{link}"


def _line_start(sha: str) -> str:
    return f"**Status `minimize`** of `{sha[:12]}`"


def of_comment(body: str) -> str | None:
    """The status block that a comment holds, with its marks; null if there is none."""
    found = _BLOCK.search(body)
    return found.group(0) if found else None


def concludes(body: str, sha: str) -> bool:
    """Return whether a comment holds the status of this commit, and it is no longer running."""
    found = _BLOCK.search(body)
    if found is None or found["sha"] != sha:
        return False
    return not found["line"].startswith(f"{_line_start(sha)} {_WORDS['pending']}:")


def with_status(body: str, untaken: tuple[str, StatusReport] | None, before: str | None) -> str:
    """`body` with the status of `untaken` (commit, report) before it, or with the block `before`.

    Without either, `body` as it is; a block that it held is replaced.
    """
    block = before
    if untaken is not None:
        sha, report = untaken
        line = status_line(sha, report)
        block = f"<!-- minimize-status {sha} -->\n{line}\n<!-- /minimize-status -->\n\n"
    if block is None:
        return body
    return block + _BLOCK.sub("", body)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _plain(url: str) -> bool:
    return re.fullmatch(r"https?://[A-Za-z0-9._~:/%-]+(\?[A-Za-z0-9._~=%-]+)?", url) is not None
