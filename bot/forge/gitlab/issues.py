"""Issues on GitLab. https://docs.gitlab.com/api/issues/"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import gitlab

from bot.forge.issues import WRITTEN_TWICE, Issue, IssueText, writes

T = TypeVar("T")


class Ask(Protocol):
    """Runs `call` in a thread of the client's; `again`: whether a second try is safe."""

    async def __call__(
        self, doing: str, call: Callable[[gitlab.Gitlab], T], *, again: bool = True
    ) -> T: ...


class GitLabIssues:
    """`project` gives the number of a project, `login` our own account's name."""

    def __init__(
        self,
        ask: Ask,
        project: Callable[[gitlab.Gitlab, str], int],
        login: Callable[[gitlab.Gitlab], str],
    ) -> None:
        self._ask = ask
        self._project = project
        self._login = login

    async def find(self, repository: str, marker: str) -> Issue | None:
        """The oldest of ours that holds `marker`."""

        def read(client: gitlab.Gitlab) -> Issue | None:
            found = self._own(client, repository, marker)
            return _issue(found[0]) if found else None

        return await self._ask(f"looking for the issue in {repository}", read)

    async def put(self, repository: str, marker: str, text: IssueText) -> Issue | None:
        """Edit our issue, or create it where there is none; of two the older stays."""
        if marker not in text.body:
            raise ValueError("the issue does not hold its own marker")
        doing = f"writing the issue in {repository}"
        found = await self.find(repository, marker)
        if found is None and text.state == "closed":
            return None

        def create(client: gitlab.Gitlab) -> None:
            fields = {"title": text.title, "description": text.body}
            self._issues(client, repository).create(fields)

        def settle(client: gitlab.Gitlab) -> Issue:
            # Two runs may have looked at the same moment: the oldest stays.
            first, *surplus = self._own(client, repository, marker)
            for other in surplus:
                body = WRITTEN_TWICE.format(number=first.iid)
                _save(other, {"description": body, "state_event": "close"})
            known = _issue(first)
            if not writes(known, text):
                return known
            fields = {"title": text.title, "description": text.body}
            if text.state is not None and text.state != known.state:
                fields["state_event"] = "close" if text.state == "closed" else "reopen"
            return _issue(_save(first, fields))

        if found is None:
            # It may have been written although the answer was lost: not again without looking.
            await self._ask(doing, create, again=False)
        return await self._ask(doing, settle)

    def _issues(self, client: gitlab.Gitlab, repository: str) -> Any:
        return client.projects.get(self._project(client, repository), lazy=True).issues

    def _own(self, client: gitlab.Gitlab, repository: str, marker: str) -> list[Any]:
        """Our issues of all pages, oldest first."""
        login = self._login(client)
        listed = self._issues(client, repository).list(
            iterator=True,
            author_username=login,
            scope="all",
            order_by="created_at",
            sort="asc",
        )
        found = [
            issue
            for issue in listed
            if str((issue.author or {}).get("username") or "").casefold() == login.casefold()
            and marker in str(issue.description or "")
        ]
        return sorted(found, key=lambda issue: int(issue.iid))


def _save(issue: Any, fields: dict[str, str]) -> Any:
    for name, value in fields.items():
        setattr(issue, name, value)
    issue.save()
    return issue


def _issue(issue: Any) -> Issue:
    return Issue(
        id=str(int(issue.iid)),
        url=str(issue.web_url or ""),
        title=str(issue.title or ""),
        body=str(issue.description or ""),
        state="closed" if issue.state == "closed" else "open",
    )
