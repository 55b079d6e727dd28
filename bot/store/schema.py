"""The store's tables, as migrations that are applied in order, each once, each in a transaction.

A migration that was released never changes; a new one is added below it.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

migrations = Migrations("minimize")


@migrations()
def m001_deliveries(db: Database) -> None:
    """Webhook deliveries, written before they are acknowledged.

    `object` names what a delivery carries, so that two hooks telling of it count once. `state`:
    new, done, ignored, failed; `reason` says what came of it. `due` is seconds since 1970 UTC.
    """
    table = db.table("deliveries")
    table.create(
        {
            "id": int,
            "forge": str,
            "event": str,
            "delivery": str,
            "object": str,
            "received": str,
            "body": bytes,
            "state": str,
            "reason": str,
            "attempts": int,
            "due": float,
            "handled": str,
        },
        pk="id",
        not_null={"forge", "event", "delivery", "received", "state"},
        defaults={"attempts": 0, "due": 0.0},
    )
    table.create_index(["forge", "delivery"], unique=True)
    # SQLite counts nulls as different, so deliveries without an object never repeat by it.
    table.create_index(["forge", "object"], unique=True)
    table.create_index(["state", "due"])


@migrations()
def m002_checks(db: Database) -> None:
    """Runs, one for each head commit and request; `id` is the engine's workflow id too.

    `stage`: waiting, predicted, final, stopped. `open` is 1 until the engine is done with it.
    """
    table = db.table("checks")
    table.create(
        {
            "id": str,
            "forge": str,
            "repository": str,
            "number": int,
            "title": str,
            "author": str,
            "url": str,
            "base_ref": str,
            "base_sha": str,
            "head_sha": str,
            "delivery": str,
            "private": int,
            "stage": str,
            "verdict": str,
            "summary": str,
            "problem": str,
            "result": str,
            "created": str,
            "predicted": str,
            "finished": str,
            "open": int,
        },
        pk="id",
        not_null={"forge", "repository", "number", "head_sha", "stage", "created", "open"},
    )
    table.create_index(["forge", "repository", "number"])
    table.create_index(["open"])
    table.create_index(["created"])


@migrations()
def m003_comments(db: Database) -> None:
    """The comment of each pull request, as last written: what an upsert looks for first."""
    db.table("comments").create(
        {
            "forge": str,
            "repository": str,
            "number": int,
            "comment": str,
            "url": str,
            "check_id": str,
            "written": str,
        },
        pk=("forge", "repository", "number"),
        not_null={"comment", "written"},
    )


@migrations()
def m004_commands(db: Database) -> None:
    """Chat commands that were heard, each once, and what was decided for head commits.

    `commands.command` names one command of one comment; `outcome`: taken, refused, unclear.
    `decisions.kind`: accept, allow; the newest of a kind counts, and only for its `head_sha`.
    `checks.narrowed` is 1 for a run of some images alone, which is no answer for the commit.
    """
    db.table("commands").create(
        {
            "forge": str,
            "repository": str,
            "number": int,
            "comment": str,
            "command": str,
            "text": str,
            "user": str,
            "outcome": str,
            "heard": str,
        },
        pk=("forge", "repository", "comment", "command"),
        not_null={"number", "text", "user", "outcome", "heard"},
    )
    decisions = db.table("decisions")
    decisions.create(
        {
            "id": int,
            "forge": str,
            "repository": str,
            "number": int,
            "head_sha": str,
            "kind": str,
            "user": str,
            "role": str,
            "reason": str,
            "time": str,
            "comment": str,
            "url": str,
        },
        pk="id",
        not_null={"forge", "repository", "number", "head_sha", "kind", "user", "time", "comment"},
    )
    decisions.create_index(["forge", "repository", "number", "head_sha", "kind"])
    decisions.create_index(
        ["forge", "repository", "comment", "kind", "head_sha", "reason"], unique=True
    )
    db.table("checks").add_column("narrowed", int, not_null_default=0)


@migrations()
def m005_newest_checks(db: Database) -> None:
    """The newest check of a repository says whether the repository is private now."""
    db.table("checks").create_index(["forge", "repository", "created"])


def _names() -> tuple[str, ...]:
    empty = Database(memory=True)
    try:
        return tuple(m.name for m in migrations.pending(empty))
    finally:
        empty.close()


MIGRATION_NAMES = _names()
