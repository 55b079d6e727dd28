"""The packages of a snapshot that dnf does not see: excludes, and modular filtering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import solv

from bot.closure.modules import ModuleState, active_modules, demodularized, read_modules
from bot.closure.requests import View, best_solution
from bot.closure.solvcache import MetadataFile
from bot.model.nevra import parse_nevra

if TYPE_CHECKING:
    from bot.closure.modules import ModuleStream
    from bot.distro.snapshot import Snapshot

_SOURCE = ("src", "nosrc")


def excluded_packages(pool: Any, snapshot: Snapshot, file_of: MetadataFile) -> tuple[int, ...]:
    """Return the numbers of the packages that are excluded in a freshly loaded pool."""
    excluded = _excludes(pool, snapshot)
    streams, defaults = read_modules(
        (repository.id, file_of(repository, "modules")) for repository in snapshot.repositories
    )
    if streams:
        document = snapshot.document
        platform = document.module_platform or _platform(pool, excluded)
        state = ModuleState(frozenset(document.modules), defaults, platform)
        active = active_modules(streams, state, snapshot.arch)
        hotfixes = {r.id for r in snapshot.repositories if r.module_hotfixes}
        excluded |= _filtered(pool, streams, active, hotfixes)
    return tuple(sorted(excluded))


def _excludes(pool: Any, snapshot: Snapshot) -> set[int]:
    """Return the packages that a repository's `exclude` names, or its `include` leaves out.

    Both patterns are matched over all repositories, and the result is reduced to the repository's
    own packages (dnf.Base._setup_excludes_includes).
    """
    view = View(pool, lambda _: True, lambda _: (), lambda _: (), {})
    excluded: set[int] = set()
    for repo, repository in zip(_available(pool), snapshot.repositories, strict=True):
        own = range(0)
        if repository.exclude or repository.include:
            numbers = [s.id for s in repo.solvables]
            own = range(min(numbers), max(numbers) + 1) if numbers else own
        for pattern in dict.fromkeys(repository.exclude):
            matches, _ = best_solution(view, pattern, with_sources=True, only_nevra=True)
            excluded.update(n for n in matches if n in own)
        if repository.include:
            included: set[int] = set()
            for pattern in dict.fromkeys(repository.include):
                matches, _ = best_solution(view, pattern, with_sources=True, only_nevra=True)
                included.update(matches)
            excluded.update(n for n in own if n not in included)
    return excluded


def _available(pool: Any) -> list[Any]:
    return [repo for repo in pool.repos if repo.id != pool.installed.id]


def _platform(pool: Any, excluded: set[int]) -> str | None:
    """Return the platform that the newest release package provides, if there is exactly one."""
    releases = [s for s in pool.whatprovides(pool.str2id("system-release")) if s.id not in excluded]
    newest: dict[int, list[Any]] = {}
    for solvable in releases:
        best = newest.setdefault(solvable.nameid, [solvable])
        order = solvable.evrcmp(best[0])
        if order > 0:
            newest[solvable.nameid] = [solvable]
        elif order == 0 and solvable.id != best[0].id:
            best.append(solvable)
    platforms = set()
    for solvable in (s for best in newest.values() for s in best):
        for dependency in solvable.lookup_idarray(solv.SOLVABLE_PROVIDES, -1):
            text = pool.dep2str(dependency)
            if text.startswith("base-module(") and text.endswith(")"):
                platforms.add(text.removeprefix("base-module(").removesuffix(")"))
    return platforms.pop() if len(platforms) == 1 else None


def _filtered(
    pool: Any, streams: Sequence[ModuleStream], active: frozenset[int], hotfixes: set[str]
) -> set[int]:
    """Return the packages that modular filtering hides (libdnf's setModuleExcludes).

    They are artifacts of inactive streams, unless an active stream has them too, and packages that
    are not modular but have, or provide, the name of an artifact of an active stream.
    """
    included, inactive, names, source_names = _artifacts(streams, active)
    exempt = {repo.id for repo in _available(pool) if repo.name in hotfixes}
    providers = {
        s.id for name in names if (n := pool.str2id(name, False)) for s in pool.whatprovides(n)
    }
    excluded = set()
    for solvable in pool.solvables:
        if solvable.repo.id in exempt:
            continue
        name, arch = solvable.name, solvable.arch
        identity = (name, solvable.evr, arch)
        if identity in included:
            continue
        if (
            identity in inactive
            or name in names
            or solvable.id in providers
            or (name in source_names and arch in _SOURCE)
        ):
            excluded.add(solvable.id)
    return excluded


_Identity = tuple[str, str, str]


def _artifacts(
    streams: Sequence[ModuleStream], active: frozenset[int]
) -> tuple[set[_Identity], set[_Identity], set[str], set[str]]:
    """Return active and inactive artifacts, and the active ones' names and source names."""
    included: set[_Identity] = set()
    inactive: set[_Identity] = set()
    names: set[str] = set()
    source_names: set[str] = set()
    free = demodularized(streams, active)
    for position, stream in enumerate(streams):
        identities = [i for i in map(_identity, stream.artifacts) if i is not None]
        if position not in active:
            inactive.update(identities)
            continue
        included.update(identities)
        left_out = free.get((stream.name, stream.stream, stream.arch), frozenset())
        for name, _, arch in identities:
            if name not in left_out:
                (source_names if arch in _SOURCE else names).add(name)
    return included, inactive, names, source_names


def _identity(artifact: str) -> _Identity | None:
    """Return name, libsolv's EVR and architecture of `n-e:v-r.a`; None for anything else."""
    try:
        nevra = parse_nevra(artifact)
    except ValueError:
        return None
    return nevra.name, nevra.rpm_evr, nevra.arch
