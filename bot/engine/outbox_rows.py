"""The table of the outbox, and its rows as the process that works on them has them."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from bot.engine.desired import Desired, Subject

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
