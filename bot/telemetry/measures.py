"""Counts and durations of work in rooms that do not import the server.

They are collected in this process. A compute process sends its own with each answer, which its
owner adds to the metrics.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

CacheName = Literal["pools", "metadata", "packages", "headers", "builds"]
WorkName = Literal["fetch", "load", "evaluate", "solve", "build", "compose"]


@dataclass(slots=True)
class Measures:
    """Counts of lookups by cache and hit or miss; counts and seconds by kind of work."""

    lookups: Counter[tuple[str, bool]] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)


_LOCK = threading.Lock()
_GATHERED = Measures()


def looked_up(cache: CacheName, *, hit: bool) -> None:
    """Count a lookup in a cache."""
    with _LOCK:
        _GATHERED.lookups[cache, hit] += 1


@contextmanager
def timed(work: WorkName) -> Iterator[None]:
    """Add the seconds that a block takes, also if it raises."""
    started = time.perf_counter()
    try:
        yield
    finally:
        elapsed = time.perf_counter() - started
        with _LOCK:
            _GATHERED.times[work] += 1
            _GATHERED.seconds[work] = _GATHERED.seconds.get(work, 0.0) + elapsed


def take_measures() -> Measures:
    """All measures since the last call."""
    global _GATHERED
    with _LOCK:
        measures, _GATHERED = _GATHERED, Measures()
    return measures
