"""Compares the two closures of an image: packages added, removed and changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from bot import limits
from bot.closure.packages import totals
from bot.model.closure import Closure, ClosurePair, Edge, UnsolvableCause
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.model.result import Added, ChangedPackage, ImageResult, Side

Chain = tuple[Edge, ...]
_NONE: Mapping[Nevra, tuple[Chain, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The size change from which a package counts as moved: both must be exceeded (bytes and
    percent)."""

    size: int = 100_000
    percent: float = 1.0


def side_of(closure: Closure) -> Side:
    """One side of an image for results; sizes are null if it is unsolvable."""
    if closure.status == "absent":
        return Side("absent")
    if closure.status == "unsolvable":
        missing = tuple(f"nothing provides the request {name}" for name in closure.missing)
        problems = tuple(p for p in closure.problems if p not in missing)
        return _unsolvable(problems or missing, closure.causes)
    sums = totals(closure)
    sizes = [p.installed_size for p in closure.packages if p.nevra in closure.beneath]
    return Side(
        "ok",
        packages=sums.packages,
        installed_size=sums.installed_size,
        known_size=sums.known_size,
        beneath_packages=len(sizes),
        beneath_size=None if not sizes or None in sizes else sum(s for s in sizes if s is not None),
    )


def _unsolvable(problems: tuple[str, ...], causes: tuple[UnsolvableCause, ...]) -> Side:
    """An unsolvable side with its first causes: one line of a spec file can state thousands.

    Causes of foreign architectures count only if there are no others.
    """
    first, others = causes[: limits.SIDE_CAUSES], causes[limits.SIDE_CAUSES :]
    foreign = all(cause.arch_only for cause in first)
    return Side(
        "unsolvable",
        problems=problems[: limits.SIDE_CAUSES],
        causes=first,
        more_causes=sum(foreign or not cause.arch_only for cause in others),
    )


def compare(
    pair: ClosurePair, thresholds: Thresholds, chains: Mapping[Nevra, tuple[Chain, ...]] = _NONE
) -> ImageResult:
    """Compare both closures of one image; lines of the spec are added later, by `explain`.

    `chains` are those to the added packages (`bot.closure.added`), where they are wanted.

    Packages pair by name and architecture. Sizes are repository metadata's installed sizes.
    """
    base, head = pair.base, pair.head
    before = {p.nevra.name_arch: p for p in base.packages}
    after = {p.nevra.name_arch: p for p in head.packages}
    both_solved = base.status == head.status == "ok"
    added: tuple[Added, ...] = ()
    removed: tuple[Package, ...] = ()
    changed: tuple[ChangedPackage, ...] = ()
    if both_solved:
        added = tuple(
            Added(
                package=after[key],
                requested=after[key].nevra in head.requested,
                chains=chains.get(after[key].nevra, ()),
            )
            for key in sorted(after.keys() - before.keys())
        )
        removed = tuple(before[key] for key in sorted(before.keys() - after.keys()))
        changed = tuple(
            changed_package(before[key], after[key])
            for key in sorted(before.keys() & after.keys())
            if _differs(before[key], after[key])
        )
    base_side, head_side = side_of(base), side_of(head)
    return ImageResult(
        key=head.key,
        snapshot=head.snapshot,
        changed=bool(added or removed)
        or base.status != head.status
        or _exceeds(base_side, head_side, thresholds),
        evidence=pair.evidence,
        base=base_side,
        head=head_side,
        added=added,
        removed=removed,
        changed_packages=changed,
        reason=pair.reason or None,
    )


def _exceeds(base: Side, head: Side, thresholds: Thresholds) -> bool:
    if base.known_size is None or head.known_size is None:
        return False
    delta = abs(head.known_size - base.known_size)
    return delta > thresholds.size and delta * 100 > thresholds.percent * base.known_size


def changed_package(before: Package, after: Package) -> ChangedPackage:
    """A package that changed, with the bytes that it gains; null if a size is unknown."""
    delta = None
    if before.installed_size is not None and after.installed_size is not None:
        delta = after.installed_size - before.installed_size
    return ChangedPackage(
        name=after.nevra.name,
        arch=after.nevra.arch,
        before=before.nevra,
        after=after.nevra,
        delta=delta,
    )


def _differs(before: Package, after: Package) -> bool:
    """Return whether the installed size or the dependencies differ; a new release alone does not
    count."""
    if before is after:
        return False
    return before.installed_size != after.installed_size or _needs(before) != _needs(after)


def _needs(package: Package) -> frozenset[tuple[str, str]]:
    own = own_version(package.nevra)
    return frozenset((d.kind, own.sub("VR", d.capability)) for d in package.dependencies)


@lru_cache(maxsize=4096)
def own_version(nevra: Nevra) -> re.Pattern[str]:
    """A pattern that matches the package's version-release in a capability, with or without an
    epoch."""
    return re.compile(rf"(?<![\w.~^+-])(?:\d+:)?{re.escape(nevra.version_release)}(?![\w.~^+-])")
