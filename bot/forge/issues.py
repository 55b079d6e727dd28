"""Issues that the bot keeps: one for each subject, found by a hidden marker and its author."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

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


class Issues(Protocol):
    """A forge's issues; the errors are those of every forge."""

    async def find(self, repository: str, marker: str) -> Issue | None:
        """The oldest issue that we wrote and that holds `marker`, open or closed, of all pages."""
        ...

    async def put(self, repository: str, marker: str, text: IssueText) -> Issue | None:
        """Create or edit our one issue with this text; nothing is written where it is the same.

        None where there is none and it shall be closed. One that came twice is closed.
        """
        ...


def writes(issue: Issue, text: IssueText) -> bool:
    """Return whether an issue does not say `text` yet."""
    wanted = text.state or issue.state
    return (issue.title, issue.body.strip(), issue.state) != (
        text.title,
        text.body.strip(),
        wanted,
    )
