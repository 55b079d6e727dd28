"""Our comment on a pull request, and our issues on GitHub.

https://docs.github.com/en/rest/issues/comments, https://docs.github.com/en/rest/issues/issues. A
comment that somebody hid as outdated is shown again when it has something new to say. Only GraphQL
can: https://docs.github.com/en/graphql/reference/mutations#unminimizecomment
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import gidgethub

from bot.forge.events import Issue, Issues, IssueText
from bot.forge.github.client import GitHubClient, OpenApi, errors_as_ours, quoted
from bot.forge.values import Comment, PullRequestKey

LOG = logging.getLogger(__name__)
_SHOW = (
    "mutation ($comment: ID!) {"
    " unminimizeComment(input: {subjectId: $comment}) { clientMutationId } }"
)


class GitHubComments:
    """`api` gives the API of a repository, `login` our own account's name."""

    def __init__(self, api: OpenApi, login: Callable[[], Awaitable[str]], api_url: str) -> None:
        self._api = api
        self._login = login
        self._api_url = api_url

    async def find(self, key: PullRequestKey, marker: str) -> Comment | None:
        """Our oldest comment with `marker`; other people's are never ours, whatever they hold."""
        async with errors_as_ours(f"looking for the comment on {key}"):
            found = await self._own(key, marker, first=True)
            return found[0] if found else None

    async def anybody_has(self, key: PullRequestKey, marker: str) -> bool:
        """Return whether there is a comment with `marker`, whoever wrote it."""
        async with errors_as_ours(f"looking for the comment on {key}"):
            api = await self._api(key.repository)
            async for item in api.pages(f"/issues/{key.number}/comments?per_page=100"):
                if marker in str(item.get("body") or ""):
                    return True
        return False

    async def put(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Edits our comment, or writes it where there is none; one that came twice goes again."""
        if marker not in body:
            raise ValueError("the comment does not hold its own marker")
        async with errors_as_ours(f"commenting on {key}"):
            own = await self._own(key, marker)
            if not own:
                api = await self._api(key.repository)
                made = await api.post(f"/issues/{key.number}/comments", {"body": body})
                # Two runs may have looked at the same moment: the oldest comment stays.
                own = await self._own(key, marker) or [_comment(made)]
            for surplus in own[1:]:
                await self._delete(key, surplus)
            return await self._edit(key, own[0], body)

    async def _own(self, key: PullRequestKey, marker: str, *, first: bool = False) -> list[Comment]:
        login = (await self._login()).lower()
        found: list[Comment] = []
        api = await self._api(key.repository)
        async for item in api.pages(f"/issues/{key.number}/comments?per_page=100"):
            author = str((item.get("user") or {}).get("login") or "")
            if author.lower() == login and marker in str(item.get("body") or ""):
                found.append(_comment(item))
                if first:
                    break
        return sorted(found, key=lambda c: int(c.id))

    async def _edit(self, key: PullRequestKey, comment: Comment, body: str) -> Comment:
        if comment.body == body:
            return comment
        # No second try here: whoever waited must look at the head again before writing its text.
        api = await self._api(key.repository, attempts=1)
        edited = await api.patch(f"/issues/comments/{comment.id}", {"body": body})
        await show_again(api.client, api.token, self._api_url, edited)
        return _comment(edited)

    async def _delete(self, key: PullRequestKey, comment: Comment) -> None:
        api = await self._api(key.repository)
        try:
            await api.delete(f"/issues/comments/{comment.id}")
        except gidgethub.HTTPException as error:
            if error.status_code != HTTPStatus.NOT_FOUND:  # the other run was quicker
                raise


def _comment(item: Any) -> Comment:
    return Comment(str(item["id"]), str(item.get("html_url") or ""), str(item.get("body") or ""))


async def show_again(
    client: GitHubClient, token: str, api_url: str, edited: Mapping[str, Any]
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


class GitHubIssues(Issues):
    """`api` gives the API of a repository, `login` our own account's name."""

    def __init__(self, api: OpenApi, login: Callable[[], Awaitable[str]]) -> None:
        self._api = api
        self._login = login

    async def own(self, repository: str, marker: str) -> list[Issue]:
        """Our issues, without the list's pull requests."""
        async with errors_as_ours(f"looking for the issue in {repository}"):
            login = await self._login()
            api = await self._api(repository)
            order = "sort=created&direction=asc&per_page=100"
            found = []
            async for item in api.pages(f"/issues?state=all&creator={quoted(login)}&{order}"):
                author = str((item.get("user") or {}).get("login") or "")
                ours = author.lower() == login.lower() and not item.get("pull_request")
                if ours and marker in str(item.get("body") or ""):
                    found.append(_issue(item))
            return sorted(found, key=lambda issue: int(issue.id))

    async def create(self, repository: str, text: IssueText) -> Issue:
        async with errors_as_ours(f"writing the issue in {repository}"):
            api = await self._api(repository)
            return _issue(await api.post("/issues", {"title": text.title, "body": text.body}))

    async def edit(
        self, repository: str, issue: Issue, text: IssueText, *, surplus: bool = False
    ) -> Issue:
        fields = {"title": text.title, "body": text.body}
        if text.state is not None and text.state != issue.state:
            reason = "completed" if text.state == "closed" else "reopened"
            reason = "not_planned" if surplus else reason
            fields |= {"state": text.state, "state_reason": reason}
        async with errors_as_ours(f"writing the issue in {repository}"):
            api = await self._api(repository)
            return _issue(await api.patch(f"/issues/{int(issue.id)}", fields))


def _issue(item: Any) -> Issue:
    return Issue(
        id=str(int(item["number"])),
        url=str(item.get("html_url") or ""),
        title=str(item.get("title") or ""),
        body=str(item.get("body") or ""),
        state="closed" if item["state"] == "closed" else "open",
    )
