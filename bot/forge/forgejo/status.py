"""The commit statuses of Forgejo and Gitea, ours and others'; neither has check runs.

The jobs of Forgejo Actions are statuses too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.forge.forgejo.client import PAGE
from bot.forge.rest import RepositoryApi, quoted
from bot.forge.values import STATUS_NAME, CheckState, CommitCheck, StatusReport

_DESCRIPTION = 255  # characters that a page has room for
# The states that a commit status does not have.
_STATES = {"neutral": "success", "action_required": "pending"}
# `warning` is a success of a job that may fail; `skipped` is Gitea's: nothing came of it.
_CHECK_STATES: Mapping[str, CheckState] = {
    "pending": "pending",
    "success": "success",
    "warning": "success",
}


async def put_status(api: RepositoryApi, sha: str, report: StatusReport) -> None:
    """Set our status of a commit; nothing is written where it says the same already."""
    # A commit status knows no neutral: a success whose text says what it is not.
    title = f"not evaluated: {report.title}" if report.state == "neutral" else report.title
    fits = len(title) <= _DESCRIPTION
    wanted = {
        "status": _STATES.get(report.state, report.state),
        "context": STATUS_NAME,
        "description": title if fits else f"{title[: _DESCRIPTION - 1]}…",
        "target_url": report.url or "",
    }
    newest = await _newest(api, sha)
    if newest is not None and all((newest.get(n) or "") == text for n, text in wanted.items()):
        return
    # What is read as `status` is written as `state`.
    await api.post(f"/statuses/{quoted(sha)}", {"state": wanted.pop("status"), **wanted})


async def _newest(api: RepositoryApi, sha: str) -> Mapping[str, Any] | None:
    """The newest status of our name, or null."""
    path = f"/commits/{quoted(sha)}/statuses?sort=highestindex&{PAGE}"
    async for status in api.pages(path):
        if status["context"] == STATUS_NAME:
            return dict(status)
    return None


async def checks_of_commit(api: RepositoryApi, sha: str) -> list[CommitCheck]:
    """The newest status of each context."""
    listed = api.pages(f"/commits/{quoted(sha)}/status?{PAGE}", "statuses")
    return [_check(status) async for status in listed]


def _check(status: Mapping[str, Any]) -> CommitCheck:
    word = str(status["status"])
    state = _CHECK_STATES.get(word, "failure")
    return CommitCheck(str(status["context"]), state, word, str(status.get("target_url") or ""))
