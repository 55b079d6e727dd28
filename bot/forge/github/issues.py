"""Issues on GitHub. https://docs.github.com/en/rest/issues/issues"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from bot.forge.github.client import GitHubClient, errors_as_ours
from bot.forge.issues import WRITTEN_TWICE, Issue, IssueText, writes


class GitHubIssues:
    """`client` gives a client with a token for a repository, `login` our own account's name."""

    def __init__(
        self,
        client: Callable[[str], Awaitable[tuple[GitHubClient, str]]],
        login: Callable[[], Awaitable[str]],
    ) -> None:
        self._client = client
        self._login = login

    async def find(self, repository: str, marker: str) -> Issue | None:
        """The oldest of ours that holds `marker`."""
        async with errors_as_ours(f"looking for the issue in {repository}"):
            found = await self._own(repository, marker)
            return found[0] if found else None

    async def put(self, repository: str, marker: str, text: IssueText) -> Issue | None:
        """Edit our issue, or create it where there is none; of two the older stays."""
        if marker not in text.body:
            raise ValueError("the issue does not hold its own marker")
        async with errors_as_ours(f"writing the issue in {repository}"):
            own = await self._own(repository, marker)
            if not own:
                if text.state == "closed":
                    return None
                made = await self._send(
                    repository, "", {"title": text.title, "body": text.body}, create=True
                )
                # Two runs may have looked at the same moment: the oldest stays.
                own = await self._own(repository, marker) or [made]
            first = own[0]
            for surplus in own[1:]:
                body = WRITTEN_TWICE.format(number=first.id)
                fields = {"body": body, "state": "closed", "state_reason": "not_planned"}
                await self._send(repository, surplus.id, fields)
            if not writes(first, text):
                return first
            fields = {"title": text.title, "body": text.body}
            if text.state is not None and text.state != first.state:
                reason = "completed" if text.state == "closed" else "reopened"
                fields |= {"state": text.state, "state_reason": reason}
            return await self._send(repository, first.id, fields)

    async def _own(self, repository: str, marker: str) -> list[Issue]:
        """Our issues of all pages, oldest first, without the list's pull requests."""
        login = await self._login()
        client, token = await self._client(repository)
        path = (
            f"{_path(repository)}?state=all&creator={quote(login, safe='')}"
            "&sort=created&direction=asc&per_page=100"
        )
        found = []
        async for item in client.getiter(path, oauth_token=token):
            author = str((item.get("user") or {}).get("login") or "")
            ours = author.lower() == login.lower() and not item.get("pull_request")
            if ours and marker in str(item.get("body") or ""):
                found.append(_issue(item))
        return sorted(found, key=lambda issue: int(issue.id))

    async def _send(
        self, repository: str, number: str, fields: dict[str, Any], *, create: bool = False
    ) -> Issue:
        client, token = await self._client(repository)
        path = _path(repository)
        if create:
            return _issue(await client.post(path, data=fields, oauth_token=token))
        return _issue(await client.patch(f"{path}/{int(number)}", data=fields, oauth_token=token))


def _path(repository: str) -> str:
    owner, _, name = repository.partition("/")
    return f"/repos/{quote(owner, safe='')}/{quote(name, safe='')}/issues"


def _issue(item: Any) -> Issue:
    return Issue(
        id=str(int(item["number"])),
        url=str(item.get("html_url") or ""),
        title=str(item.get("title") or ""),
        body=str(item.get("body") or ""),
        state="closed" if item["state"] == "closed" else "open",
    )
