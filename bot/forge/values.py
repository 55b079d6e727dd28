"""Values that all forges share. Nothing here belongs to one forge."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeVar

from bot.errors import MinimizeError, SurroundingsError
from bot.git.mirror import GitCredential
from bot.report.annotations import Annotation

Role = Literal["none", "read", "triage", "write", "maintain", "admin"]
ROLES: tuple[Role, ...] = ("none", "read", "triage", "write", "maintain", "admin")
# `action_required`: somebody must allow it first. Branch protection treats it as pending; a forge
# without such a state shows it as pending.
StatusState = Literal["pending", "success", "failure", "neutral", "action_required"]
Reaction = Literal["eyes", "+1", "-1", "confused"]
CheckState = Literal["pending", "success", "failure"]
# The name of the bot's check run or commit status.
STATUS_NAME = "minimize"


class ForgeError(SurroundingsError):
    """A failed request: the forge is unavailable, fails, or limits requests. Another try may help.
    `wait` is the seconds that the forge requires before that, or 0."""

    def __init__(self, what: str, hint: str = "", wait: float = 0.0) -> None:
        super().__init__(what, hint)
        self.wait = wait


class ForgeRefusedError(ForgeError):
    """A request that would be refused again: the credential lacks a permission or is revoked."""


class ForgeDeniedError(ForgeRefusedError):
    """A request that the credential may not make (401, 403) until people correct it."""


class ForgeTooLargeError(ForgeError):
    """A list that is so long that the forge refuses to return it."""


class ForgeGoneError(MinimizeError):
    """A repository or pull request that does not exist, or is not visible to us."""


def error_of_status(
    forge: str, doing: str, status: int, answer: str, hint: str
) -> ForgeError | ForgeGoneError:
    """The error of an HTTP status above 399; `hint` is the remedy if the forge refuses."""
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return ForgeGoneError(f"{forge} does not have what was requested ({doing}): {answer}.")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return ForgeError(f"{forge} failed ({doing}): {answer}.")
    denied = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    kind = ForgeDeniedError if denied else ForgeRefusedError
    return kind(f"{forge} refused ({doing}): {answer}.", hint)


def unexpected_answer(forge: str, doing: str, what: str) -> ForgeError:
    """The error of an answer that does not fit the forge's API."""
    return ForgeError(f"{forge} gave an unexpected answer ({doing}): {what}.")


class WebhookRefusedError(Exception):
    """A rejected delivery. `status` is the HTTP status of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, order=True, slots=True)
class PullRequestKey:
    """A pull (or merge) request: the forge's name in the settings, its repository, its number."""

    forge: str
    repository: str
    number: int

    @property
    def parts(self) -> tuple[str, str, int]:
        """The forge, the repository and the number, in the order of the store's columns."""
        return self.forge, self.repository, self.number

    def __str__(self) -> str:
        return f"{self.forge}:{self.repository}#{self.number}"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as the forge has it now. Commit ids are full; `base_sha` is the branch tip.

    `merged` is the time of its merge, RFC 3339 in UTC, and `merge_sha` the resulting commit on the
    base branch; both empty if it was not merged. `default_branch` is the base repository's.
    `internal`: it is private, but every user of the forge may read it. `text` is its description.
    """

    key: PullRequestKey
    title: str
    author: str
    author_is_bot: bool
    open: bool
    draft: bool
    private: bool
    base_ref: str
    base_sha: str
    head_sha: str
    head_repository: str | None
    url: str
    merged: str = ""
    merge_sha: str = ""
    default_branch: str = ""
    internal: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class OpenPull:
    """An open pull request as a forge lists it; `updated` is RFC 3339 in UTC."""

    number: int
    head_sha: str
    base_ref: str
    updated: str


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """A delivery all of whose `attempts` failed, the last `at` (seconds since 1970).

    `delivery` is its id, also in the store; `address` is the API path that sends it again.
    """

    delivery: str
    address: str
    attempts: int
    at: float


@dataclass(frozen=True, slots=True)
class ForgeFile:
    """One file that a pull request changes, as the forge lists it."""

    path: str
    old_path: str | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of the bot. `id` is the forge's."""

    id: str
    url: str
    body: str


