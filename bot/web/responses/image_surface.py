"""The attack surface of one image on its page: each kind of it, and when it moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated

from bot.model.amount import beyond
from bot.model.surface import KINDS, Surface
from bot.store.history.values import SurfaceState
from bot.web.tables import Column, Table, columns

_NAMES = 3  # items of a kind that a sentence names
Items = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of attack surface in one image; `items` null where headers do not say."""

    kind: str
    items: tuple[str, ...] | None
    came: tuple[str, ...]
    went: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SurfaceMove:
    """A time at which the attack surface of an image moved: what came, and what went."""

    when: Annotated[str, Column("When (UTC)", "time")]
    came: Items = field(default_factory=dict)
    went: Items = field(default_factory=dict)


def all_items(surfaces: Iterable[Surface]) -> Items:
    """The items of each kind over some surfaces, sorted."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for one in surfaces:
        for kind, items in found.items():
            items.update(one.items(kind) or ())
    return {kind: tuple(sorted(items)) for kind, items in found.items()}


def moved(before: Items, after: Items) -> Items:
    """The items that `after` has and `before` has not; kinds without any are left out."""
    new = {kind: beyond(items, before[kind]) for kind, items in after.items()}
    return {kind: items for kind, items in new.items() if isinstance(items, tuple) and items}


def item_count(items: Items | None) -> int:
    """How many items of all kinds there are."""
    return sum(map(len, (items or {}).values()))


def kind_rows(states: Sequence[SurfaceState]) -> list[KindRow]:
    """Each kind in the last of an image's states, with what moved since the first; empty ones
    last."""
    if not states:
        return []
    first, last = states[0].surface, states[-1].surface
    then, now = all_items([first]), all_items([last])
    came, went = moved(then, now), moved(now, then)
    rows = [KindRow(k, last.items(k), came.get(k, ()), went.get(k, ())) for k in KINDS]
    return [row for row in rows if row.items or row.came or row.went or row.items is None]


def surface_moves(states: Sequence[SurfaceState]) -> list[SurfaceMove]:
    """The times at which an image's surface moved, the newest first."""
    found = []
    for before, after in pairwise(states):
        then, now = all_items([before.surface]), all_items([after.surface])
        move = SurfaceMove(after.since, moved(then, now), moved(now, then))
        if move.came or move.went:
            found.append(move)
    return found[::-1]


def items_words(items: Items | None) -> str:
    """`perl (interpreter), /usr/bin/su and 2 more (setuid files)`; empty where nothing moved."""
    parts = []
    for kind, names in (items or {}).items():
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        parts.append(f"{', '.join(names[:_NAMES])}{more} ({KINDS[kind][len(names) > 1]})")
    return "; ".join(parts)


def names_words(names: tuple[str, ...] | None) -> str:
    """The names, all of them; `not known` where headers do not say."""
    return "not known" if names is None else ", ".join(names) or "none"


def kinds_table(rows: Sequence[KindRow]) -> Table:
    """The parts of an image that could be attacked."""
    return Table("What could be attacked", _KINDS, rows)


def moves_table(rows: Sequence[SurfaceMove]) -> Table:
    """How the attack surface of an image moved."""
    return Table("How the attack surface moved", _MOVES, rows)


_KINDS = columns(
    KindRow,
    Column("What", name="kind", value=lambda row: KINDS[row.kind][1]),
    Column("How many", "count", name="count",
           value=lambda row: None if row.items is None else len(row.items)),
    Column("Which", name="items", value=lambda row: row.items,
           words=lambda row: names_words(row.items)),
    Column("Came", name="came", value=lambda row: row.came, spare=True, blank="nothing",
           words=lambda row: ", ".join(row.came)),
    Column("Went", name="went", value=lambda row: row.went, spare=True, wide=True, blank="nothing",
           words=lambda row: ", ".join(row.went)),
)  # fmt: skip
_MOVES = columns(
    SurfaceMove,
    "when",
    Column("Came", name="came", blank="nothing", value=lambda row: item_count(row.came),
           words=lambda row: items_words(row.came)),
    Column("Went", name="went", blank="nothing", value=lambda row: item_count(row.went),
           words=lambda row: items_words(row.went)),
)  # fmt: skip
