"""One run of libsolv, set up as in libdnf's Goal, and the causes where it has no solution.

A problem of libsolv is a proof: the rules that cannot all hold (solver_findallproblemrules in
libsolv's problems.c). Among them are requirements that lead from package to package, and the rules
at which these paths end: a capability without a provider, or two packages that exclude each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import cmp_to_key
from typing import Any, NamedTuple

import solv

from bot.closure.evr import compare_evr
from bot.closure.overlay_pool import OverlayPool
from bot.closure.requests import Want
from bot.closure.solvcache import new_solver
from bot.model.closure import Edge, UnsolvableCause
from bot.model.nevra import Nevra
from bot.model.package import Package

# dnf's installonlypkgs: packages of which several versions may be installed side by side.
INSTALL_ONLY = (
    "kernel",
    "kernel-PAE",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
)


class Solution(NamedTuple):
    """The packages that would be installed, by number, or why that is not possible.

    `problems` are libsolv's texts, `causes` the same as values, and `involved` the packages in
    them.
    """

    installed: tuple[int, ...]
    problems: tuple[str, ...] = ()
    causes: tuple[UnsolvableCause, ...] = ()
    involved: tuple[Package, ...] = ()


def run(
    overlays: OverlayPool, wants: Sequence[Want], missing: Sequence[str], *, arch: str, weak: bool
) -> Solution:
    """Solve for an empty system of `arch`; `missing` are the requests that match nothing."""
    solver = new_solver(overlays.pool)
    solver.set_flag(solver.SOLVER_FLAG_DUP_ALLOW_VENDORCHANGE, 1)
    if not weak:
        solver.set_flag(solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
    problems = solver.solve(_jobs(overlays, wants))
    if problems or missing:
        causes, involved = causes_of(overlays, arch, wants, problems, missing)
        return Solution((), _texts(overlays, arch, problems), causes, involved)
    return Solution(tuple(sorted(s.id for s in solver.transaction().newsolvables())))


def _jobs(overlays: OverlayPool, wants: Iterable[Want]) -> Sequence[Any]:
    pool, job = overlays.pool, solv.Job
    one_of = (
        job.SOLVER_INSTALL | job.SOLVER_SOLVABLE_ONE_OF | job.SOLVER_SETARCH | job.SOLVER_SETEVR
    )
    jobs = [
        pool.Job(job.SOLVER_INSTALL | job.SOLVER_SOLVABLE_PROVIDES, want.dependency)
        if want.dependency
        else pool.Job(one_of, overlays.one_of(want.ids))
        for want in wants
    ]
    several = job.SOLVER_MULTIVERSION | job.SOLVER_SOLVABLE_PROVIDES
    jobs += [pool.Job(several, pool.str2id(name)) for name in INSTALL_ONLY]
    return jobs


def _texts(overlays: OverlayPool, arch: str, problems: Iterable[Any]) -> tuple[str, ...]:
    """Return each reason once, in libsolv's words and order.

    Those about packages of foreign architectures come last: an image takes such a package only
    where that of its own architecture fails too. A package that an overlay hides counts as missing;
    libsolv, which still knows it, would call it disabled.
    """
    texts: dict[str, bool] = {}
    for problem in problems:
        for rule in problem.findallproblemrules():
            for info in rule.allinfos():
                text = _text(overlays, info)
                if text is not None:
                    foreign = info.solvable is not None and info.solvable.arch not in (
                        arch,
                        "noarch",
                    )
                    texts.setdefault(text, foreign)
    ordered = tuple(sorted(texts, key=lambda text: texts[text]))
    return ordered or tuple(str(problem) for problem in problems)


def _text(overlays: OverlayPool, info: Any) -> str | None:
    solver = solv.Solver
    if any(s is not None and overlays.hidden(s.id) for s in (info.solvable, info.othersolvable)):
        return None
    if info.type == solver.SOLVER_RULE_PKG_REQUIRES and all(
        map(overlays.hidden, overlays.providers(info.dep_id))
    ):
        return f"nothing provides {info.dep} needed by {info.solvable}"
    return str(info.problemstr())


_SOLVER = solv.Solver
# libsolv's SYSTEMSOLVABLE: it stands where a rich conflict such as `(a if b)` holds without b.
_NOBODY = 1
_CONFLICTS = frozenset(
    {
        _SOLVER.SOLVER_RULE_PKG_CONFLICTS,
        _SOLVER.SOLVER_RULE_PKG_SELF_CONFLICT,
        _SOLVER.SOLVER_RULE_PKG_OBSOLETES,
        _SOLVER.SOLVER_RULE_PKG_IMPLICIT_OBSOLETES,
        _SOLVER.SOLVER_RULE_PKG_INSTALLED_OBSOLETES,
        _SOLVER.SOLVER_RULE_PKG_SAME_NAME,
        _SOLVER.SOLVER_RULE_INFARCH,
    }
)


class _End(NamedTuple):
    """The end of a path: the package, and the one that it excludes (0 if something is missing)."""

    number: int
    capability: str
    excluded: int = 0


class _Proof:
    """The rules of problems, by the packages in them."""

    def __init__(self, overlays: OverlayPool, problems: Iterable[Any]) -> None:
        self._overlay_pool = overlays
        self.requirements: dict[int, dict[str, tuple[int, ...]]] = {}
        self.ends: dict[_End, None] = {}
        self.unmet: dict[str, None] = {}
        self.incompatible: dict[int, None] = {}
        for problem in problems:
            for rule in problem.findallproblemrules():
                for info in rule.allinfos():
                    self._take(info)

    def _take(self, info: Any) -> None:
        solvable, excluded = info.solvable, info.othersolvable
        if excluded is not None and excluded.id == _NOBODY:
            excluded = None
        if info.type == _SOLVER.SOLVER_RULE_JOB_NOTHING_PROVIDES_DEP:
            self.unmet[str(info.dep)] = None
        elif solvable is None or not self._overlay_pool.enabled(solvable.id):
            return
        elif info.type == _SOLVER.SOLVER_RULE_PKG_NOT_INSTALLABLE:
            # It is enabled, so its architecture is wrong (solver_problemruleinfo2str).
            self.incompatible[solvable.id] = None
        elif info.type == _SOLVER.SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP:
            self.ends[_End(solvable.id, str(info.dep))] = None
        elif info.type == _SOLVER.SOLVER_RULE_PKG_REQUIRES:
            self._require(solvable.id, info)
        elif info.type in _CONFLICTS and (
            excluded is None or self._overlay_pool.enabled(excluded.id)
        ):
            capability = str(info.dep) if info.dep_id else solvable.name
            self.ends[
                _End(solvable.id, capability, solvable.id if excluded is None else excluded.id)
            ] = None

    def _require(self, number: int, info: Any) -> None:
        """Record a requirement; it counts as unmet if all its providers are hidden or excluded."""
        providers = tuple(
            filter(self._overlay_pool.enabled, self._overlay_pool.providers(info.dep_id))
        )
        if providers:
            self.requirements.setdefault(number, {})[str(info.dep)] = providers
        else:
            self.ends[_End(number, str(info.dep))] = None

    def numbers(self) -> set[int]:
        """Return the numbers of the packages in the rules."""
        ends = {number for end in self.ends for number in (end.number, end.excluded) if number}
        targets = {
            n
            for by_capability in self.requirements.values()
            for providers in by_capability.values()
            for n in providers
        }
        return {*ends, *self.requirements, *targets, *self.incompatible}


def causes_of(
    overlays: OverlayPool,
    arch: str,
    wants: Iterable[Want],
    problems: Iterable[Any],
    missing: Sequence[str],
) -> tuple[tuple[UnsolvableCause, ...], tuple[Package, ...]]:
    """Return the causes of libsolv's problems for an image of `arch`, and their packages.

    `missing` are the requests that match nothing. The root comes first, the cause nearest to the
    change and to the image: one of its own architecture before foreign ones, packages of an overlay
    before published ones, the newest version of a package before older ones that could replace it,
    something missing before a conflict, a short path before a long one. Requests for packages of
    architectures that the image cannot install come last.
    """
    proof = _Proof(overlays, problems)
    ways = _Ways(overlays, arch, proof, {number for want in wants for number in want.ids})
    ends = sorted(proof.ends, key=ways.order)
    requests = dict.fromkeys((*missing, *proof.unmet))
    causes = (
        *(UnsolvableCause("missing", request, None) for request in requests),
        *dict.fromkeys(ways.cause(end) for end in ends),
        *ways.incompatible(proof.incompatible),
    )
    return causes, ways.packages_of(causes)


class _Ways:
    """The shortest paths from requested packages to the packages of a proof."""

    def __init__(
        self, overlays: OverlayPool, arch: str, proof: _Proof, requested: set[int]
    ) -> None:
        numbers = proof.numbers()
        self._packages = {number: overlays.package(number) for number in numbers}
        self._own = (arch, "noarch")
        self._older = self._superseded()
        ranked = sorted(numbers, key=self._rank)
        self._places = {number: place for place, number in enumerate(ranked)}
        self._into: dict[int, tuple[int, str] | None] = {}
        self._length: dict[int, int] = {}
        native = {n for n in numbers if not self._foreign(n)}
        starts = [number for number in ranked if number in requested]
        # A path through foreign packages counts only where there is no other.
        self._walk(proof, starts, native)
        self._walk(proof, [*self._into, *starts], numbers)

    def _superseded(self) -> set[int]:
        """Return the packages of which a newer version is in the proof too."""
        versions: dict[tuple[str, str], list[int]] = {}
        for number, package in self._packages.items():
            versions.setdefault(package.nevra.name_arch, []).append(number)
        older: set[int] = set()
        for same_name in versions.values():
            newest = max((self._nevra(n).evr for n in same_name), key=cmp_to_key(compare_evr))
            older.update(n for n in same_name if self._nevra(n).evr != newest)
        return older

    def _nevra(self, number: int) -> Nevra:
        return self._packages[number].nevra

    def _foreign(self, number: int) -> bool:
        return self._nevra(number).arch not in self._own

    def _rank(self, number: int) -> tuple[object, ...]:
        return self._foreign(number), number in self._older, self._nevra(number)

    def _walk(self, proof: _Proof, starts: Iterable[int], among: set[int]) -> None:
        todo = deque(dict.fromkeys(number for number in starts if number in among))
        for number in todo:
            self._into.setdefault(number, None)
            self._length.setdefault(number, 0)
        while todo:
            number = todo.popleft()
            steps = sorted(
                (self._places[target], target, capability)
                for capability, targets in proof.requirements.get(number, {}).items()
                for target in targets
                if target in among and target not in self._into
            )
            for _, target, capability in steps:
                if target not in self._into:
                    self._into[target] = number, capability
                    self._length[target] = self._length[number] + 1
                    todo.append(target)

    def chain(self, number: int) -> tuple[Edge, ...]:
        """Return the path from a requested package to this one; empty if this one is requested."""
        edges: list[Edge] = []
        step = self._into.get(number)
        while step is not None:
            source, capability = step
            edges.append(Edge(self._nevra(source), capability, self._nevra(number), "requires"))
            number, step = source, self._into.get(source)
        return tuple(reversed(edges))

    def incompatible(self, numbers: Iterable[int]) -> Iterable[UnsolvableCause]:
        """Yield the requests for other architectures' packages, each name with its newest."""
        newest: dict[str, Nevra] = {}
        for nevra in map(self._nevra, sorted(numbers, key=self._rank)):
            newest.setdefault(nevra.name, nevra)
        return (
            UnsolvableCause("missing", name, None, incompatible=nevra)
            for name, nevra in newest.items()
        )

    def packages_of(self, causes: Iterable[UnsolvableCause]) -> tuple[Package, ...]:
        """Return the packages in causes, sorted by NEVRA."""
        named = {
            nevra
            for cause in causes
            for nevra in (
                *(cause.needed_by, cause.conflicts_with, cause.incompatible),
                *(e.source for e in (*cause.chain, *cause.conflicts_with_chain)),
            )
        }
        packages = {p.nevra: p for p in self._packages.values() if p.nevra in named}
        return tuple(packages[nevra] for nevra in sorted(packages))

    def order(self, end: _End) -> tuple[object, ...]:
        """Return the sort key of an end: roots first."""
        packages = [n for n in (end.number, end.excluded) if n]
        return (
            any(map(self._foreign, packages)),
            not any(self._packages[n].repository == "overlay" for n in packages),
            any(n in self._older for n in packages),
            end.excluded != 0,
            max(self._length.get(n, len(self._places)) for n in packages),
            [self._nevra(n) for n in packages],
            end.capability,
        )

    def cause(self, end: _End) -> UnsolvableCause:
        """Return an end as a cause."""
        needed_by, excluded = self._nevra(end.number), end.excluded
        return UnsolvableCause(
            "conflict" if excluded else "missing",
            end.capability,
            needed_by,
            self.chain(end.number),
            arch_only=any(self._foreign(n) for n in (end.number, excluded) if n),
            conflicts_with=self._nevra(excluded) if excluded else None,
            conflicts_with_chain=self.chain(excluded) if excluded else (),
        )
