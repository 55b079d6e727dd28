"""The outbox: the desired states of the forges, and when each forge was last seen to match. It is
one table in the engine's database, so that workers without a store can write to it.

Only the holder of a row's claim writes its state to the forge; a claim that is not renewed expires
by the database's clock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import Literal, TypeVar

import sqlalchemy as sa

from bot.engine.database import create_tables, database_engine, prepared_url, transaction
from bot.engine.desired import (
    METADATA,
    OUTBOX,
    Backlog,
    Claim,
    Desired,
    StoredRow,
    Subject,
    desired_from_json,
    desired_to_json,
)
from bot.errors import SurroundingsError
from bot.settings.values import Settings

LOG = logging.getLogger(__name__)
D = TypeVar("D", bound=Desired)
# Seconds after which a claim expires that is not renewed: its holder was killed, or hangs.
LEASE = 20.0
# Seconds after which no request of a lost holder can arrive any more.
SETTLED = 60.0
_DAY = 86_400.0
# Longer than any pause: a row due later than this was written before the clock was set back.
_LONGEST_PAUSE = 25_200.0


class Outbox:
    """The outbox's table. Blocking; safe for several threads and processes.

    Methods raise SurroundingsError if the database does not answer.
    """

    def __init__(
        self,
        url: str,
        holder: str,
        *,
        lease: float = LEASE,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`holder` names this process's claims; `on_change` is called after each change, in any
        thread."""
        self._engine = database_engine(url)
        self._holder = holder
        self._lease = lease
        self.on_change = on_change
        postgres = self._engine.dialect.name == "postgresql"
        self._now: sa.ColumnElement[float] = sa.literal_column(
            "extract(epoch from clock_timestamp())::double precision"
            if postgres
            else "((julianday('now') - 2440587.5) * 86400.0)",
            sa.Double,
        )
        create_tables(self._engine, METADATA)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    # Recording

    def change(self, subject: Subject, empty: D, change: Callable[[D], D]) -> bool:
        """Apply `change` to the desired state of `subject` (`empty` if there is none); return
        whether it differs now.

        `change` is called again if another process wrote the row meanwhile.
        """
        kind = type(empty)
        while True:
            row = self._row(subject)
            before = empty if row is None else _read(subject, row.body, empty)
            assert isinstance(before, kind)
            after = change(before)
            if row is not None and after == before:
                return False
            new = after.shown != (None if row is None else before.shown)
            if self._write(subject, after, row, shown=new):
                if new:
                    self.on_change()
                return True

    def _row(self, subject: Subject) -> StoredRow | None:
        columns = (OUTBOX.c.body, OUTBOX.c.revision, OUTBOX.c.version)
        with transaction(self._engine) as connection:
            fields = connection.execute(
                sa.select(*columns).where(OUTBOX.c.id == subject.id)
            ).one_or_none()
        return None if fields is None else StoredRow(*fields)

    def _write(
        self,
        subject: Subject,
        desired: Desired,
        row: StoredRow | None,
        *,
        shown: bool,
    ) -> bool:
        """Write a desired state unless the row has changed since; return whether it was written."""
        values: dict[str, object] = {"body": desired_to_json(desired)}
        if shown:
            # Failed tries were of another text; a pause that the forge asked for is kept elsewhere.
            values |= {"changed_at": self._now, "due": self._now, "attempts": 0, "refusals": 0}
        if row is not None:
            values |= {"revision": row.revision + 1, "number": subject.number}
            if shown:
                values["version"] = row.version + 1
            same = (OUTBOX.c.id == subject.id) & (OUTBOX.c.revision == row.revision)
            with transaction(self._engine) as connection:
                update = connection.execute(sa.update(OUTBOX).where(same).values(values))
                return bool(update.rowcount)
        names = ("kind", "forge", "repository", "number", "name")
        values |= {name: getattr(subject, name) for name in names}
        values |= {"id": subject.id, "revision": 1, "version": int(shown), "seen": 0}
        values |= {"changed_at": self._now, "due": self._now, "attempts": 0, "refusals": 0}
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(OUTBOX).values(**values, held_until=0.0))
        except sa.exc.IntegrityError:
            return False
        except sa.exc.SQLAlchemyError as error:
            raise SurroundingsError(f"The engine's database does not answer: {error}.") from error
        return True

    # Writing to the forge

    def claim(
        self, most: int, *, without: Collection[str] = (), in_hand: Collection[str] = ()
    ) -> list[Claim]:
        """Claim up to `most` unwritten rows, the longest due first; none of the forges `without`,
        nor of the subjects `in_hand`, which this process is writing although their claims may have
        expired."""
        free = OUTBOX.c.held_until < self._now
        # No lease is that long: it was written before the clock was set back.
        free |= OUTBOX.c.held_until > self._now + 2 * self._lease
        due = (OUTBOX.c.due <= self._now) | (OUTBOX.c.due > self._now + _LONGEST_PAUSE)
        wanted = _unseen() & due & free & OUTBOX.c.forge.not_in(list(without))
        wanted &= OUTBOX.c.id.not_in(list(in_hand))
        query = sa.select(OUTBOX.c.id).where(wanted).order_by(OUTBOX.c.due).limit(most)
        with transaction(self._engine) as connection:
            ids = list(connection.execute(query).scalars())
        return [claim for row_id in ids if (claim := self._claim(row_id, wanted)) is not None]

    def _claim(self, row_id: str, wanted: sa.ColumnElement[bool]) -> Claim | None:
        lease = {"holder": self._holder, "held_until": self._now + self._lease}
        with transaction(self._engine) as connection:
            before = connection.execute(
                sa.select(OUTBOX.c.holder).where(OUTBOX.c.id == row_id)
            ).scalar()
            failing = sa.func.coalesce(self._now - OUTBOX.c.failing_since, 0.0)
            row = connection.execute(
                sa.update(OUTBOX)
                .where(OUTBOX.c.id == row_id, wanted)
                .values(lease)
                .returning(OUTBOX, failing.label("failing"))
            ).one_or_none()
        if row is None:
            return None  # another process has it
        subject = Subject(row.kind, row.forge, row.repository, row.number, row.name)
        try:
            desired = desired_from_json(row.kind, row.body)
        except ValueError:
            # One unreadable row must not block the others.
            LOG.exception("%s cannot be read, and is not written", row.id)
            same_row = OUTBOX.c.id == row.id
            values = {"seen": row.version, "look_at": None, "problem": "It cannot be read."}
            with transaction(self._engine) as connection:
                connection.execute(
                    sa.update(OUTBOX).where(same_row).values(**values, holder=None, held_until=0.0)
                )
            return None
        return Claim(
            subject,
            desired,
            row.version,
            row.attempts,
            row.failing,
            row.refusals,
            row.problem or "",
            before is not None,
        )

    def renew(self, claims: Collection[Claim]) -> set[str]:
        """Renew claims; return the subjects' ids of those that this process still holds."""
        ids = [claim.subject.id for claim in claims]
        held = OUTBOX.c.id.in_(ids) & (OUTBOX.c.holder == self._holder)
        with transaction(self._engine) as connection:
            renewed = connection.execute(
                sa.update(OUTBOX)
                .where(held, OUTBOX.c.held_until >= self._now)
                .values(held_until=self._now + self._lease)
                .returning(OUTBOX.c.id)
            ).scalars()
            return set(renewed)

    def settle(self, claim: Claim) -> None:
        """Record that the forge has the state of `claim`, and release it.

        A row taken over from a lost holder is compared again later, when no request of that holder
        can arrive any more.
        """
        later = self._now + SETTLED if claim.taken_over else sa.null()
        values = {"seen": claim.version, "seen_at": self._now, "look_at": later, "problem": None}
        if claim.taken_over:
            values["due"] = later
        self._release(claim, values | {"attempts": 0, "failing_since": None, "refusals": 0})

    def drop(self, claim: Claim, reason: str) -> None:
        """Give up this version, for `reason`, and release it; a newer version is tried again."""
        self._release(claim, {"seen": claim.version, "look_at": None, "problem": reason})

    def postpone(self, claim: Claim, problem: str, pause: float) -> None:
        """Record a failed try, and release the claim for the next in `pause` seconds."""
        values: dict[str, object] = {
            "attempts": OUTBOX.c.attempts + 1,
            "failing_since": sa.func.coalesce(OUTBOX.c.failing_since, self._now),
            "problem": problem,
        }
        if pause:
            values["due"] = self._now + pause
        self._release(claim, values)

    def refuse(self, claim: Claim, problem: str, pause: float) -> None:
        """Record a refused try as `postpone` does; it counts if the last counted one is a day
        old."""
        day_old = sa.func.coalesce(OUTBOX.c.refused_at, 0.0) < self._now - _DAY
        held = (OUTBOX.c.id == claim.subject.id) & (OUTBOX.c.holder == self._holder)
        with transaction(self._engine) as connection:
            connection.execute(
                sa.update(OUTBOX)
                .where(held, day_old)
                .values(refusals=OUTBOX.c.refusals + 1, refused_at=self._now)
            )
        self.postpone(claim, problem, pause)

    def release(self, claim: Claim) -> None:
        """Release a claim without an outcome; the row is due again at once."""
        self._release(claim, {"look_at": self._now, "due": self._now})

    def _release(self, claim: Claim, values: dict[str, object]) -> None:
        same_row = OUTBOX.c.id == claim.subject.id
        # A newer version keeps its own due time: the pause is for the version that was tried.
        if "due" in values:
            newer = OUTBOX.c.version > claim.version
            values["due"] = sa.case((newer, OUTBOX.c.due), else_=values["due"])
        with transaction(self._engine) as connection:
            update = connection.execute(
                sa.update(OUTBOX)
                .where(same_row, OUTBOX.c.holder == self._holder)
                .values(**values, holder=None, held_until=0.0)
            )
            if update.rowcount == 0:
                # The claim had expired, and another holder's write may have been overwritten.
                LOG.warning("%s: the claim was lost while it was written", claim.subject.id)
                later = {"look_at": self._now + 1.0, "due": self._now + 1.0}
                connection.execute(sa.update(OUTBOX).where(same_row).values(later))

    # What is left

    def forget(self, days: float) -> int:
        """Delete written rows that have not changed for `days`; return their number."""
        old = (OUTBOX.c.version <= OUTBOX.c.seen) & OUTBOX.c.look_at.is_(None)
        old &= OUTBOX.c.changed_at < self._now - days * _DAY
        with transaction(self._engine) as connection:
            return int(connection.execute(sa.delete(OUTBOX).where(old)).rowcount)

    def forget_repository(self, forge: str, repository: str) -> int:
        """Delete the rows of a repository that was removed; return their number."""
        rows = (OUTBOX.c.forge == forge) & (OUTBOX.c.repository == repository)
        with transaction(self._engine) as connection:
            return int(connection.execute(sa.delete(OUTBOX).where(rows)).rowcount)

    def backlog(self) -> dict[str, Backlog]:
        """The number and age of unwritten rows, by forge."""
        oldest = self._now - sa.func.min(OUTBOX.c.changed_at)
        query = (
            sa.select(OUTBOX.c.forge, sa.func.count(), oldest)
            .where(OUTBOX.c.version > OUTBOX.c.seen)
            .group_by(OUTBOX.c.forge)
        )
        with transaction(self._engine) as connection:
            return {forge: Backlog(n, age) for forge, n, age in connection.execute(query)}

    def settled(self) -> bool:
        """Return whether no row is unwritten or due to be compared."""
        pending = (OUTBOX.c.version > OUTBOX.c.seen) | (OUTBOX.c.look_at <= self._now)
        with transaction(self._engine) as connection:
            return (
                connection.execute(sa.select(OUTBOX.c.id).where(pending).limit(1)).first() is None
            )

    def problem(self, subject: Subject) -> str:
        """The problem of the last try at `subject`; empty if there is none."""
        with transaction(self._engine) as connection:
            query = sa.select(OUTBOX.c.problem).where(OUTBOX.c.id == subject.id)
            return connection.execute(query).scalar() or ""


def _read(subject: Subject, body: str, empty: D) -> Desired:
    """The desired state in a row; `empty` if it cannot be read (written by another release)."""
    try:
        return desired_from_json(subject.kind, body)
    except ValueError:
        LOG.exception("%s cannot be read, and begins anew", subject.id)
        return empty


def _unseen() -> sa.ColumnElement[bool]:
    return (OUTBOX.c.version > OUTBOX.c.seen) | OUTBOX.c.look_at.is_not(None)


def holder_name(executor: str) -> str:
    """A unique name for a process's claims, different from that of a killed predecessor."""
    return f"{executor} {time.time_ns()}"


def open_outbox(settings: Settings, role: Literal["server", "worker"]) -> Outbox:
    """The outbox in the engine's database, opened for a process of this role."""
    return Outbox(prepared_url(settings), holder_name(settings.executor_id(role)))
