"""The records of the store: deliveries, checks, comments; and which checks are hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from typing_extensions import TypedDict

CheckStage = Literal["waiting", "predicted", "final", "stopped"]
# The problem of a check that a crash left without a run.
NEVER_STARTED = "The run was never started."
DeliveryState = Literal["new", "done", "ignored", "failed"]


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A verified delivery. `delivery` is the forge's id for it, `object` identifies its content."""

    forge: str
    event: str
    delivery: str
    body: bytes
    object: str | None = None


class Receipt(NamedTuple):
    """The receipt of a new delivery: its row, and whether it (or its object) was stored before."""

    id: int
    repeat: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """A stored delivery.

    `received` is RFC 3339; `attempts` counts failed tries, `misses` those, at least a day apart, in
    which the forge did not have its subject.
    """

    id: int
    forge: str
    event: str
    delivery: str
    received: str
    body: bytes
    state: DeliveryState
    reason: str | None
    attempts: int
    misses: int = 0


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One run of a check.

    `result` is CONTRACT's `check` object, or None until there is one; `result_id` is its id among
    the stored results. `first_status` and `first_comment` are the times when the forge first had
    each. `narrowed`: of some images only, as requested; not a result for the commit. `pusher` is
    empty if no delivery named them. `over`: the pull request is known not to be open.
    `opportunities` are the ids in the pull request's text, separated by blanks.
    """

    id: str
    forge: str
    repository: str
    number: int
    head_sha: str
    title: str = ""
    author: str = ""
    url: str = ""
    base_ref: str = ""
    base_sha: str = ""
    delivery: str = ""
    private: bool = False
    stage: CheckStage = "waiting"
    verdict: str | None = None
    summary: str | None = None
    problem: str | None = None
    result: dict[str, Any] | None = None
    created: str = ""
    predicted: str | None = None
    finished: str | None = None
    open: bool = True
    narrowed: bool = False
    result_id: str | None = None
    pusher: str = ""
    over: bool = False
    opportunities: str = ""
    first_status: str | None = None
    first_comment: str | None = None


class CheckChanges(TypedDict, total=False):
    """The fields of a check that a run may change; `result` is stored separately."""

    stage: CheckStage
    verdict: str | None
    summary: str | None
    problem: str | None
    result: dict[str, Any]
    result_id: str
    predicted: str
    finished: str
    open: bool


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step of a run.

    `part` is its workflow, `started` RFC 3339, `tries` the number of tries. `outcome` is that of
    the last try, `problem` a sentence if it failed; `seconds` is from the first try's beginning to
    the last one's end.
    """

    number: int
    part: str
    name: str
    started: str
    seconds: float
    tries: int = 1
    outcome: str = "ok"
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CommentRecord:
    """The comment of a pull request, as last written."""

    forge: str
    repository: str
    number: int
    comment: str
    url: str
    check_id: str
    written: str


# A row of SQLite by column name; a function from SQL and its values to rows.
Row = dict[str, Any]
Rows = Callable[[str, Sequence[Any]], list[Row]]

# 1 for a row of `checks` that is hidden.
HIDDEN = """(checks.private = 1 or (
    select newest.private from checks as newest
    where newest.forge = checks.forge and newest.repository = checks.repository
    order by newest.created desc, newest.rowid desc limit 1
))"""


def check_is_hidden(rows: Rows, check: str) -> bool:
    """Return whether a check is hidden; an unknown one is."""
    rows_found = rows(f"select {HIDDEN} as hidden from checks where id = ?", [check])
    return not rows_found or bool(rows_found[0]["hidden"])


def repository_is_hidden(rows: Rows, forge: str, repository: str) -> bool:
    """Return whether a repository is private now; false if it has no checks."""
    rows_found = rows(
        "select private from checks where forge = ? and repository = ?"
        " order by created desc, rowid desc limit 1",
        [forge, repository],
    )
    return bool(rows_found) and bool(rows_found[0]["private"])


def pull_request_is_hidden(rows: Rows, forge: str, repository: str, number: int | None) -> bool:
    """Return whether the repository is private now, or was when this pull request was checked."""
    if repository_is_hidden(rows, forge, repository):
        return True
    rows_found = rows(
        "select 1 as there from checks where forge = ? and repository = ? and number = ?"
        " and private = 1 limit 1",
        [forge, repository, number],
    )
    return bool(rows_found)
