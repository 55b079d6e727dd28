"""The impact of dropped packages or capabilities on images and on all packages of a snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import solv

from bot.closure.names import enabled_providers, near_names, package_names
from bot.closure.overlay_pool import OverlayPool
from bot.closure.packages import nevra_of
from bot.closure.pool import Pool
from bot.closure.uninstallable import (
    EnabledPackages,
    enabled_packages,
    not_installable,
    suspects,
    without_provider,
)
from bot.closure.why import difference
from bot.errors import UsageError
from bot.model.capability import names_in, split_capability
from bot.model.closure import Broken, Closure, ImageImpact
from bot.model.image import ImageRequest
from bot.model.package import Overlay

_BEFORE, _AFTER = -1, 1  # of the marker of provides that come from files


@dataclass(frozen=True, slots=True)
class Dropped:
    """The names of packages, or the capabilities, that are no longer there."""

    packages: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()


def dropped(pool: Pool, name: str) -> Dropped:
    """Return the package of that name, if there is one, else the capability or path.

    Raises UsageError where no package in the snapshot has it.
    """
    with pool.opened() as overlays:
        if any(map(overlays.enabled, overlays.named([name]))):
            return Dropped(packages=frozenset((name,)))
        if enabled_providers(overlays, name):
            return Dropped(capabilities=frozenset((name,)))
    near = near_names(name, package_names(pool))
    suggestion = f" Did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(
        f"Nothing in {pool.snapshot.document.id} for {pool.arch} is called {name} or provides it.",
        f"Name a package, a capability without a version, or a path.{suggestion}",
    )


def image_impacts(
    pool: Pool, requests: Iterable[ImageRequest], what: Dropped
) -> Iterator[ImageImpact]:
    """Yield the images that change or become uninstallable without it.

    Images that cannot be installed anyway are left out.
    """
    before = [pool.solve(request, settled=lambda _: True) for request in requests]
    requested = {closure.key: request for closure, request in zip(before, requests, strict=True)}
    with pool.opened() as overlays, unprovided(overlays, what.capabilities):
        for old in before:
            if old.status == "ok" and _concerns(old, what):
                request = requested[old.key]
                new = pool.solve(request, exclude=what.packages, settled=lambda _: True)
                yield from _impact(old, new)


def _concerns(closure: Closure, what: Dropped) -> bool:
    """Return whether a member is dropped, or provides or may own what is dropped."""
    return any(
        p.nevra.name in what.packages
        or any(c.startswith("/") for c in what.capabilities)
        or any(
            split_capability(d.capability).name in what.capabilities for d in p.of_kind("provides")
        )
        for p in closure.packages
    )


def _impact(old: Closure, new: Closure) -> Iterator[ImageImpact]:
    if new.status != "ok":
        yield ImageImpact(old.key, "unsolvable", new.causes)
        return
    change = difference(old, new)
    if change.added or change.removed:
        yield ImageImpact(
            old.key, "ok", added=change.added, removed=change.removed, saved=change.saved
        )


def broken_without(pool: Pool, what: Dropped) -> tuple[Broken, ...]:
    """Return the packages that cannot be installed without it, and can with it."""
    with pool.opened() as overlays:
        before = enabled_packages(overlays)
        never = without_provider(overlays, before, before.needs, ())
    with pool.opened(exclude=what.packages) as overlays, unprovided(overlays, what.capabilities):
        after = enabled_packages(overlays)
        among = suspects(before, after).difference(never)
        broken = _broken(overlays, after, among, ())
    with pool.opened() as overlays:
        return _newly(pool, overlays, broken, {number: number for number in broken})


def broken_by(pool: Pool, base: Overlay, head: Overlay) -> tuple[Broken, ...]:
    """Return the packages that cannot be installed with head's packages, and can with base's.

    The packages of the change itself are paired by name and architecture.
    """
    with pool.opened(base) as overlays:
        before = enabled_packages(overlays)
        never = without_provider(overlays, before, before.needs, ())
        old = {_place(overlays, number): number for number in overlays.own_numbers()}
    with pool.opened(head) as overlays:
        after = enabled_packages(overlays)
        own = not_installable(overlays, [n for n in overlays.own_numbers() if n in after.needs])
        among = suspects(before, after, own).difference(own, never)
        broken = {**own, **_broken(overlays, after, among, own)}
        base_numbers = {number: old.get(_place(overlays, number), number) for number in broken}
    with pool.opened(base) as overlays:
        return _newly(pool, overlays, broken, base_numbers)


def _broken(
    overlays: OverlayPool, after: EnabledPackages, among: Collection[int], lost: Collection[int]
) -> dict[int, str]:
    sure = without_provider(overlays, after, among, lost)
    return {**not_installable(overlays, set(among).difference(sure)), **sure}


def _newly(
    pool: Pool, overlays: OverlayPool, broken: dict[int, str], base_numbers: dict[int, int]
) -> tuple[Broken, ...]:
    """Return those that could be installed before, with base's versions."""
    candidates = [
        base_numbers[number] for number in broken if overlays.enabled(base_numbers[number])
    ]
    never, known = not_installable(overlays, candidates), set(candidates)
    document = pool.snapshot.document.id
    newly = []
    for number, capability in broken.items():
        if base_numbers[number] in known and base_numbers[number] not in never:
            solvable = overlays.pool.id2solvable(base_numbers[number])
            origin = overlays.repository(base_numbers[number])
            newly.append(Broken(document, pool.arch, nevra_of(solvable), capability, origin))
    return tuple(sorted(newly))


def _place(overlays: OverlayPool, number: int) -> tuple[str, str]:
    return nevra_of(overlays.pool.id2solvable(number)).name_arch


@contextmanager
def unprovided(overlays: OverlayPool, capabilities: Collection[str]) -> Iterator[None]:
    """Change the pool as if no package provided these capabilities or owned these paths."""
    undo: list[tuple[int, list[int], list[int]]] = []
    for name in sorted(capabilities):
        for number in enabled_providers(overlays, name):
            solvable = overlays.pool.id2solvable(number)
            both = [solvable.lookup_idarray(solv.SOLVABLE_PROVIDES, m) for m in (_BEFORE, _AFTER)]
            undo.append((number, *both))
            remaining = (
                [d for d in dependencies if not _is_of(overlays, d, name)] for dependencies in both
            )
            _set_provides(overlays, number, *remaining)
    if undo:
        overlays.renew()
    try:
        yield
    finally:
        for number, before, after in reversed(undo):
            _set_provides(overlays, number, before, after)
        if undo:
            overlays.renew()


def _is_of(overlays: OverlayPool, dependency: int, name: str) -> bool:
    return name in names_in(overlays.pool.dep2str(dependency))


def _set_provides(
    overlays: OverlayPool, number: int, before: Sequence[int], after: Sequence[int]
) -> None:
    solvable = overlays.pool.id2solvable(number)
    solvable.unset(solv.SOLVABLE_PROVIDES)
    for marker, dependencies in ((_BEFORE, before), (_AFTER, after)):
        for dependency in dependencies:
            solvable.add_deparray(solv.SOLVABLE_PROVIDES, dependency, marker)
