"""Issues on GitLab. https://docs.gitlab.com/api/issues/"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gitlab

from bot.forge.gitlab.client import GitLabClient
from bot.forge.issues import Issue, Issues, IssueText


class GitLabIssues(Issues):
    """`login` gives our own account's name."""

    def __init__(self, client: GitLabClient, login: Callable[[gitlab.Gitlab], str]) -> None:
        self._client = client
        self._login = login

    async def own(self, repository: str, marker: str) -> list[Issue]:
        def read(client: gitlab.Gitlab) -> list[Issue]:
            login = self._login(client)
            listed = self._issues(client, repository).list(
                iterator=True,
                author_username=login,
                scope="all",
                order_by="created_at",
                sort="asc",
            )
            found = [
                _issue(issue.attributes)
                for issue in listed
                if str((issue.author or {}).get("username") or "").casefold() == login.casefold()
                and marker in str(issue.description or "")
            ]
            return sorted(found, key=lambda issue: int(issue.id))

        return await self._client.ask(f"looking for the issue in {repository}", read)

    async def create(self, repository: str, text: IssueText) -> Issue:
        def write(client: gitlab.Gitlab) -> Issue:
            fields = {"title": text.title, "description": text.body}
            return _issue(self._issues(client, repository).create(fields).attributes)

        # It may have been written although the answer was lost: not again without looking.
        return await self._client.ask(f"writing the issue in {repository}", write, again=False)

    async def edit(
        self, repository: str, issue: Issue, text: IssueText, *, surplus: bool = False
    ) -> Issue:
        del surplus  # GitLab knows no reason of a closed issue
        fields = {"title": text.title, "description": text.body}
        if text.state is not None and text.state != issue.state:
            fields["state_event"] = "close" if text.state == "closed" else "reopen"

        def write(client: gitlab.Gitlab) -> Issue:
            return _issue(self._issues(client, repository).update(int(issue.id), fields))

        return await self._client.ask(f"writing the issue in {repository}", write)

    def _issues(self, client: gitlab.Gitlab, repository: str) -> Any:
        return self._client.projects.project(client, repository, lazy=True).issues


def _issue(fields: Mapping[str, Any]) -> Issue:
    return Issue(
        id=str(int(fields["iid"])),
        url=str(fields.get("web_url") or ""),
        title=str(fields.get("title") or ""),
        body=str(fields.get("description") or ""),
        state="closed" if fields["state"] == "closed" else "open",
    )
