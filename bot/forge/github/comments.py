"""Our comment on a pull request, and our issues on GitHub.

https://docs.github.com/en/rest/issues/comments, https://docs.github.com/en/rest/issues/issues. A
comment that somebody hid as outdated is shown again when it has something new to say. Only GraphQL
can: https://docs.github.com/en/graphql/reference/mutations#unminimizecomment
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gidgethub

from bot.forge.comments import RestComments, RestIssues
from bot.forge.github.client import errors_as_ours
from bot.forge.rest import OpenApi, RepositoryApi, RestClient, quoted

LOG = logging.getLogger(__name__)
_SHOW = (
    "mutation ($comment: ID!) {"
    " unminimizeComment(input: {subjectId: $comment}) { clientMutationId } }"
)


class GitHubComments(RestComments):
    """`api` gives the API of a repository, `login` our own account's name."""

    listed = "?per_page=100"

    def __init__(self, api: OpenApi, login: Callable[[], Awaitable[str]], api_url: str) -> None:
        super().__init__(api, login, errors_as_ours)
        self._api_url = api_url

    async def _edited(self, api: RepositoryApi, edited: Any) -> None:
        await show_again(api.client, api.token, self._api_url, edited)


async def show_again(
    client: RestClient, token: str, api_url: str, edited: Mapping[str, Any]
) -> None:
    """Shows a comment that was just `edited` (GitHub's own answer) and is hidden as outdated.

    Hidden for another reason it stays hidden: somebody does not want it. Where showing it fails,
    the log says so; the edit stands.
    """
    reason = str((edited.get("minimized") or {}).get("reason") or "")
    if reason.casefold() != "outdated" or not edited.get("node_id"):
        return
    data = {"query": _SHOW, "variables": {"comment": edited["node_id"]}}
    try:
        answer = await client.post(_graphql(api_url), data=data, oauth_token=token)
        problems = answer.get("errors")
    except gidgethub.HTTPException as error:
        problems = error
    if problems:
        LOG.warning("comment %s is edited and stays hidden: %s", edited.get("html_url"), problems)


def _graphql(api_url: str) -> str:
    """Its address: beside `/v3` on a server of one's own, below the API on github.com."""
    return f"{api_url.rstrip('/').removesuffix('/v3')}/graphql"


class GitHubIssues(RestIssues):
    """`api` gives the API of a repository, `login` our own account's name."""

    def __init__(self, api: OpenApi, login: Callable[[], Awaitable[str]]) -> None:
        super().__init__(api, login, errors_as_ours)

    def _by(self, login: str) -> str:
        order = "sort=created&direction=asc&per_page=100"
        return f"state=all&creator={quoted(login)}&{order}"

    def _closing(self, closes: bool, surplus: bool) -> dict[str, Any]:
        reason = "completed" if closes else "reopened"
        return {"state_reason": "not_planned" if surplus else reason}
