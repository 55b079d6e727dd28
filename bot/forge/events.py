"""Events, except those of a pull request's commits, and issues, as values that all forges share.

The bot has one issue for each subject, found by a hidden marker and its author.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bot.forge.values import IgnoredEvent, PullRequestEvent, PullRequestKey, WebhookRefusedError
from bot.store.records import NewDelivery

# Prefix of the id in the bot's status on a merge queue's commit.
MERGE_GROUP_CHECK = "merge-group-"


@dataclass(frozen=True, slots=True)
class CommentEvent:
    """A comment on a pull request that was written or edited.

    `comment` is the forge's id of it, `updated` the forge's time of this version; together they
    identify the text. `author` wrote the comment, `sender` this version of it (a maintainer may
    edit another's comment, and then gives commands as themselves).
    """

    key: PullRequestKey
    comment: str
    author: str
    sender: str
    author_is_bot: bool
    body: str
    action: Literal["created", "edited"]
    updated: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class RerunEvent:
    """A request to run a check again. `check` is the id in the bot's status, or None if the forge
    names only the commit (a whole check suite)."""

    forge: str
    repository: str
    check: str | None
    head_sha: str
    sender: str


@dataclass(frozen=True, slots=True)
class MergeGroupEvent:
    """A merge queue's request for the status of a commit that it made.

    `key` is the last pull request of the group; the commit is not its head. `again`: somebody
    pressed Re-run, and the forge waits for a new status.
    """

    key: PullRequestKey
    head_sha: str
    base_ref: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class PushEvent:
    """A moved branch. `before` and `after` are commit ids, of zeros if there is none.

    `commits_url` followed by a commit's id is the address of its page.
    """

    forge: str
    repository: str
    branch: str
    before: str
    after: str
    default_branch: str = ""
    private: bool = False
    commits_url: str = ""


@dataclass(frozen=True, slots=True)
class ChecksEvent:
    """The end of checks of a commit, which runs may wait for.

    `names` are the checks' names, empty if the forge does not name them.
    """

    forge: str
    repository: str
    head_sha: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RepositoriesEvent:
    """Repositories that the bot serves from now on, or no more: installed, removed, deleted,
    renamed."""

    forge: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


Event = (
    PullRequestEvent
    | CommentEvent
    | RerunEvent
    | MergeGroupEvent
    | PushEvent
    | ChecksEvent
    | RepositoriesEvent
    | IgnoredEvent
)


# Errors of reading a body that lacks a field, or has one of another type.
MISSHAPEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def moment(text: str) -> datetime:
    """The time of an RFC 3339 text with any offset and precision."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


Parsers = Mapping[str, Callable[[str, Mapping[str, Any]], Event]]
_BRANCH = "refs/heads/"


def utc(text: str | None) -> str:
    """An RFC 3339 time in UTC, in whole seconds; empty stays empty."""
    return moment(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if text else ""


def parse_by(parsers: Parsers, forge: str, event: str, data: Mapping[str, Any]) -> Event:
    """The event of a delivery, by the parser of its name. Raises one of MISSHAPEN if the body is
    not that event."""
    parser = parsers.get(event)
    if parser is None:
        return IgnoredEvent(f"The event {event} asks nothing of the bot.")
    return parser(forge, data)


def parse_push(
    forge: str,
    data: Mapping[str, Any],
    repository: str,
    push_of: Callable[[str, Mapping[str, Any], str, str, str], PushEvent],
) -> Event:
    """The move of a branch in a push's delivery; its field `repository` is the repository."""
    ref = str(data["ref"])
    if not ref.startswith(_BRANCH):
        return IgnoredEvent(f"{ref} is no branch.")
    commits = str(data["before"]), str(data["after"])
    return push_of(forge, data[repository], ref.removeprefix(_BRANCH), *commits)


def json_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a body; WebhookRefusedError 400 if it is none."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookRefusedError(400, "The body is no JSON.") from error
    if not isinstance(data, dict):
        raise WebhookRefusedError(400, "The body is no JSON object.")
    return data


def is_unedited(comment: Mapping[str, Any], since: str) -> bool:
    """Return whether a comment of the API was created at `since` or later, and never edited."""
    created = str(comment["created_at"])
    return created == comment["updated_at"] and moment(created) >= moment(since)


def new_delivery(
    forge: str, event: str, delivery: str, body: bytes, identity: str | None
) -> NewDelivery:
    """The delivery; WebhookRefusedError 400 if its names are invalid text, which cannot be
    stored."""
    try:
        "".join((event, delivery, identity or "")).encode()
    except UnicodeEncodeError as error:
        raise WebhookRefusedError(
            400, "The names of the delivery or its object are no valid text."
        ) from error
    return NewDelivery(forge, event, delivery, body, identity)


def parsed_delivery(
    forge: str,
    event: str,
    delivery: str,
    body: bytes,
    data: Mapping[str, Any],
    parsers: Parsers,
    carried_object: Callable[[str, Mapping[str, Any]], str | None],
) -> NewDelivery:
    """The delivery of a body with `data`; WebhookRefusedError 400 if it does not fit the event."""
    try:
        identity = carried_object(event, data)
        parse_by(parsers, forge, event, data)
    except MISSHAPEN as error:
        raise WebhookRefusedError(400, f"The body is not that of the event {event}.") from error
    return new_delivery(forge, event, delivery, body, identity)


IssueState = Literal["open", "closed"]
# The text of a duplicate issue: two runs may create one at the same moment.
WRITTEN_TWICE = "This is a duplicate; the other issue is updated: #{number}."


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue of the bot. `id` is its number in its repository."""

    id: str
    url: str
    title: str
    body: str
    state: IssueState


@dataclass(frozen=True, slots=True)
class IssueText:
    """The desired text of an issue, and whether it is open; None leaves that as it is.

    `body` contains the marker.
    """

    title: str
    body: str
    state: IssueState | None


class Issues(ABC):
    """The bot's issues on a forge. Methods raise ForgeError and its subclasses."""

    @abstractmethod
    async def own(self, repository: str, marker: str) -> list[Issue]:
        """The bot's issues with `marker`, open or closed, over all pages, the oldest first."""

    @abstractmethod
    async def create(self, repository: str, text: IssueText) -> Issue:
        """Create an issue with this title and body."""

    @abstractmethod
    async def edit(
        self, repository: str, issue: Issue, text: IssueText, *, surplus: bool = False
    ) -> Issue:
        """Edit an issue to this text and state; `surplus`: it is a duplicate."""

    async def find(self, repository: str, marker: str) -> Issue | None:
        """The bot's oldest issue with `marker`, or None."""
        return next(iter(await self.own(repository, marker)), None)

    async def put(self, repository: str, marker: str, text: IssueText) -> Issue | None:
        """Create or edit the bot's one issue with this text; nothing is written if it is the same.

        None if there is none and it shall be closed. Duplicates are closed.
        """
        if marker not in text.body:
            raise ValueError("the issue does not contain its own marker")
        own = await self.own(repository, marker)
        if not own:
            if text.state == "closed":
                return None
            issue = await self.create(repository, text)
            # Two runs may have created one at the same moment: the oldest stays.
            own = await self.own(repository, marker) or [issue]
        first, *duplicates = own
        for duplicate in duplicates:
            body = WRITTEN_TWICE.format(number=first.id)
            await self.edit(
                repository, duplicate, IssueText(duplicate.title, body, "closed"), surplus=True
            )
        return await self.edit(repository, first, text) if writes(first, text) else first


def issue_of(
    fields: Mapping[str, Any], *, number: str = "number", url: str = "html_url", body: str = "body"
) -> Issue:
    """An issue of an API's answer; the names of some fields depend on the forge."""
    return Issue(
        id=str(int(fields[number])),
        url=str(fields.get(url) or ""),
        title=str(fields.get("title") or ""),
        body=str(fields.get(body) or ""),
        state="closed" if fields["state"] == "closed" else "open",
    )


def writes(issue: Issue, text: IssueText) -> bool:
    """Return whether an issue differs from `text`."""
    state = text.state or issue.state
    return (issue.title, issue.body.strip(), issue.state) != (
        text.title,
        text.body.strip(),
        state,
    )
