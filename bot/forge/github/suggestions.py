"""Our suggestions on lines of a pull request's diff on GitHub, as review comments.

https://docs.github.com/en/rest/pulls/comments. A comment follows its line through later pushes;
its `line` is null once that line is changed or has left the diff.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import gidgethub

from bot.forge.github.client import errors_as_ours
from bot.forge.rest import OpenApi, RepositoryApi
from bot.forge.values import (
    NOT_SUGGESTED,
    LineSuggestion,
    PullRequestKey,
    suggestion_body,
    suggestion_in,
)

LOG = logging.getLogger(__name__)


class GitHubSuggestions:
    """`api` gives the API of a repository, `login` our own account's name."""

    def __init__(self, api: OpenApi, login: Callable[[], Awaitable[str]]) -> None:
        self._api = api
        self._login = login

    async def put(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        """Write those that are not there, edit those that are, and take back all others."""
        async with errors_as_ours(f"suggesting on {key}"):
            login = (await self._login()).lower()
            # No second try: whoever waited must look at the head again before writing.
            api = await self._api(key.repository, attempts=1)
            own: list[Mapping[str, Any]] = []
            answered: set[int] = set()
            async for item in api.pages(f"/pulls/{key.number}/comments?per_page=100"):
                author = str((item.get("user") or {}).get("login") or "").lower()
                if item.get("in_reply_to_id"):
                    answered.add(int(item["in_reply_to_id"]))
                elif author == login and suggestion_in(str(item.get("body") or "")):
                    own.append(item)
            wanted = {one.name: one for one in suggestions}
            for item in own:
                one = wanted.get(suggestion_in(str(item["body"])) or "")
                if one is not None and (item["path"], item.get("line")) == (one.path, one.line):
                    del wanted[one.name]
                    await _edit(api, item, suggestion_body(one, "suggestion"))
                elif int(item["id"]) in answered:
                    await _edit(api, item, NOT_SUGGESTED)
                else:
                    await _delete(api, item)
            for one in wanted.values():
                await _create(api, key, sha, one)


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
        # "line must be part of the diff": GitHub shows less of it than we thought.
        LOG.info("%s takes no suggestion on %s:%d: %s", key, suggestion.path, place["line"], error)


async def _edit(api: RepositoryApi, item: Mapping[str, Any], body: str) -> None:
    if item["body"] != body:
        await api.patch(f"/pulls/comments/{int(item['id'])}", {"body": body})


async def _delete(api: RepositoryApi, item: Mapping[str, Any]) -> None:
    try:
        await api.delete(f"/pulls/comments/{int(item['id'])}")
    except gidgethub.HTTPException as error:
        if error.status_code != HTTPStatus.NOT_FOUND:  # somebody else was quicker
            raise
