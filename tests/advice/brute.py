"""The smallest image by trying every set of packages: an oracle that shares nothing with the
model but the reader of rich dependencies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from bot.model.capability import Node, parse_rich


@dataclass(frozen=True)
class Thing:
    """A package: version 1 or 2 of a name, and its dependencies as text (names, paths, rich)."""

    name: str
    version: int = 1
    arch: str = "x86_64"
    size: int = 1000
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    pre: tuple[str, ...] = field(default=())
    source: str = ""

    @property
    def nevra(self) -> str:
        return f"{self.name}-0:{self.version}-1.{self.arch}"

    def has(self, capability: str) -> bool:
        return capability == self.name or capability in self.provides


Things = Sequence[Thing]


def true(tree: Node, things: Things) -> bool:
    """A rich dependency's truth in a set of packages, as rpm's manual has it."""
    if isinstance(tree, str):
        return any(t.has(tree) for t in things)
    if tree.operator in ("with", "without"):
        wanted = tree.operator == "with"
        return any(true(tree.left, [t]) and true(tree.right, [t]) == wanted for t in things)
    left, right = true(tree.left, things), true(tree.right, things)
    if tree.operator == "and":
        return left and right
    if tree.operator == "or":
        return left or right
    if tree.operator == "if":
        other = True if tree.otherwise is None else true(tree.otherwise, things)
        return left if right else other
    other = False if tree.otherwise is None else true(tree.otherwise, things)
    return other if right else left


def holds(text: str, things: Things) -> bool:
    return true(parse_rich(text) if text.startswith("(") else text, things)


def installable(things: Things, drop: frozenset[tuple[str, str]] = frozenset()) -> bool:
    """Return whether packages can be installed together and need nothing else."""
    for one in things:
        others = [t for t in things if t is not one]
        if not all(holds(r, things) for r in one.requires if (one.name, r) not in drop):
            return False
        if any(holds(c, others) for c in one.conflicts):
            return False
        if any(t.name in one.obsoletes for t in others):
            return False
        if any(t.name == one.name for t in others):
            return False
    return True


def images(
    things: Things, requested: Sequence[str], drop: frozenset[tuple[str, str]] = frozenset()
) -> Iterator[tuple[Thing, ...]]:
    """Every set of packages that has what is requested."""
    for count in range(len(things) + 1):
        for chosen in combinations(things, count):
            if all(holds(r, chosen) for r in requested) and installable(chosen, drop):
                yield chosen


def smallest(things: Things, requested: Sequence[str], **more) -> tuple[int, int, list[str]] | None:
    """Bytes, packages and NEVRAs of the smallest image; the best by exactly this order."""
    found = [
        (sum(t.size for t in chosen), len(chosen), sorted(t.nevra for t in chosen))
        for chosen in images(things, requested, **more)
    ]
    return min(found, default=None)
