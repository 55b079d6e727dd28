"""`Suggests` beside a requirement that several packages meet, tried by solving.

libsolv prefers a package that an installed one suggests, with weak dependencies off too: no
dependency is lost, and everybody who installs the package gets the smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.advice.candidates import Candidate, Candidates
from bot.advice.edits import capability_name
from bot.advice.requests import Addition, Job
from bot.model.advice import Change, Swap
from bot.model.capability import split_capability

MOST_TRIED = 4
MOST_SWAPS = 8  # the largest savings; each try is a solve


def preferred(
    job: Job, candidates: Candidates, target: frozenset[int], swaps: Sequence[Swap]
) -> tuple[Swap, ...]:
    """Return the swaps, each with an edit of a package that has the same effect, if any."""
    if job.overlay is not None:
        return tuple(swaps)  # the overlay changes its packages already
    holders = _holders(candidates, target, swaps[:MOST_SWAPS])
    return tuple(_preferred(job, swap, holders.get(swap.take, ())) for swap in swaps)


def _preferred(job: Job, swap: Swap, holders: Sequence[tuple[Candidate, str]]) -> Swap:
    if not holders:
        return swap
    wanted = job.installed(Addition((swap.take,)))
    for holder, capability in holders[:MOST_TRIED]:
        suggests = ((holder.nevra, swap.take),)
        closure = job.pool.solve(job.request, suggests=suggests, settled=lambda _: True)
        if frozenset(package.nevra for package in closure.packages) == wanted:
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


def _holders(
    candidates: Candidates, target: frozenset[int], swaps: Sequence[Swap]
) -> Mapping[str, Sequence[tuple[Candidate, str]]]:
    """Return the packages that stay and require what both sides of a swap meet.

    By the package that a swap takes, each holder with the capability. Older versions and packages
    of another architecture are left out as swaps: they cannot be suggested.
    """
    packages = candidates.packages
    named = candidates.named
    others = {swap.take: set(swap.of) for swap in swaps if swap.take in named}
    takes = {n for take in others for n in named[take]}
    holders_of: dict[str, dict[str, tuple[Candidate, str]]] = {}
    for need in candidates.needs:
        if need.package not in target or need.package not in candidates.now:
            continue
        for clause in need.formula:
            for number in clause & takes:
                take = packages[number].nevra.name
                if any(n > 0 and packages[n].nevra.name in others[take] for n in clause):
                    holder = packages[need.package]
                    name = capability_name(need.capability)
                    name = name or split_capability(need.capability).name
                    holders_of.setdefault(take, {}).setdefault(holder.nevra.name, (holder, name))
    # Packages of the same source as the swap come first: its maintainer is the one to ask.
    sources = {take: {packages[n].source for n in named[take]} for take in holders_of}
    return {
        take: sorted(holders.values(), key=lambda f: (f[0].source not in sources[take], f[0].nevra))
        for take, holders in holders_of.items()
    }
