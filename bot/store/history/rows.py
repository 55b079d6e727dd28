"""Conversion between rows and values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

from bot.model.closure import Edge, RepositoryState, SnapshotState, UnsolvableCause
from bot.model.image import ImageKey
from bot.model.nevra import Nevra, parse_nevra
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
    "causes",
)
_CAUSES = TypeAdapter(tuple[UnsolvableCause, ...])
# libsolv's words (solver_problemruleinfo2str): all that version 0.1.0 stored of causes.
_TEXTS = (
    re.compile(r"nothing provides (?P<capability>.+) needed by (?P<nevra>\S+-\S+-\S+\.\w+)"),
    re.compile(
        r"package (?P<nevra>\S+-\S+-\S+\.\w+) requires (?P<capability>.+),"
        r" but none of the providers can be installed"
    ),
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
    values["causes"] = (
        _CAUSES.validate_json(values["causes"])
        if values["causes"]
        else _causes_in(values["problems"], values["missing"])
    )
    return ClosureFacts(**values)


def causes_text(causes: tuple[UnsolvableCause, ...]) -> str | None:
    """The column of causes; null where there are none."""
    return _CAUSES.dump_json(causes).decode() if causes else None


def _causes_in(problems: Iterable[str], missing: Iterable[str]) -> tuple[UnsolvableCause, ...]:
    """The causes that the texts of an earlier release name."""
    found = [UnsolvableCause("missing", request, None) for request in missing]
    for match in (m for text in problems for one in _TEXTS if (m := one.fullmatch(text))):
        needed_by = parse_nevra(match["nevra"])
        found.append(UnsolvableCause("missing", match["capability"], needed_by))
    return tuple(found)


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
        before=_nevra(row["before"]),
        after=_nevra(row["after"]),
        delta=row["delta"],
        known_delta=row["known_delta"],
        kind=row["kind"],
        mover=_nevra(row["mover"]),
        merged_change=row["merged_change"],
        chain=tuple(_edge(written) for written in json.loads(row["chain"] or "[]")),
    )


def _nevra(text: str | None) -> Nevra | None:
    return None if text is None else parse_nevra(text)


def _edge(written: Mapping[str, Any]) -> Edge:
    source, target = parse_nevra(written["from"]), parse_nevra(written["to"])
    return Edge(source, written["capability"], target, written["kind"])


def chain_text(chain: Iterable[Edge]) -> str | None:
    """The column of a chain; null where there is none."""
    written = [
        {"from": str(e.source), "capability": e.capability, "to": str(e.target), "kind": e.kind}
        for e in chain
    ]
    return json.dumps(written) if written else None


def merged_of(row: Row) -> MergedChange:
    """A merged pull request from its row, without its effects."""
    values = {
        **row,
        "sources": json.loads(row["sources"]),
        "documents": tuple(json.loads(row["documents"])),
        "private": bool(row["private"]),
    }
    return MergedChange(**values)
