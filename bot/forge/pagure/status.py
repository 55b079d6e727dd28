"""Flags, which are Pagure's statuses of commits; a pull request shows those of its head.

https://pagure.io/api/0/: a flag is set for a commit, not for a pull request, so that one of an
older head never stands on a newer. Setting it again under its id replaces it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from bot.forge.pagure.client import PagureApi
from bot.forge.rest import quoted
from bot.forge.values import STATUS_NAME, CheckState, CommitCheck, StatusReport

# FLAG_STATUSES_LABELS of an instance that says nothing else: these, `error` and `canceled`.
_STATUSES = {
    "pending": "pending",
    "action_required": "pending",
    "success": "success",
    "neutral": "success",
    "failure": "failure",
}


async def put_flag(api: PagureApi, sha: str, report: StatusReport, page: str) -> None:
    """Set our flag of a commit; nothing is written where it says the same already.

    A flag must have an address: `page` is the one where the report has none.
    """
    wanted = {
        "username": STATUS_NAME,
        "status": _STATUSES[report.state],
        # A flag knows no neutral.
        "comment": ("not evaluated: " if report.state == "neutral" else "") + report.title,
        "url": report.url or page,
    }
    newest = (await newest_flags(api, sha)).get(STATUS_NAME)
    if newest is None or any(newest[name] != text for name, text in wanted.items()):
        await api.post(f"/c/{quoted(sha)}/flag", {**wanted, "uid": _uid(api.repository)})


def _uid(repository: str) -> str:
    """The flag's id, 32 characters at most: a project's own, for a fork has the same commits and
    an id that is not the project's would be found in the other."""
    return hashlib.sha256(f"{STATUS_NAME} {repository}".encode()).hexdigest()[:32]


async def newest_flags(api: PagureApi, sha: str) -> dict[str, Mapping[str, Any]]:
    """The newest flag of each name, of a commit."""
    answer = await api.get(f"/c/{quoted(sha)}/flag")
    return {str(flag["username"]): flag for flag in answer["flags"]}  # the newest is last


async def checks_of_commit(api: PagureApi, sha: str) -> list[CommitCheck]:
    """The newest flag of each name as a check."""
    found = await newest_flags(api, sha)
    return [_check(name, flag["status"], flag["url"]) for name, flag in found.items()]


def _check(name: str, word: str, url: str) -> CommitCheck:
    states: Mapping[str, CheckState] = {"pending": "pending", "success": "success"}
    return CommitCheck(name, states.get(word, "failure"), word, url)
