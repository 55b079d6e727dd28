"""Sums over a closure."""

from __future__ import annotations

from collections.abc import Iterable

from bot.model.closure import Closure, Totals


def totals(closure: Closure) -> Totals:
    """The sums of a closure in bytes: null where a package's part is not known."""
    packages = closure.packages
    return Totals(
        packages=len(packages),
        installed_size=_sum(p.installed_size for p in packages),
        known_size=sum(p.installed_size or 0 for p in packages),
        installed_size_nodocs=_sum(p.installed_size_nodocs for p in packages),
        download_size=_sum(p.download_size for p in packages),
    )


def _sum(parts: Iterable[int | None]) -> int | None:
    total = 0
    for part in parts:
        if part is None:
            return None
        total += part
    return total
