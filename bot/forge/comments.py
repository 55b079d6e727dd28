"""The bot's comments and issues on a forge whose REST API is like GitHub's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

import gidgethub

from bot.forge.events import Issue, Issues, IssueText, issue_of
from bot.forge.rest import OpenApi, RepositoryApi
from bot.forge.values import Comment, PullRequestKey

# Context manager that converts a client's errors to ForgeError; the argument is what was being
# done.
Errors = Callable[[str], AbstractAsyncContextManager[None]]


class RestComments(ABC):
    """The bot's comments.

    `api` gives the API of a repository, `login` the bot's account name. `page_query` asks for pages
    of the most comments that the forge allows.
    """

    page_query = ""

    def __init__(self, api: OpenApi, login: Callable[[], Awaitable[str]], errors: Errors) -> None:
        self._api = api
        self._login = login
        self._errors = errors

    async def find(self, key: PullRequestKey, marker: str) -> Comment | None:
        """The bot's oldest comment with `marker`; those of other accounts are ignored."""
        async with self._errors(f"looking for the comment on {key}"):
            own = await self._own(key, marker, first=True)
            return own[0] if own else None

    async def anybody_has(self, key: PullRequestKey, marker: str) -> bool:
        """Return whether there is a comment with `marker`, whoever wrote it."""
        async with self._errors(f"looking for the comment on {key}"):
            api = await self._api(key.repository)
            async for item in api.pages(f"/issues/{key.number}/comments{self.page_query}"):
                if marker in str(item.get("body") or ""):
                    return True
        return False

    async def put(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Create or edit the bot's comment; duplicates are deleted."""
        if marker not in body:
            raise ValueError("the comment does not contain its own marker")
        async with self._errors(f"commenting on {key}"):
            own = await self._own(key, marker)
            if not own:
                api = await self._api(key.repository)
                response = await api.post(f"/issues/{key.number}/comments", {"body": body})
                # Two runs may have created one at the same moment: the oldest stays.
                own = await self._own(key, marker) or [_comment(response)]
            for surplus in own[1:]:
                await self._delete(key, surplus)
            return await self._edit(key, own[0], body)

    async def _own(self, key: PullRequestKey, marker: str, *, first: bool = False) -> list[Comment]:
        login = (await self._login()).lower()
        comments: list[Comment] = []
        api = await self._api(key.repository)
        async for item in api.pages(f"/issues/{key.number}/comments{self.page_query}"):
            author = str((item.get("user") or {}).get("login") or "")
            if author.lower() == login and marker in str(item.get("body") or ""):
                comments.append(_comment(item))
                if first:
                    break
        return sorted(comments, key=lambda c: int(c.id))

    async def _edit(self, key: PullRequestKey, comment: Comment, body: str) -> Comment:
        if comment.body == body:
            return comment
        # No second try here: after a wait the caller has to compare the head commit again.
        api = await self._api(key.repository, attempts=1)
        response = await api.patch(f"/issues/comments/{comment.id}", {"body": body})
        await self._after_edit(api, response)
        return _comment(response)

    @abstractmethod
    async def _after_edit(self, api: RepositoryApi, response: Any) -> None:
        """Do what the forge requires after a comment was edited; `response` is its answer."""

    async def _delete(self, key: PullRequestKey, comment: Comment) -> None:
        api = await self._api(key.repository)
        try:
            await api.delete(f"/issues/comments/{comment.id}")
        except gidgethub.HTTPException as error:
            if error.status_code != HTTPStatus.NOT_FOUND:  # another run has deleted it
                raise


def _comment(item: Any) -> Comment:
    return Comment(str(item["id"]), str(item.get("html_url") or ""), str(item.get("body") or ""))


class RestIssues(Issues):
    """The bot's issues. `api` gives the API of a repository, `login` the bot's account name."""

    def __init__(self, api: OpenApi, login: Callable[[], Awaitable[str]], errors: Errors) -> None:
        self._api = api
        self._login = login
        self._errors = errors

    @abstractmethod
    def _author_query(self, login: str) -> str:
        """The query for all issues of an author, the oldest first if the forge can sort."""

    def _closing(self, closes: bool, surplus: bool) -> dict[str, str]:
        """The fields of an edit that closes an issue, or opens it again, beside its state."""
        del closes, surplus
        return {}

    async def own(self, repository: str, marker: str) -> list[Issue]:
        """The bot's issues with `marker`; pull requests in the list are ignored."""
        async with self._errors(f"looking for the issue in {repository}"):
            login = await self._login()
            api = await self._api(repository)
            issues = []
            async for item in api.pages(f"/issues?{self._author_query(login)}"):
                author = str((item.get("user") or {}).get("login") or "")
                is_own = author.lower() == login.lower() and not item.get("pull_request")
                if is_own and marker in str(item.get("body") or ""):
                    issues.append(issue_of(item))
            return sorted(issues, key=lambda issue: int(issue.id))

    async def create(self, repository: str, text: IssueText) -> Issue:
        async with self._errors(f"writing the issue in {repository}"):
            api = await self._api(repository)
            return issue_of(await api.post("/issues", {"title": text.title, "body": text.body}))

    async def edit(
        self, repository: str, issue: Issue, text: IssueText, *, surplus: bool = False
    ) -> Issue:
        fields = {"title": text.title, "body": text.body}
        if text.state is not None and text.state != issue.state:
            fields |= {"state": text.state, **self._closing(text.state == "closed", surplus)}
        async with self._errors(f"writing the issue in {repository}"):
            api = await self._api(repository)
            return issue_of(await api.patch(f"/issues/{int(issue.id)}", fields))
