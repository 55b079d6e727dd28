"""Whether what a package provides satisfies a requirement: libsolv's own answer, asked cheaply.

A new relation (`name >= version`) in a big pool makes libsolv index all relations again, which
takes longer than solving. Here the two are put into a pool of their own.
"""

from __future__ import annotations

from functools import lru_cache

import solv

from bot.closure.requests import dependency_id


@lru_cache(maxsize=4096)
def satisfies(provided: str, required: str) -> bool:
    """Whether a plain capability that is provided satisfies a plain one that is required."""
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    repo = pool.add_repo("scales")
    solvable = repo.add_solvable()
    solvable.name, solvable.evr, solvable.arch = "provider", "0-0", "noarch"
    solvable.add_provides(dependency_id(pool, provided))
    pool.createwhatprovides()
    return bool(pool.whatprovides(dependency_id(pool, required)))
