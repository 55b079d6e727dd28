"""Events beside those of a pull request's commits, as values that all forges share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.forge.values import IgnoredEvent, PullRequestEvent, PullRequestKey, WebhookRefusedError
from bot.store.records import NewDelivery

# What the id that our status carries begins with, on a merge queue's commit.
MERGE_GROUP_CHECK = "merge-group-"


@dataclass(frozen=True, slots=True)
class CommentEvent:
    """A comment on a pull request that was written or edited.

    `comment` is the forge's id of it, `updated` the forge's own time of this text: the two together
    say whether the text was read before. `author` wrote the comment; `sender` made this version of
    it (a maintainer may edit another's comment, and then speaks for themselves).
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
    """A request to run a check again. `check` is the id that our status carries, or null where
    the forge names only the commit (a whole check suite)."""

    forge: str
    repository: str
    check: str | None
    head_sha: str
    sender: str


@dataclass(frozen=True, slots=True)
class MergeGroupEvent:
    """A merge queue asks for the required status of a commit that it made.

    `key` is the last pull request of the group; the commit is not its head. `again`: somebody
    pressed Re-run, and the forge waits for a new status although it has one.
    """

    key: PullRequestKey
    head_sha: str
    base_ref: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class PushEvent:
    """A branch moved. `before` and `after` are commit ids, of zeros where there is none.

    `commits_url` is where the repository's commits have their pages, each below it by its id.
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

    `names` are the checks', empty where the forge does not name them.
    """

    forge: str
    repository: str
    head_sha: str
    names: tuple[str, ...] = ()


Event = (
    PullRequestEvent
    | CommentEvent
    | RerunEvent
    | MergeGroupEvent
    | PushEvent
    | ChecksEvent
    | IgnoredEvent
)


# What reading a body raises that lacks something, or has another thing in its place.
MISSHAPEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def new_delivery(
    forge: str, event: str, delivery: str, body: bytes, carried: str | None
) -> NewDelivery:
    """The delivery; WebhookRefusedError 400 where what names it is no text, which nothing keeps."""
    try:
        "".join((event, delivery, carried or "")).encode()
    except UnicodeEncodeError as error:
        raise WebhookRefusedError(
            400, "What names the delivery or its object is no text."
        ) from error
    return NewDelivery(forge, event, delivery, body, carried)
