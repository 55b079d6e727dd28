"""Loaded pools, one for each repository document and architecture, reused by later checks.

`minimize closure` imports this module when cold, so it must import nothing that evaluates or builds
spec files.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from bot.closure.pool import Pool, open_pool
from bot.distro.cache import Cache
from bot.distro.documents import RepositoryDocument
from bot.distro.snapshot import open_snapshot
from bot.telemetry.measures import looked_up

# Four pools of 68,829 packages take 143 MB. They are closed after ten minutes without use.
IDLE_SECONDS = 600.0


@dataclass(slots=True)
class _WarmPool:
    pool: Pool
    used: float


class Pools:
    """Opens snapshots and pools, and keeps a pool while it is in use or its snapshot is current.

    Repositories are asked again after `max_age` seconds; never if `offline`. Safe to share between
    threads; a lock for each pool prevents opening it twice.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        offline: bool = False,
        max_age: float = 0.0,
        idle: float = IDLE_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.cache = cache
        self._offline = offline
        self._max_age = max_age
        self._idle = idle
        self._clock = clock
        self._warm: dict[tuple[str, str], _WarmPool] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, document: RepositoryDocument, arch: str) -> Pool:
        """The pool of one architecture; raises what `open_snapshot` raises."""
        key = (document.id, arch)
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            snapshot = open_snapshot(
                document, arch, self.cache, offline=self._offline, max_age=self._max_age
            )
            warm = self._warm.get(key)
            # The exclusions of a document are not part of the metadata, nor of its id.
            hit = warm is not None and (
                (warm.pool.snapshot.id, warm.pool.snapshot.document) == (snapshot.id, document)
            )
            looked_up("pools", hit=hit)
            if warm is None or not hit:
                warm = _WarmPool(open_pool(snapshot, self.cache), self._clock())
                self._warm[key] = warm
            warm.used = self._clock()
            return warm.pool

    def drop_idle(self) -> int:
        """Close pools that were not used lately; return how many."""
        now = self._clock()
        with self._guard:
            idle = [k for k, v in self._warm.items() if now - v.used > self._idle]
            for key in idle:
                del self._warm[key]
        return len(idle)
