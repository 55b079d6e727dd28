"""Issues that the bot keeps: one for each subject, found by a hidden marker and its author."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

IssueState = Literal["open", "closed"]
# What an issue says that came twice: two runs looked at the same moment.
WRITTEN_TWICE = "This was written twice; the other one is kept up to date: #{number}."


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue that is ours. `id` is its number in its repository."""

    id: str
    url: str
    title: str
    body: str
    state: IssueState


@dataclass(frozen=True, slots=True)
class IssueText:
    """The wanted text of an issue, and whether it is to be open; null leaves that to people.

    `body` holds the marker.
    """

    title: str
    body: str
    state: IssueState | None


class Issues(ABC):
    """A forge's issues; the errors are those of every forge."""

    @abstractmethod
    async def own(self, repository: str, marker: str) -> list[Issue]:
        """The issues that we wrote and that hold `marker`, open or closed, of all pages; the oldest
        first."""

    @abstractmethod
    async def create(self, repository: str, text: IssueText) -> Issue:
        """A new issue with this title and body."""

    @abstractmethod
    async def edit(
        self, repository: str, issue: Issue, text: IssueText, *, surplus: bool = False
    ) -> Issue:
        """The issue with this text and state; `surplus`: it came twice."""

    async def find(self, repository: str, marker: str) -> Issue | None:
        """The oldest of ours."""
        return next(iter(await self.own(repository, marker)), None)

    async def put(self, repository: str, marker: str, text: IssueText) -> Issue | None:
        """Create or edit our one issue with this text; nothing is written where it is the same.

        None where there is none and it shall be closed. One that came twice is closed.
        """
        if marker not in text.body:
            raise ValueError("the issue does not hold its own marker")
        own = await self.own(repository, marker)
        if not own:
            if text.state == "closed":
                return None
            made = await self.create(repository, text)
            # Two runs may have looked at the same moment: the oldest stays.
            own = await self.own(repository, marker) or [made]
        first, *others = own
        for other in others:
            body = WRITTEN_TWICE.format(number=first.id)
            await self.edit(repository, other, IssueText(other.title, body, "closed"), surplus=True)
        return await self.edit(repository, first, text) if writes(first, text) else first


def writes(issue: Issue, text: IssueText) -> bool:
    """Return whether an issue does not say `text` yet."""
    wanted = text.state or issue.state
    return (issue.title, issue.body.strip(), issue.state) != (
        text.title,
        text.body.strip(),
        wanted,
    )
