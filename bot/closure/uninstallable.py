"""The packages of a whole snapshot that cannot be installed after a change, and could before.

Only packages from which requirements lead to one that lost a provider are tried. One solve proves
many: every member of an installable set is installable. The result is the difference between
libsolv's `installcheck` of all packages before and after.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import solv

from bot.closure.overlay_pool import OverlayPool
from bot.closure.solvcache import new_solver
from bot.model.capability import is_rich

# Packages that are tried together; those that cannot be installed together are tried again.
_BATCH = 200
_SOURCE = ("src", "nosrc")


class EnabledPackages(NamedTuple):
    """The enabled packages on one side: their requirements, and the providers of these."""

    needs: Mapping[int, tuple[int, ...]]
    providers: Mapping[int, frozenset[int]]
    names: Mapping[int, int]


def enabled_packages(overlays: OverlayPool) -> EnabledPackages:
    """Return the packages that are enabled with the active overlays.

    All requirements count, also those on paths that only filelists.xml has.
    """
    overlays.read_filelists()
    needs: dict[int, tuple[int, ...]] = {}
    names: dict[int, int] = {}
    for solvable in overlays.pool.solvables:
        number = solvable.id
        if overlays.enabled(number) and solvable.arch not in _SOURCE and solvable.installable():
            names[number] = solvable.nameid
            requirements = solvable.lookup_idarray(solv.SOLVABLE_REQUIRES, 0)
            needs[number] = tuple(d for d in requirements if d != solv.SOLVABLE_PREREQMARKER)
    dependencies = {dependency for own in needs.values() for dependency in own}
    providers = {d: frozenset(n for n in overlays.providers(d) if n in needs) for d in dependencies}
    return EnabledPackages(needs, providers, names)


def suspects(
    before: EnabledPackages, after: EnabledPackages, lost: Collection[int] = ()
) -> set[int]:
    """Return the packages of `after` from which requirements lead to one that lost a provider.

    A provider is lost if no package of its name provides the capability any more; packages in
    `gone` count as lost too.
    """
    requirers: dict[int, list[int]] = {}
    provided: dict[int, list[int]] = {}
    for number, dependencies in after.needs.items():
        for dependency in dependencies:
            requirers.setdefault(dependency, []).append(number)
    for dependency, providers in after.providers.items():
        for number in providers:
            provided.setdefault(number, []).append(dependency)
    reached: set[int] = set()
    todo = [n for d in _weaker(before, after, lost) for n in requirers.get(d, ())]
    while todo:
        number = todo.pop()
        if number not in reached:
            reached.add(number)
            todo += [n for d in provided.get(number, ()) for n in requirers[d]]
    return reached


def _weaker(
    before: EnabledPackages, after: EnabledPackages, lost: Collection[int]
) -> Iterator[int]:
    for dependency, providers in after.providers.items():
        old = before.providers.get(dependency, frozenset())
        remaining = providers.difference(lost)
        if old != remaining:
            names = {before.names[n] for n in old}
            if names - {after.names[n] for n in remaining}:
                yield dependency


def without_provider(
    overlays: OverlayPool, after: EnabledPackages, among: Collection[int], lost: Collection[int]
) -> dict[int, str]:
    """Return those of `among` that require what no installable package provides.

    Each has the capability. Packages in `gone`, and those found themselves, count as not
    installable. Rich dependencies are left to the solver.
    """
    plain = {d for n in among for d in after.needs[n] if not is_rich(overlays.pool.dep2str(d))}
    remaining = {d: set(after.providers[d]).difference(lost) for d in plain}
    requirers: dict[int, list[int]] = {}
    provided: dict[int, list[int]] = {}
    for number in sorted(among):
        for dependency in after.needs[number]:
            if dependency in remaining:
                requirers.setdefault(dependency, []).append(number)
    for dependency, providers in remaining.items():
        for number in providers:
            provided.setdefault(number, []).append(dependency)
    uninstallable: dict[int, str] = {}
    todo = sorted(dependency for dependency in plain if not remaining[dependency])
    while todo:
        dependency = todo.pop()
        for number in requirers.get(dependency, ()):
            if number not in uninstallable:
                uninstallable[number] = overlays.pool.dep2str(dependency)
                for provided_dependency in provided.get(number, ()):
                    remaining[provided_dependency].discard(number)
                    if not remaining[provided_dependency]:
                        todo.append(provided_dependency)
    return uninstallable


def not_installable(overlays: OverlayPool, numbers: Iterable[int]) -> dict[int, str]:
    """Return the packages that cannot be installed on an empty system, with what prevents it."""
    untried = dict.fromkeys(sorted(numbers))
    for _ in range(2):
        waiting = list(untried)
        for start in range(0, len(waiting), _BATCH):
            batch = [number for number in waiting[start : start + _BATCH] if number in untried]
            for number in _installed(overlays, batch):
                untried.pop(number, None)
    reasons: dict[int, str] = {}
    while untried:
        number, _ = untried.popitem()
        solver = _solver(overlays)
        problems = solver.solve([_job(overlays, number)])
        if problems:
            reasons[number] = _reason(problems)
            continue
        for solvable in solver.transaction().newsolvables():
            untried.pop(solvable.id, None)
    return reasons


def _installed(overlays: OverlayPool, numbers: Iterable[int]) -> list[int]:
    """Return the packages of one installation with as many of these as possible."""
    solver = _solver(overlays)
    jobs = [_job(overlays, number, solv.Job.SOLVER_WEAK) for number in numbers]
    if not jobs or solver.solve(jobs):
        return []
    return [solvable.id for solvable in solver.transaction().newsolvables()]


def _solver(overlays: OverlayPool) -> Any:
    solver = new_solver(overlays.pool)
    solver.set_flag(solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
    # The check for inferior architectures is a policy, and would make the answer depend on the
    # other packages.
    solver.set_flag(solver.SOLVER_FLAG_NO_INFARCHCHECK, 1)
    return solver


def _job(overlays: OverlayPool, number: int, flags: int = 0) -> Any:
    return overlays.pool.Job(solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE | flags, number)


def _reason(problems: Iterable[Any]) -> str:
    """Return the capability that no package provides, or that is in conflict."""
    for problem in problems:
        for rule in problem.findallproblemrules():
            for info in rule.allinfos():
                if info.dep_id and info.type != solv.Solver.SOLVER_RULE_PKG_REQUIRES:
                    return str(info.dep)
    for problem in problems:
        for rule in problem.findallproblemrules():
            for info in rule.allinfos():
                if info.dep_id:
                    return str(info.dep)
                if info.othersolvable is not None:
                    return str(info.othersolvable.name)
    return ""
