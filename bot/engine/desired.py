"""Desired states of the forge: a commit's status, a comment, suggestions, a reaction; each is a row
of the outbox. Several processes record them, sometimes late or twice.

Which record counts is decided here, without a clock: one of the pull request's current check, and
of these the one of the latest phase.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Literal, Self

import sqlalchemy as sa
from pydantic import TypeAdapter

from bot.forge.values import LineSuggestion, PullRequestKey, Reaction, StatusReport, StatusState

Kind = Literal["status", "comment", "suggestions", "reaction"]
# Of several pull requests with one head commit, the first of these states is shown.
_WORST_FIRST: tuple[StatusState, ...] = (
    "action_required",
    "failure",
    "pending",
    "neutral",
    "success",
)


class Phase(IntEnum):
    """The phases of a check in their order: an earlier phase's record never replaces a later
    one's."""

    QUEUED = 0
    PREDICTING = 1
    WAITING = 2
    BUILDING = 3
    CONCLUDED = 4
    WITHDRAWN = 5
    ACCEPTED = 6


@dataclass(frozen=True, slots=True)
class DesiredStatus:
    """The status that a pull request's check wants for its head commit.

    `report` is null while the check has none yet: an earlier check's conclusion stays meanwhile.
    `over`: the pull request was closed, so its check counts only where no other one has this
    commit.
    """

    number: int
    check: str
    phase: Phase = Phase.QUEUED
    report: StatusReport | None = None
    over: bool = False


@dataclass(frozen=True, slots=True)
class DesiredStatuses:
    """The statuses that pull requests with the same head commit want for it."""

    statuses: tuple[DesiredStatus, ...] = ()

    @property
    def shown(self) -> DesiredStatus | None:
        """The status to show on the commit: the worst of open, else of closed pull requests."""
        known = [status for status in self.statuses if status.report is not None]
        counting = [status for status in known if not status.over] or known
        return min(counting, key=_badness, default=None)

    def of(self, number: int) -> DesiredStatus | None:
        """The status of one pull request."""
        return next((status for status in self.statuses if status.number == number), None)

    def begun(self, number: int, check: str) -> DesiredStatuses:
        """The statuses after `check` became the pull request's; records of earlier ones are then
        ignored."""
        known = self.of(number)
        if known is not None and known.check == check:
            return self
        return self._with(
            DesiredStatus(number, check, report=known.report if known is not None else None)
        )

    def recorded(self, status: DesiredStatus) -> DesiredStatuses:
        """The statuses with this one, unless its check was replaced or has recorded a later
        phase."""
        known = self.of(status.number)
        if known is not None:
            late = known.check != status.check or status.phase < known.phase
            if (late and known.check) or (status.phase is Phase.QUEUED and not _is_open(known)):
                return self
        return self._with(status)

    def withdrawn(self, status: DesiredStatus) -> DesiredStatuses:
        """The statuses with this one, unless its check has concluded.

        If no check has begun, the status is stored without one, so that a check queued by an older
        release can still replace it.
        """
        known = self.of(status.number)
        if known is None:
            status = replace(status, check="")
        else:
            if known.check != status.check or not _is_open(known):
                return self
            status = replace(status, over=known.over)
        return self._with(replace(status, phase=Phase.WITHDRAWN))

    def closed(self, number: int, *, over: bool) -> DesiredStatuses:
        """The statuses after a pull request was closed, or (not `over`) reopened."""
        known = self.of(number)
        return self if known is None else self._with(replace(known, over=over))

    def _with(self, status: DesiredStatus) -> DesiredStatuses:
        others = [earlier for earlier in self.statuses if earlier.number != status.number]
        return DesiredStatuses((*others, status))


def _badness(status: DesiredStatus) -> tuple[int, int]:
    assert status.report is not None
    return _WORST_FIRST.index(status.report.state), status.number


def _is_open(status: DesiredStatus) -> bool:
    return status.report is None or status.report.state == "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfNewestCheck:
    """The newest check of a pull request and its phase, to which a desired state belongs."""

    check: str = ""
    phase: Phase = Phase.QUEUED
    head_sha: str = ""
    base_ref: str = ""

    def begun(self, check: str) -> Self:
        """The state after `check` became the newest; the old content stays until it has some."""
        return self if self.check == check else replace(self, check=check, phase=Phase.QUEUED)

    def is_later(self, wanted: OfNewestCheck) -> bool:
        """Return whether `wanted` is of a replaced check, or of an earlier phase of this one."""
        return self.check != wanted.check or wanted.phase < self.phase


@dataclass(frozen=True, slots=True)
class DesiredComment(OfNewestCheck):
    """The text of a comment that is found by `marker`.

    A comment with a `check` belongs to the pull request's newest check, and is written only while
    `head_sha` and `base_ref` are the pull request's own; others are answers, which are always
    written. `body` is null while the check wants none yet. Without `create` an existing comment is
    edited, but none is created.
    """

    marker: str
    body: str | None = None
    create: bool = True

    @property
    def shown(self) -> DesiredComment | None:
        """The comment; null while there is no text."""
        return None if self.body is None else self

    def recorded(self, comment: DesiredComment) -> DesiredComment:
        """`comment`, unless its check has been replaced or has recorded a later phase."""
        return self if self.is_later(comment) else comment


