"""`Suggests` beside a requirement that several packages meet, tried by solving.

libsolv takes the package that an installed one suggests, with weak dependencies off too: nobody
loses a dependency, and everybody who installs the package gets the smaller one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from bot.advice.candidates import Candidate, Candidates
from bot.advice.edits import capability_name
from bot.advice.requests import Addition, Job
from bot.model.advice import Change, Swap
from bot.model.capability import split_capability
from bot.model.closure import Closure
from bot.model.nevra import Nevra
from bot.model.package import Dependency, Overlay

MOST_TRIED = 4


def preferred(
    job: Job, candidates: Candidates, target: frozenset[int], swaps: Sequence[Swap]
) -> tuple[Swap, ...]:
    """The swaps, each with the edit of a package that has the same effect where there is one."""
    if job.overlay is not None:
        return tuple(swaps)  # its packages are being changed already
    return tuple(_preferred(job, candidates, target, swap) for swap in swaps)


def _preferred(job: Job, candidates: Candidates, target: frozenset[int], swap: Swap) -> Swap:
    names = set(candidates.named)
    if swap.take not in names:
        return swap  # an older version, or one of another architecture, cannot be suggested
    wanted = _installed(job.closure(Addition((swap.take,))))
    for holder, capability in islice(_stating(candidates, target, swap), MOST_TRIED):
        overlay = _suggesting(job, holder, swap.take)
        if _installed(job.pool.solve(job.request, overlay, settled=lambda _: True)) == wanted:
            change = Change(
                "prefer",
                holder.nevra.name,
                holder.source,
                capability,
                True,
                f"Suggests: {swap.take}",
                swap.saves,
            )
            return replace(swap, prefer=change)
    return swap


def _installed(closure: Closure) -> frozenset[Nevra]:
    return frozenset(package.nevra for package in closure.packages)


def _stating(
    candidates: Candidates, target: frozenset[int], swap: Swap
) -> Iterator[tuple[Candidate, str]]:
    """The packages that stay and require what both sides of a swap meet, with the capability."""
    packages = candidates.packages
    found: dict[str, tuple[Candidate, str]] = {}
    for need in candidates.needs:
        if need.package not in target & candidates.now:
            continue
        for clause in need.formula:
            names = {packages[n].nevra.name for n in clause if n > 0}
            if swap.take in names and names & set(swap.of):
                holder = packages[need.package]
                name = capability_name(need.capability) or split_capability(need.capability).name
                found.setdefault(holder.nevra.name, (holder, name))
    # The maintainer of the other side's source is the one to ask first.
    sources = {packages[n].source for n in candidates.named[swap.take]}
    yield from sorted(found.values(), key=lambda f: (f[0].source not in sources, f[0].nevra))


def _suggesting(job: Job, holder: Candidate, name: str) -> Overlay:
    """The packages of a source as they are, one of which suggests another package too."""
    more = Dependency("suggests", name)
    packages = tuple(
        replace(p, dependencies=(*p.dependencies, more)) if p.nevra == holder.nevra else p
        for p in job.pool.newest_published(holder.source)
    )
    return Overlay(job.pool.arch, frozenset((holder.source,)), packages, "predicted")
