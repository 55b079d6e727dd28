"""One comment on the change request, kept up to date by each run with a token that may write it.

Where the bot itself comments, there is none: two comments about one change are one too many.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Protocol

import gidgethub

from bot.ci.systems import ChangeRequest
from bot.forge.values import Comment, PullRequestKey
from bot.model.result import CheckResult
from bot.report.render import (
    CI_MARKER,
    COMMENT_MARKER,
    comment_needed,
    render_comment,
    render_nothing_any_more,
)

# The account of the token that GitHub gives each job; it may not ask who it is.
_ACTIONS_LOGIN = "github-actions[bot]"


class _Comments(Protocol):
    """The comments of a forge, as both modules `comments` have them."""

    async def anybody_has(self, key: PullRequestKey, marker: str) -> bool: ...
    async def find(self, key: PullRequestKey, marker: str) -> Comment | None: ...
    async def put(self, key: PullRequestKey, marker: str, body: str) -> Comment: ...


async def put_ci_comment(change: ChangeRequest, result: CheckResult) -> Comment | None:
    """Write the comment about `result`, or bring the one of an earlier run up to date.

    Null where none is needed: nothing changes and none stands there, or the bot comments itself.
    Raises ForgeError and its subclasses, also where the token may not write.
    """
    key = PullRequestKey(change.forge, change.repository, change.number)
    async with _open(change) as comments:
        if await comments.anybody_has(key, COMMENT_MARKER):
            return None
        if comment_needed(result):
            return await comments.put(key, CI_MARKER, render_comment(result, marker=CI_MARKER))
        if await comments.find(key, CI_MARKER) is None:
            return None
        return await comments.put(key, CI_MARKER, render_nothing_any_more(result, marker=CI_MARKER))


@asynccontextmanager
async def _open(change: ChangeRequest) -> AsyncIterator[_Comments]:
    assert change.token is not None
    if change.forge == "gitlab":
        from bot.forge.gitlab.client import GitLabClient
        from bot.forge.gitlab.comments import GitLabComments
        from bot.forge.gitlab.members import GitLabPeople

        # The address of python-gitlab is the instance's, to which it adds the API's path.
        client = GitLabClient(change.api_url.removesuffix("/api/v4"), change.token)
        try:
            yield GitLabComments(client, GitLabPeople().own_login, change.web_url)
        finally:
            await client.close()
        return
    # Forgejo's comments are GitHub's: the same paths below /api/v1, the same fields.
    from bot.forge.github.app import TokenAuth
    from bot.forge.github.client import GitHubClient
    from bot.forge.github.comments import GitHubComments
    from bot.forge.rest import RepositoryApi, Sessions

    token, api_url = change.token, change.api_url
    sessions = Sessions()

    async def api(repository: str, *, attempts: int = 4) -> RepositoryApi:
        client = GitHubClient(sessions.get(), api_url=api_url, attempts=attempts)
        return RepositoryApi(client, token, repository)

    async def login() -> str:
        try:
            return await TokenAuth(token).login((await api(change.repository)).client)
        except gidgethub.HTTPException as error:
            if change.forge != "github" or error.status_code != HTTPStatus.FORBIDDEN:
                raise
            return _ACTIONS_LOGIN

    try:
        yield GitHubComments(api, login, api_url)
    finally:
        await sessions.close()
