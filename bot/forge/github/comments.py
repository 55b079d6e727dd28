"""The bot's comments on pull requests, suggestions on lines of diffs, and issues on GitHub.

https://docs.github.com/en/rest/issues/comments, https://docs.github.com/en/rest/issues/issues. A
comment that was hidden as outdated is shown again when its text changes. Only GraphQL can do that:
https://docs.github.com/en/graphql/reference/mutations#unminimizecomment

Suggestions are review comments: https://docs.github.com/en/rest/pulls/comments. A comment follows
its line through later pushes; its `line` is null once that line was changed or is not in the diff
any more.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import gidgethub

from bot.forge.comments import RestComments, RestIssues
from bot.forge.github.client import github_errors
from bot.forge.rest import OpenApi, RepositoryApi, RestClient, quoted
from bot.forge.values import (
    NOT_SUGGESTED,
    LineSuggestion,
    PullRequestKey,
    suggestion_body,
    suggestion_in,
)

LOG = logging.getLogger(__name__)
_SHOW = (
    "mutation ($comment: ID!) {"
    " unminimizeComment(input: {subjectId: $comment}) { clientMutationId } }"
)


class GitHubComments(RestComments):
    """`api` gives the API of a repository, `login` our own account's name."""

    page_query = "?per_page=100"

    def __init__(self, api: OpenApi, login: Callable[[], Awaitable[str]], api_url: str) -> None:
        super().__init__(api, login, github_errors)
        self._api_url = api_url

    async def _after_edit(self, api: RepositoryApi, response: Any) -> None:
        await show_again(api.client, api.token, self._api_url, response)


async def show_again(
    client: RestClient, token: str, api_url: str, comment: Mapping[str, Any]
) -> None:
    """Show a comment that was just `comment` (GitHub's answer) if it is hidden as outdated.

    One hidden for another reason stays hidden. A failure to show it is only logged.
    """
    reason = str((comment.get("minimized") or {}).get("reason") or "")
    if reason.casefold() != "outdated" or not comment.get("node_id"):
        return
    data = {"query": _SHOW, "variables": {"comment": comment["node_id"]}}
    try:
        response = await client.post(_graphql(api_url), data=data, oauth_token=token)
        problems = response.get("errors")
    except gidgethub.HTTPException as error:
        problems = error
    if problems:
        LOG.warning("comment %s is edited and stays hidden: %s", comment.get("html_url"), problems)


def _graphql(api_url: str) -> str:
    """The address of GraphQL: beside `/v3` on an Enterprise Server, below the API on github.com."""
    return f"{api_url.rstrip('/').removesuffix('/v3')}/graphql"


class GitHubIssues(RestIssues):
    """`api` gives the API of a repository, `login` our own account's name."""

    def __init__(self, api: OpenApi, login: Callable[[], Awaitable[str]]) -> None:
        super().__init__(api, login, github_errors)

    def _author_query(self, login: str) -> str:
        order = "sort=created&direction=asc&per_page=100"
        return f"state=all&creator={quoted(login)}&{order}"

    def _closing(self, closes: bool, surplus: bool) -> dict[str, str]:
        reason = "completed" if closes else "reopened"
        return {"state_reason": "not_planned" if surplus else reason}


class GitHubSuggestions:
    """`api` gives the API of a repository, `login` our own account's name."""

    def __init__(self, api: OpenApi, login: Callable[[], Awaitable[str]]) -> None:
        self._api = api
        self._login = login

    async def put(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        """Create missing suggestions, edit existing ones, and withdraw all others."""
        async with github_errors(f"suggesting on {key}"):
            login = (await self._login()).lower()
            # No second try: after a wait the caller has to compare the head commit again.
            api = await self._api(key.repository, attempts=1)
            own: list[Mapping[str, Any]] = []
            replied: set[int] = set()
            async for item in api.pages(f"/pulls/{key.number}/comments?per_page=100"):
                author = str((item.get("user") or {}).get("login") or "").lower()
                if item.get("in_reply_to_id"):
                    replied.add(int(item["in_reply_to_id"]))
                elif author == login and suggestion_in(str(item.get("body") or "")):
                    own.append(item)
            pending = {suggestion.name: suggestion for suggestion in suggestions}
            for item in own:
                suggestion = pending.get(suggestion_in(str(item["body"])) or "")
                if suggestion is not None and (item["path"], item.get("line")) == (
                    suggestion.path,
                    suggestion.line,
                ):
                    del pending[suggestion.name]
                    await _edit(api, item, suggestion_body(suggestion, "suggestion"))
                elif int(item["id"]) in replied:
                    await _edit(api, item, NOT_SUGGESTED)
                else:
                    await _delete(api, item)
            for suggestion in pending.values():
                await _create(api, key, sha, suggestion)


async def _create(
    api: RepositoryApi, key: PullRequestKey, sha: str, suggestion: LineSuggestion
) -> None:
    place = {"path": suggestion.path, "line": suggestion.line, "side": "RIGHT", "commit_id": sha}
    body = suggestion_body(suggestion, "suggestion")
    try:
        await api.post(f"/pulls/{key.number}/comments", {"body": body, **place})
    except gidgethub.HTTPException as error:
        if error.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        # "line must be part of the diff": GitHub shows less context than expected.
        LOG.info("%s takes no suggestion on %s:%d: %s", key, suggestion.path, place["line"], error)


async def _edit(api: RepositoryApi, item: Mapping[str, Any], body: str) -> None:
    if item["body"] != body:
        await api.patch(f"/pulls/comments/{int(item['id'])}", {"body": body})


async def _delete(api: RepositoryApi, item: Mapping[str, Any]) -> None:
    try:
        await api.delete(f"/pulls/comments/{int(item['id'])}")
    except gidgethub.HTTPException as error:
        if error.status_code != HTTPStatus.NOT_FOUND:  # it was deleted already
            raise
