"""Conversion between rows and values."""

from __future__ import annotations

import json

from bot.model.closure import RepositoryState, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.store.history.values import Cause, ClosureFacts, Member, MergedChange, Row, Run

KEY = "images.workload, images.environment, images.repository, images.arch"
FACTS = (
    "status",
    "packages",
    "installed_size",
    "known_size",
    "installed_size_nodocs",
    "download_size",
    "layer_size",
    "problems",
    "missing",
)
NEVRA = (
    "{0}.name || '-' || {0}.epoch || ':' || {0}.version || '-' || {0}.release || '.' || {0}.arch"
)


def key_of(row: Row) -> ImageKey:
    """The image that a row with KEY's columns is about."""
    return ImageKey(row["workload"], row["environment"], row["repository"], row["arch"])


def key_values(key: ImageKey) -> list[str]:
    """The values of KEY's columns."""
    return [key.workload, key.environment, key.repository, key.arch]


def facts_columns(table: str, prefix: str = "") -> str:
    """The columns of a closure's facts, each named with a prefix."""
    return ", ".join(f"{table}.{name} as {prefix}{name}" for name in FACTS)


def facts_of(row: Row, prefix: str = "") -> ClosureFacts:
    """A closure's facts from a row with `facts_columns`."""
    values = {name: row[prefix + name] for name in FACTS}
    values["problems"] = tuple(json.loads(values["problems"] or "[]"))
    values["missing"] = tuple(json.loads(values["missing"] or "[]"))
    return ClosureFacts(**values)


def snapshot_of(row: Row) -> SnapshotState:
    """A snapshot from its row (`snapshot_digest`, `repositories`)."""
    states = json.loads(row["repositories"])
    return SnapshotState(row["snapshot_digest"], tuple(RepositoryState(**s) for s in states))


def run_of(row: Row) -> Run:
    """A run from its row."""
    failed = tuple(json.loads(row["failed"] or "[]"))
    fields = {name: row[name] for name in Run.__slots__}
    return Run(**{**fields, "failed": failed})


def member_of(row: Row) -> Member:
    """A package of an image from its row."""
    nevra = Nevra(row["name"], row["epoch"], row["version"], row["release"], row["arch"])
    return Member(
        nevra,
        row["source"],
        row["repository"],
        row["installed_size"],
        row["installed_size_nodocs"],
        row["download_size"],
        bool(row["requested"]),
    )


CAUSES = f"""
    select causes.image, causes.run, causes.package, causes.change, causes.delta,
        causes.known_delta, causes.kind, causes.mover, causes.merged_change, causes.chain,
        {NEVRA.format("old")} as before, {NEVRA.format("new")} as after
    from causes
    left join packages as old on old.id = causes.before_package
    left join packages as new on new.id = causes.after_package
"""


def cause_of(row: Row) -> Cause:
    """A cause from a row of CAUSES."""
    return Cause(
        package=row["package"],
        change=row["change"],
        before=row["before"],
        after=row["after"],
        delta=row["delta"],
        known_delta=row["known_delta"],
        kind=row["kind"],
        mover=row["mover"],
        merged_change=row["merged_change"],
        chain=tuple(json.loads(row["chain"])) if row["chain"] else None,
    )


def merged_of(row: Row) -> MergedChange:
    """A merged pull request from its row, without its effects."""
    values = {
        **row,
        "sources": json.loads(row["sources"]),
        "documents": tuple(json.loads(row["documents"])),
        "private": bool(row["private"]),
    }
    return MergedChange(**values)
