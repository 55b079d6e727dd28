"""Issues on GitHub. https://docs.github.com/en/rest/issues/issues"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.forge.github.client import OpenApi, errors_as_ours, quoted
from bot.forge.issues import Issue, Issues, IssueText


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
