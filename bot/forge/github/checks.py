"""The checks of a commit on GitHub: check runs of Apps, and commit statuses.

https://docs.github.com/en/rest/checks/runs, https://docs.github.com/en/rest/commits/statuses
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.forge.github.client import GitHubClient
from bot.forge.values import CheckState, CommitCheck

# A run that waits for somebody's click may still come to something.
_WAITING = ("action_required",)


async def checks_of_commit(client: GitHubClient, token: str, commit: str) -> list[CommitCheck]:
    """The newest check run of each App and name, then the newest status of each context.

    `commit` is the commit's path in the API, from `/repos` on. Over all pages.
    """
    found = []
    runs = client.getiter(
        f"{commit}/check-runs?filter=latest&per_page=100",
        oauth_token=token,
        iterable_key="check_runs",
    )
    async for run in runs:
        found.append(_of_run(run))
    statuses = client.getiter(
        f"{commit}/status?per_page=100", oauth_token=token, iterable_key="statuses"
    )
    async for status in statuses:
        found.append(_of_status(status))
    return found


def _of_run(run: Mapping[str, Any]) -> CommitCheck:
    word = str(run.get("conclusion") or run["status"])
    state: CheckState = "failure"
    if run["status"] != "completed" or word in _WAITING:
        state = "pending"
    elif word == "success":
        state = "success"
    url = run.get("details_url") or run.get("html_url") or ""
    return CommitCheck(str(run["name"]), state, word, str(url))


def _of_status(status: Mapping[str, Any]) -> CommitCheck:
    word = str(status["state"])
    state: CheckState = "failure"
    if word in ("pending", "success"):
        state = "pending" if word == "pending" else "success"
    return CommitCheck(str(status["context"]), state, word, str(status.get("target_url") or ""))
