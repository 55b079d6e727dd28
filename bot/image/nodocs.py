"""Installed sizes without documentation, filled into closures from the packages' headers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.distro.cache import Cache
from bot.distro.failover import BRIEF, FEW, RetryPolicy
from bot.distro.packages import fetch_header
from bot.image.listing import has_listing
from bot.image.selection import installed_size_nodocs
from bot.model.closure import Closure
from bot.model.package import Package

# A host that answers for none of this many headers is not asked for the others.
PATIENCE = 3


def with_nodocs(closures: Sequence[Closure], cache: Cache, *, jobs: int = 8) -> tuple[Closure, ...]:
    """The closures with `installed_size_nodocs` of each package whose header can be had.

    Headers come alone, by HTTP range, or from files; each is read once in the cache's life. A
    repository that has no packages (its metadata alone) or does not answer leaves them null.
    """
    packages = {
        p.location.checksum: p for c in closures for p in c.packages if p.location is not None
    }
    by_place: dict[str, list[Package]] = defaultdict(list)
    for package in packages.values():
        assert package.location is not None
        by_place[_place(package.location.url)].append(package)
    sizes: dict[str, int] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for members in by_place.values():
            first, others = members[:PATIENCE], members[PATIENCE:]
            found = list(pool.map(lambda p: _size(p, cache, BRIEF), first))
            if any(size is not None for size in found):
                found += pool.map(lambda p: _size(p, cache, FEW), others)
            sizes.update(_known(members, found))
    return tuple(
        replace(c, packages=tuple(_filled(p, sizes) for p in c.packages)) for c in closures
    )


def _size(package: Package, cache: Cache, retry_policy: RetryPolicy) -> int | None:
    # Without the header, the whole file would be fetched for this one figure.
    if not has_listing(package, cache) and fetch_header(package, cache, retry_policy) is None:
        return None
    return installed_size_nodocs(package, cache)


def _known(packages: Iterable[Package], found: Iterable[int | None]) -> dict[str, int]:
    return {
        p.location.checksum: size
        for p, size in zip(packages, found, strict=False)
        if p.location is not None and size is not None
    }


def _filled(package: Package, sizes: dict[str, int]) -> Package:
    size = sizes.get(package.location.checksum) if package.location else None
    return package if size is None else replace(package, installed_size_nodocs=size)


def _place(url: str) -> str:
    """The host of a URL, or for a file its folder."""
    parts = urlsplit(url)
    return str(Path(unquote(parts.path)).parent) if parts.scheme == "file" else parts.netloc