@dataclass(frozen=True, slots=True)
class LineSuggestion:
    """A suggestion on one line of a pull request's diff: `text` (Markdown), and the `replacement`.
    `name` (letters and digits) identifies the edit within the pull request.

    `line` counts from 1 on the head's side; `base_line` is its number in base's `base_path`, None
    if the change added the line. `edits` are the names of its edits, for `/minimize decline`.
    """

    name: str
    path: str
    line: int
    text: str
    replacement: str
    base_path: str
    base_line: int | None = None
    edits: tuple[str, ...] = ()


_SUGGESTION = re.compile(r"<!-- minimize-suggestion ([0-9a-z]+) -->")
# The text of a withdrawn suggestion that somebody has answered.
NOT_SUGGESTED = "_Not suggested any more: see the newest comment of the check._\n"


def suggestion_body(suggestion: LineSuggestion, block: str) -> str:
    """The comment (Markdown) of a suggestion; `block` is the info string of its code block.

    The fence is longer than any in the line, whose text is not trusted.
    """
    longest = max((len(run) for run in re.findall("`+", suggestion.replacement)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = f"{fence}{block}\n{suggestion.replacement}\n{fence}"
    return f"<!-- minimize-suggestion {suggestion.name} -->\n{suggestion.text}\n\n{lines}\n"


def suggestion_in(body: str) -> str | None:
    """The name in the hidden marker of a suggestion's comment; None for any other comment."""
    match = _SUGGESTION.match(body)
    return None if match is None else match[1]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The text and state of a commit's status `minimize`. `check` is the id of the check.

    `annotations` are shown with a concluded status, if the forge can.
    """

    check: str
    state: StatusState
    title: str
    summary: str = ""
    url: str | None = None
    annotations: tuple[Annotation, ...] = ()


# The states that a commit status does not have.
COMMIT_STATES: Mapping[StatusState, StatusState] = {
    "neutral": "success",
    "action_required": "pending",
}


def status_fields(report: StatusReport, name: str, most: int) -> dict[str, str]:
    """The fields of a commit status: `name` is the field of its name, `most` its text's limit."""
    fields = {
        "state": COMMIT_STATES.get(report.state, report.state),
        name: STATUS_NAME,
        "description": commit_title(report, most),
    }
    return {**fields, "target_url": report.url} if report.url else fields


def commit_title(report: StatusReport, most: int | None = None) -> str:
    """The text of a commit status, at most `most` characters: only it says "not evaluated"."""
    title = f"not evaluated: {report.title}" if report.state == "neutral" else report.title
    return title if most is None else truncated(title, most)


def truncated(text: str, most: int) -> str:
    """The text, truncated to `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


@dataclass(frozen=True, slots=True)
class CommitCheck:
    """A check run, status, job or pipeline of a commit, under its name.

    `word` is the forge's own name of its state; skipped or cancelled ones are a `failure`. `url` is
    its page, or empty.
    """

    name: str
    state: CheckState
    word: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """The git source of a pull request's commits; the URL has no secret. `refs` are those of its
    head and base, for servers that do not serve commits by id."""

    url: str
    credential: GitCredential | None
    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PullRequestEvent:
    """A change of a pull request: `check` it again, or `stop` (it was closed).

    `merged` is the time of its merge, RFC 3339 in UTC; empty if it was not merged. `base_ref` is
    the base branch, `pusher` the user who pushed the head, both empty if unknown. `base_sha` is the
    commit that the base branch has moved to, if the event is about that.
    """

    key: PullRequestKey
    wish: Literal["check", "stop"]
    head_sha: str
    action: str
    merged: str = ""
    base_ref: str = ""
    pusher: str = ""
    base_sha: str = ""


@dataclass(frozen=True, slots=True)
class IgnoredEvent:
    """A delivery that needs no work, with the reason."""

    reason: str


MOST = 5000
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def remember(table: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Add `value` to `table` as its newest entry, and drop the oldest above MOST entries."""
    table[key] = value
    table.move_to_end(key)
    while len(table) > MOST:
        table.popitem(last=False)
