"""Chat commands that were handled, and decisions on head commits: by whom, when, why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Literal

from bot.store.records import CheckRecord
from bot.store.store import Store

DecisionKind = Literal["accept", "allow"]
Outcome = Literal["taken", "refused", "unclear"]


@dataclass(frozen=True, slots=True)
class HandledCommand:
    """One command of one comment; `command` is its id (bot.chat.parser.command_key)."""

    forge: str
    repository: str
    number: int
    comment: str
    command: str
    text: str
    user: str
    outcome: Outcome
    heard: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's decision for one head commit, with their role.

    `time` is RFC 3339 UTC. `comment` is the forge's id of the comment, `url` its address.
    """

    forge: str
    repository: str
    number: int
    head_sha: str
    kind: DecisionKind
    user: str
    role: str
    reason: str
    time: str
    comment: str
    url: str = ""


class Commands:
    """The commands and decisions in an open store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def handled(self, forge: str, repository: str, comment: str) -> frozenset[str]:
        """The ids of a comment's commands that were answered or executed."""
        rows = self._store.rows(
            "select command from commands where forge = ? and repository = ? and comment = ?",
            [forge, repository, comment],
        )
        return frozenset(row["command"] for row in rows)

    def add(self, commands: Collection[HandledCommand]) -> None:
        """Store commands as handled; known ones are not changed."""
        with self._store.writing() as db:
            db.table("commands").insert_all([asdict(command) for command in commands], ignore=True)

    def decide(self, decision: Decision) -> None:
        """Store a decision; only once for each comment."""
        with self._store.writing() as db:
            db.table("decisions").insert(asdict(decision), ignore=True)

    def decision(
        self, kind: DecisionKind, forge: str, repository: str, number: int, head_sha: str
    ) -> Decision | None:
        """The newest decision of a kind for a head commit of a pull request."""
        rows = self._store.rows(
            "select forge, repository, number, head_sha, kind, user, role, reason, time, comment,"
            " url from decisions where forge = ? and repository = ? and number = ?"
            " and head_sha = ? and kind = ? and counts = 1 order by id desc limit 1",
            [forge, repository, number, head_sha, kind],
        )
        return Decision(**rows[0]) if rows else None

    def decision_on(self, kind: DecisionKind, check: CheckRecord) -> Decision | None:
        """The newest decision of a kind for the head commit of a check."""
        return self.decision(kind, check.forge, check.repository, check.number, check.head_sha)
