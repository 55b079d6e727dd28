"""Desired states of the forge: a commit's status, a comment, a reaction; and which record counts.

The table of the outbox has them, a row each. Records come from several processes, late and twice.
Which of two counts is decided here, without a clock: by the check that a pull request has now, and
by how far that check had come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import TypeAdapter

from bot.forge.values import LineSuggestion, PullRequestKey, Reaction, StatusReport, StatusState

Kind = Literal["status", "comment", "suggestions", "reaction"]
# Of two pull requests with one head commit, the first of these is the commit's.
_WORST_FIRST: tuple[StatusState, ...] = (
    "action_required",
    "failure",
    "pending",
    "neutral",
    "success",
)


class Phase(IntEnum):
    """The parts of a check in their order: a later one is never replaced by an earlier one's."""

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

    Null while it wants none yet: what an earlier check concluded stays meanwhile. `over`: the pull
    request was closed, so its check counts only where no other one has this commit.
    """

    number: int
    check: str
    phase: Phase = Phase.QUEUED
    report: StatusReport | None = None
    over: bool = False


@dataclass(frozen=True, slots=True)
class DesiredStatuses:
    """The statuses that pull requests with one head commit want for it, by their numbers."""

    statuses: tuple[DesiredStatus, ...] = ()

    @property
    def shown(self) -> DesiredStatus | None:
        """The one that the commit shows: the worst of those that are not over."""
        known = [one for one in self.statuses if one.report is not None]
        counting = [one for one in known if not one.over] or known
        return min(counting, key=_badness, default=None)

    def of(self, number: int) -> DesiredStatus | None:
        """The status of one pull request."""
        return next((one for one in self.statuses if one.number == number), None)

    def begun(self, number: int, check: str) -> DesiredStatuses:
        """With `check` as the pull request's: what an earlier one says later counts no more."""
        known = self.of(number)
        if known is not None and known.check == check:
            return self
        return self._with(
            DesiredStatus(number, check, report=known.report if known is not None else None)
        )

    def recorded(self, status: DesiredStatus) -> DesiredStatuses:
        """With this status, unless a later check or a later phase of its own has spoken."""
        known = self.of(status.number)
        if known is not None:
            late = known.check != status.check or status.phase < known.phase
            if (late and known.check) or (status.phase is Phase.QUEUED and not _is_open(known)):
                return self
        return self._with(status)

    def withdrawn(self, status: DesiredStatus) -> DesiredStatuses:
        """With this status where its check had not concluded; a conclusion stays.

        Where none began it is no check's: one that an older release had queued may still speak.
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
        """With a pull request that was closed, or (not `over`) opened again."""
        known = self.of(number)
        return self if known is None else self._with(replace(known, over=over))

    def _with(self, status: DesiredStatus) -> DesiredStatuses:
        others = [one for one in self.statuses if one.number != status.number]
        return DesiredStatuses((*others, status))


def _badness(status: DesiredStatus) -> tuple[int, int]:
    assert status.report is not None
    return _WORST_FIRST.index(status.report.state), status.number


def _is_open(status: DesiredStatus) -> bool:
    return status.report is None or status.report.state == "pending"


@dataclass(frozen=True, slots=True)
class DesiredComment:
    """The text of a comment that is found by `marker`.

    A comment with a `check` is that of the pull request's newest check, and written only while
    `head_sha` and `base_ref` are the pull request's own; others are answers, written in any case.
    `body` is null while the check wants none yet. Not `create`: an existing one alone is edited.
    """

    marker: str
    body: str | None = None
    create: bool = True
    check: str = ""
    phase: Phase = Phase.QUEUED
    head_sha: str = ""
    base_ref: str = ""

    @property
    def shown(self) -> DesiredComment | None:
        """The comment, once there is a text."""
        return None if self.body is None else self

    def begun(self, check: str) -> DesiredComment:
        """With `check` as the pull request's; the text of an earlier one stays until it has one."""
        return self if self.check == check else replace(self, check=check, phase=Phase.QUEUED)

    def recorded(self, comment: DesiredComment) -> DesiredComment:
        """`comment`, unless a later check or a later phase of its own has spoken."""
        late = self.check != comment.check or comment.phase < self.phase
        return self if late else comment


@dataclass(frozen=True, slots=True)
class DesiredSuggestions:
    """The suggestions on lines of a pull request's diff, those of its newest check.

    They are written only while `head_sha` and `base_ref` are the pull request's own. `suggestions`
    is null while no check has wanted one yet: then the forge is not even asked.
    """

    suggestions: tuple[LineSuggestion, ...] | None = None
    check: str = ""
    phase: Phase = Phase.QUEUED
    head_sha: str = ""
    base_ref: str = ""

    @property
    def shown(self) -> DesiredSuggestions | None:
        """The suggestions, once there was one."""
        return None if self.suggestions is None else self

    def begun(self, check: str) -> DesiredSuggestions:
        """With `check` as the pull request's; what an earlier one suggests stays until then."""
        return self if self.check == check else replace(self, check=check, phase=Phase.QUEUED)

    def recorded(self, wanted: DesiredSuggestions) -> DesiredSuggestions:
        """`wanted`, unless a later check or a later phase of its own has spoken."""
        if self.check != wanted.check or wanted.phase < self.phase:
            return self
        none = self.suggestions is None and not wanted.suggestions
        return replace(wanted, suggestions=None) if none else wanted

    def without(self, edit: str) -> DesiredSuggestions:
        """Without an edit that somebody declined."""
        if self.suggestions is None:
            return self
        left = tuple(one for one in self.suggestions if edit not in one.edits)
        return replace(self, suggestions=left)


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
    """The place of one desired state: a commit, a comment by its marker, a reaction.

    `number` is a pull request that it belongs to; a commit may belong to several.
    """

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
        """The name of its row: a commit's is one, whatever pull request it is in."""
        place = [self.kind, self.forge, self.repository]
        if self.kind != "status":
            place.append(str(self.number))
        return " ".join([*place, self.name])


def desired_to_json(desired: Desired) -> str:
    """A desired state as the outbox has it."""
    kind = _kind(desired)
    return json.dumps(_KINDS[kind].dump_python(desired, mode="json"), separators=(",", ":"))


def desired_from_json(kind: Kind, body: str) -> Desired:
    """The desired state that `desired_to_json` wrote."""
    found: Desired = _KINDS[kind].validate_json(body)
    return found


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
    # The desired state as JSON. `revision` counts its changes, `version` those that are to be seen,
    # `seen` is the version that the forge had at `seen_at`.
    sa.Column("body", sa.Text, nullable=False),
    *(sa.Column(n, sa.Integer, nullable=False) for n in ("revision", "version", "seen")),
    sa.Column("changed_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double),
    # Not null: to be compared with the forge again from then on, changed or not.
    sa.Column("look_at", sa.Double),
    sa.Column("due", sa.Double, nullable=False),
    # Failed tries in a row, since when, and refusals that were a day apart.
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

    `attempts` have failed before, for `failing` seconds; `refusals` of them a day apart.
    `taken_over`: from a holder that was lost, who may have something on its way.
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
    """A desired state as JSON, the number of its changes, and of those that are to be seen."""

    body: str
    revision: int
    version: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """Rows of a forge that it does not say yet: how many, and for how many seconds the oldest."""

    waiting: int
    seconds: float