@dataclass(frozen=True, slots=True)
class DesiredSuggestions(OfNewestCheck):
    """The suggestions on lines of a pull request's diff, those of its newest check.

    They are written only while `head_sha` and `base_ref` are the pull request's own. `suggestions`
    is null until a check makes one: until then the forge is not queried.
    """

    suggestions: tuple[LineSuggestion, ...] | None = None

    @property
    def shown(self) -> DesiredSuggestions | None:
        """The suggestions; null while there was none."""
        return None if self.suggestions is None else self

    def recorded(self, wanted: DesiredSuggestions) -> DesiredSuggestions:
        """`wanted`, unless its check has been replaced or has recorded a later phase."""
        if self.is_later(wanted):
            return self
        none = self.suggestions is None and not wanted.suggestions
        return replace(wanted, suggestions=None) if none else wanted

    def without(self, edit: str) -> DesiredSuggestions:
        """The suggestions without those that contain a declined edit."""
        if self.suggestions is None:
            return self
        suggestions = tuple(
            suggestion for suggestion in self.suggestions if edit not in suggestion.edits
        )
        return replace(self, suggestions=suggestions)


@dataclass(frozen=True, slots=True)
class DesiredReaction:
    """A reaction to the comment with this id."""

    comment: str
    reaction: Reaction

    @property
    def shown(self) -> DesiredReaction:
        """The reaction."""
        return self


Desired = DesiredStatuses | DesiredComment | DesiredSuggestions | DesiredReaction
_KINDS: Mapping[Kind, TypeAdapter[Any]] = {
    "status": TypeAdapter(DesiredStatuses),
    "comment": TypeAdapter(DesiredComment),
    "suggestions": TypeAdapter(DesiredSuggestions),
    "reaction": TypeAdapter(DesiredReaction),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of one desired state: a commit, a comment by its marker, a pull request's
    suggestions, a reaction. `number` is a pull request that it belongs to; a commit may belong to
    several."""

    kind: Kind
    forge: str
    repository: str
    number: int
    name: str

    @classmethod
    def status(cls, key: PullRequestKey, sha: str) -> Subject:
        """The status of a commit."""
        return cls("status", *key.parts, sha)

    @classmethod
    def comment(cls, key: PullRequestKey, marker: str) -> Subject:
        """The comment of a pull request with this marker."""
        return cls("comment", *key.parts, marker)

    @classmethod
    def suggestions(cls, key: PullRequestKey) -> Subject:
        """The suggestions on lines of a pull request."""
        return cls("suggestions", *key.parts, "")

    @classmethod
    def reaction(cls, key: PullRequestKey, comment: str, reaction: Reaction) -> Subject:
        """Our reaction to a comment."""
        return cls("reaction", *key.parts, f"{comment} {reaction}")

    @property
    def key(self) -> PullRequestKey:
        """The pull request."""
        return PullRequestKey(self.forge, self.repository, self.number)

    @property
    def id(self) -> str:
        """The id of the row; a commit has one row for all its pull requests."""
        place = [self.kind, self.forge, self.repository]
        if self.kind != "status":
            place.append(str(self.number))
        return " ".join([*place, self.name])


def desired_to_json(desired: Desired) -> str:
    """The JSON of a desired state, for the outbox."""
    kind = _kind(desired)
    return json.dumps(_KINDS[kind].dump_python(desired, mode="json"), separators=(",", ":"))


def desired_from_json(kind: Kind, body: str) -> Desired:
    """The desired state that `desired_to_json` wrote."""
    desired: Desired = _KINDS[kind].validate_json(body)
    return desired


def _kind(desired: Desired) -> Kind:
    if isinstance(desired, DesiredStatuses):
        return "status"
    if isinstance(desired, DesiredSuggestions):
        return "suggestions"
    return "comment" if isinstance(desired, DesiredComment) else "reaction"


METADATA = sa.MetaData()
OUTBOX = sa.Table(
    "minimize_outbox",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(n, sa.Text, nullable=False) for n in ("kind", "forge", "repository", "name")),
    sa.Column("number", sa.Integer, nullable=False),
    # The desired state as JSON. `revision` counts its changes, `version` the visible ones; `seen`
    # is the version that the forge showed at `seen_at`.
    sa.Column("body", sa.Text, nullable=False),
    *(sa.Column(n, sa.Integer, nullable=False) for n in ("revision", "version", "seen")),
    sa.Column("changed_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double),
    # If not null, the time from which the forge is compared again, changed or not.
    sa.Column("look_at", sa.Double),
    sa.Column("due", sa.Double, nullable=False),
    # Failed tries in a row, since when, and refusals that are at least a day apart.
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("failing_since", sa.Double),
    sa.Column("refusals", sa.Integer, nullable=False),
    sa.Column("refused_at", sa.Double),
    sa.Column("problem", sa.Text),
    sa.Column("holder", sa.Text),
    sa.Column("held_until", sa.Double, nullable=False),
    sa.Index("minimize_outbox_due", "due"),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that this process alone may write to the forge, until its lease ends.

    `attempts` is the number of failed tries in a row, during `failing` seconds; `refusals` counts
    refusals that are at least a day apart. `taken_over`: the previous holder was lost, and a
    request of it may still arrive.
    """

    subject: Subject
    desired: Desired
    version: int
    attempts: int = 0
    failing: float = 0.0
    refusals: int = 0
    problem: str = ""
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A desired state as JSON, the number of its changes, and of its visible changes."""

    body: str
    revision: int
    version: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """The number of a forge's unwritten rows, and the seconds that the oldest has waited."""

    waiting: int
    seconds: float
