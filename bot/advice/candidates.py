"""Candidates: the packages that an image could have, and the clauses that hold among them.

They are the packages that any way of satisfying the request can reach: of each name the best
version, in the repository of the best priority, for the image's own architecture or noarch.
Packages of foreign architectures count where today's image has them or where nothing else provides
what is required. Older versions, those of repositories of lower priority and obsoleted packages are
a second tier. It is used only where today's image has a package of it: an older version is no
saving.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import solv

from bot.advice.formula import Clause, Formula, met, none_of, one_of, unmet
from bot.closure.index import source_of
from bot.closure.overlay_pool import OverlayPool
from bot.closure.packages import files_in_primary, nevra_of, sizes_of
from bot.closure.pool import SolvedImage
from bot.closure.requests import dependency_id
from bot.closure.solve import INSTALL_ONLY
from bot.model.architecture import native_arches
from bot.model.capability import is_rich, parse_rich
from bot.model.nevra import Nevra

_BOTH, _BEHIND = 0, 1  # before and after libsolv's prereq marker, or after it alone
# Sources of the crypto policy, of the base directories and links, and of the accounts.
_FOUNDATIONS = ("crypto-policies", "filesystem", "basesystem", "setup")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package that the image could have; sizes in bytes, null where not known.

    `nodocs_size` is the installed size without documentation, from the package's header.
    """

    number: int
    nevra: Nevra
    source: str
    installed_size: int | None
    download_size: int | None
    second_tier: bool = False
    nodocs_size: int | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """A requirement of a candidate, verbatim, and the clauses that meet it.

    `scriptlets` is true where only scriptlets have it: it stands behind libsolv's prereq marker.
    """

    package: int
    capability: str
    formula: Formula
    scriptlets: bool


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of one image by number, and all clauses that hold among them.

    `jobs` are the clauses of the request, in its order; `exclusions` those that keep packages from
    being installed together; `now` are the packages that the plain solver installs; `fixed` those
    of them that are never swapped.
    """

    arch: str
    packages: Mapping[int, Candidate]
    jobs: tuple[Formula, ...]
    needs: tuple[Need, ...]
    exclusions: frozenset[Clause]
    now: frozenset[int]
    fixed: frozenset[int] = frozenset()

    @property
    def named(self) -> Mapping[str, tuple[int, ...]]:
        """The candidates by their names."""
        named: dict[str, tuple[int, ...]] = {}
        for number, candidate in self.packages.items():
            named[candidate.nevra.name] = (*named.get(candidate.nevra.name, ()), number)
        return named


def candidates_of(
    image: SolvedImage, arch: str, requests: Collection[str], *, siblings: bool = False
) -> Candidates:
    """Return the candidates of an image that the plain solver can install.

    `requests` name packages that are never swapped. `siblings` adds packages of the same source as
    a requested one that have one of its programs: they could be requested instead.
    """
    reach = _Reach(image, arch, requests)
    return reach.candidates(reach.siblings(image.closure.requested) if siblings else ())


class _Reach:
    """The packages that can be reached from the request over requirements."""

    def __init__(self, image: SolvedImage, arch: str, requests: Collection[str]) -> None:
        self._overlays: OverlayPool = image.overlays
        self._pool: Any = image.overlays.pool
        self._wants = image.wants
        self._arch = arch
        self._requests = requests
        self._native = frozenset(native_arches(arch))
        self._now = frozenset(image.solution.installed)
        self._now_foreign = {
            (s.nameid, s.archid) for s in map(self._solvable, self._now) if self._foreign(s)
        }
        self._tiers: dict[int, Mapping[int, bool]] = {}
        self._chosen: dict[int, tuple[int, ...]] = {}
        self._texts: dict[str, tuple[int, ...]] = {}
        self._identity_sources = {*_FOUNDATIONS} | {
            source_of(self._solvable(n)) for n in self._providers_of("system-release")
        }
        self._fixed = frozenset(n for n in self._now if self._is_identity(n))
        # A package of the second tier in today's image makes that tier eligible.
        self._with_second = False
        self._with_second = any(
            self._tier(self._solvable(n).nameid).get(n, True) for n in self._now
        )

    def siblings(self, requested: Collection[Nevra]) -> list[int]:
        """Return packages of the same source as a requested one that share a program with it."""
        siblings: list[int] = []
        for number in sorted(self._now):
            package = self._overlays.package(number)
            programs = _programs(self._solvable(number))
            if package.nevra in requested and programs and number not in self._fixed:
                alike = self._eligible(self._overlays.published(package.source))
                siblings += [n for n in alike if programs & _programs(self._solvable(n))]
        return siblings

    def candidates(self, also: Iterable[int] = ()) -> Candidates:
        jobs = tuple(self._job(want) for want in self._wants)
        reached: dict[int, None] = {}
        needs: list[Need] = []
        # The plain solver may install what nothing needs.
        todo = [*sorted(self._now), *_positive(jobs), *also]
        while todo:
            if (number := todo.pop()) in reached:
                continue
            reached[number] = None
            for need in self._needs(number):
                needs.append(need)
                todo += [n for n in _positive([need.formula]) if n not in reached]
            todo += [n for n in _positive(self._ways_out(number)) if n not in reached]
        packages = {n: self._candidate(n) for n in sorted(reached)}
        exclusions = frozenset(filter(self._possible, self._exclusions(packages)))
        return Candidates(
            self._arch, packages, jobs, tuple(needs), exclusions, self._now, self._fixed
        )

    # -- which packages -------------------------------------------------------------------------

    def _solvable(self, number: int) -> Any:
        return self._pool.id2solvable(number)

    def _foreign(self, solvable: Any) -> bool:
        return solvable.arch not in self._native

    def _near(self, solvable: Any) -> bool:
        """Return whether a package is native, or one of its architecture is in today's image."""
        known = (solvable.nameid, solvable.archid) in self._now_foreign
        return known or not self._foreign(solvable)

    def _tier(self, name: int) -> Mapping[int, bool]:
        """Return the eligible packages of a name (libsolv's id); true marks the second tier."""
        tier = self._tiers.get(name)
        if tier is None:
            tier = self._tiers[name] = self._tiered(name)
        return tier

    def _tiered(self, name: int) -> Mapping[int, bool]:
        versions = self._versions(name)
        native = [s for s in versions if not self._foreign(s)]
        foreign = [s for s in versions if self._foreign(s)]
        tiers: dict[int, bool] = {}
        for group in (native, *_by_arch(foreign)):
            first = set(_best(group, self._now))
            gone = self._obsolete(first, group)
            for solvable in group:
                number = solvable.id
                if not gone or number in self._now:
                    tiers[number] = number not in first
        return tiers

    def _obsolete(self, first: Collection[int], group: Sequence[Any]) -> bool:
        """Return whether the best version of another name obsoletes the best version of a name.

        Foreign packages count where today's image has them, or for others of their architecture.
        """
        for number in self._overlays.obsoleters(sorted(first)):
            solvable = self._solvable(number)
            if any(solvable.nameid == self._solvable(n).nameid for n in first):
                continue
            if not self._near(solvable) and all(solvable.archid != s.archid for s in group):
                continue
            versions = self._versions(solvable.nameid)
            alike = [s for s in versions if self._foreign(s) == self._foreign(solvable)]
            if number in _best(alike, self._now):
                return True
        return False

    def _versions(self, name: int) -> list[Any]:
        """The packages of a name (libsolv's number of it) that could be installed."""
        same = (self._solvable(n) for n in self._overlays.providers(name))
        return [
            s for s in same if s.nameid == name and self._overlays.enabled(s.id) and s.installable()
        ]

    def _eligible(self, ids: Iterable[int]) -> tuple[int, ...]:
        """Return those of `ids` that may be installed; foreign ones only if there is no other."""
        near: dict[bool, set[int]] = {True: set(), False: set()}
        native = False
        for number in ids:
            solvable = self._solvable(number)
            second = self._tier(solvable.nameid).get(number)
            if second is None:
                continue
            native = native or not self._foreign(solvable)
            if not second or self._with_second or number in self._now:
                near[self._near(solvable)].add(number)
        return tuple(sorted(near[True] if native else near[True] | near[False]))

    def _providers(self, dependency: int) -> tuple[int, ...]:
        if dependency not in self._chosen:
            self._chosen[dependency] = self._eligible(self._overlays.providers(dependency))
        return self._chosen[dependency]

    def _providing(self, capability: str) -> tuple[int, ...]:
        return self._eligible(self._all_providing(capability))

    def _all_providing(self, capability: str) -> tuple[int, ...]:
        number = dependency_id(self._pool, capability)
        return self._overlays.providers(number) if number else ()

    def _is_identity(self, number: int) -> bool:
        """Return whether a package is a kernel, a release package or of _FOUNDATIONS."""
        kernel = any(number in self._providers_of(name) for name in INSTALL_ONLY)
        return kernel or source_of(self._solvable(number)) in self._identity_sources

    def _providers_of(self, name: str) -> tuple[int, ...]:
        providers = self._texts.get(name)
        if providers is None:
            number = self._pool.str2id(name, False)
            providers = self._texts[name] = self._overlays.providers(number) if number else ()
        return providers

    # -- what holds -----------------------------------------------------------------------------

    def _job(self, want: Any) -> Formula:
        if want.dependency:
            return self._formula(want.dependency)
        ids = self._eligible(want.ids)
        names = {self._solvable(n).name for n in want.ids}
        if any(_names(request, name) for request in self._requests for name in names):
            ids = tuple(n for n in ids if n in self._now) or ids
        return one_of(self._unswapped(ids))

    def _unswapped(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """Return those of `ids` that are never swapped; all of them where there are none."""
        return tuple(n for n in ids if n in self._fixed) or ids

    def _formula(self, dependency: int) -> Formula:
        text = self._pool.dep2str(dependency)
        tree = parse_rich(text) if is_rich(text) else None
        if tree is None:
            return one_of(self._unswapped(self._providers(dependency)))
        return met(tree, self._providing)

    def _needs(self, number: int) -> Iterator[Need]:
        solvable = self._solvable(number)
        behind = set(solvable.lookup_idarray(solv.SOLVABLE_REQUIRES, _BEHIND))
        before = set(solvable.lookup_idarray(solv.SOLVABLE_REQUIRES, -1))
        for dependency in solvable.lookup_idarray(solv.SOLVABLE_REQUIRES, _BOTH):
            if dependency == solv.SOLVABLE_PREREQMARKER:
                continue
            formula = frozenset(c for c in self._formula(dependency) if number not in c)
            if number in self._now:
                formula = frozenset(filter(self._possible, formula))
            if formula:
                scriptlets = dependency in behind and dependency not in before
                yield Need(number, self._pool.dep2str(dependency), formula, scriptlets)

    def _ways_out(self, number: int) -> Iterator[Formula]:
        """Yield the formulas that resolve rich conflicts: `(a unless b)` allows a beside b."""
        conflicts = self._solvable(number).lookup_idarray(solv.SOLVABLE_CONFLICTS, _BOTH)
        for text in map(self._pool.dep2str, conflicts):
            tree = parse_rich(text) if is_rich(text) else None
            if tree is not None:
                yield unmet(tree, self._providing)

    def _possible(self, clause: Clause) -> bool:
        """Return whether a clause holds in today's image. One that the plain solver's own answer
        breaks is no restriction (such as versions of a name for two architectures)."""
        return any(n in self._now if n > 0 else -n not in self._now for n in clause)

    def _exclusions(self, packages: Mapping[int, Candidate]) -> Iterator[Clause]:
        yield from self._same_names(packages)
        for number in packages:
            solvable = self._solvable(number)
            for dependency in solvable.lookup_idarray(solv.SOLVABLE_OBSOLETES, _BOTH):
                for other in self._overlays.providers(dependency):
                    # SOLVABLE_NAME is libsolv's way to ask for a match by name and version.
                    if (
                        other in packages
                        and other != number
                        and self._solvable(other).matchesdep(solv.SOLVABLE_NAME, dependency)
                    ):
                        yield frozenset((-number, -other))
            for dependency in solvable.lookup_idarray(solv.SOLVABLE_CONFLICTS, _BOTH):
                for clause in self._conflict(dependency, packages):
                    # libsolv ignores conflicts of a package with itself alone
                    # (add_complex_deprules).
                    if clause != {-number}:
                        yield clause | {-number}

    def _conflict(self, dependency: int, packages: Mapping[int, Candidate]) -> Iterable[Clause]:
        text = self._pool.dep2str(dependency)
        tree = parse_rich(text) if is_rich(text) else None
        if tree is None:
            return none_of(n for n in self._overlays.providers(dependency) if n in packages)
        return unmet(tree, lambda c: [n for n in self._all_providing(c) if n in packages])

    def _same_names(self, packages: Mapping[int, Candidate]) -> Iterator[Clause]:
        """Yield the clauses that allow one version of a name; the same version of another
        architecture may stand beside it."""
        several = {n for name in INSTALL_ONLY for n in self._providers_of(name)}
        groups: dict[int, list[Any]] = {}
        for number in packages:
            if number not in several:
                solvable = self._solvable(number)
                groups.setdefault(solvable.nameid, []).append(solvable)
        for first, second in (p for g in groups.values() for p in itertools.combinations(g, 2)):
            same_version = first.evrid == second.evrid
            if not (same_version and self._foreign(first) != self._foreign(second)):
                yield frozenset((-first.id, -second.id))

    def _candidate(self, number: int) -> Candidate:
        solvable = self._solvable(number)
        overlaid = self._overlays.overlaid(number)
        installed, download = (
            sizes_of(solvable)
            if overlaid is None
            else (overlaid.installed_size, overlaid.download_size)
        )
        return Candidate(
            number,
            nevra_of(solvable),
            overlaid.source if overlaid is not None else source_of(solvable),
            installed,
            download,
            self._tier(solvable.nameid).get(number, True),
        )


def _programs(solvable: Any) -> set[str]:
    return {path.rpartition("/")[2] for path in files_in_primary(solvable) if "bin/" in path}


def _positive(formulas: Iterable[Formula]) -> list[int]:
    return sorted({n for f in formulas for clause in f for n in clause if n > 0}, reverse=True)


def _by_arch(solvables: Sequence[Any]) -> list[list[Any]]:
    groups: dict[int, list[Any]] = {}
    for solvable in solvables:
        groups.setdefault(solvable.archid, []).append(solvable)
    return list(groups.values())


def _best(solvables: Sequence[Any], now: Collection[int]) -> list[int]:
    """Return the best version in the repository of the best priority, for each architecture."""
    best: list[Any] = []
    for solvable in solvables:
        order = 1
        if best:
            order = solvable.repo.priority - best[0].repo.priority or solvable.evrcmp(best[0])
        if order > 0:
            best = [solvable]
        elif order == 0:
            best.append(solvable)
    of_arch: dict[int, int] = {}
    for solvable in sorted(best, key=lambda s: (s.id not in now, s.id)):
        of_arch.setdefault(solvable.archid, solvable.id)
    return list(of_arch.values())


def _names(request: str, name: str) -> bool:
    """Return whether a request names a package: `nginx`, `nginx-1.26`."""
    return request == name or request.startswith(tuple(f"{name}{c}" for c in ".- <>="))
