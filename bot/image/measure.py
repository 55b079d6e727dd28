"""Measures: a closure's layer, the files that a change moves, sizes without documentation."""

from __future__ import annotations

import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.distro.cache import Cache, in_use
from bot.distro.failover import BRIEF, FEW, RetryPolicy
from bot.distro.packages import fetch_header
from bot.image.layer import compose_layer, fetch_unread
from bot.image.listing import has_listing, listing
from bot.image.rpmheader import printable
from bot.image.selection import Selection, installed_size_nodocs, selected
from bot.image.signature import KeyUrls, check_signatures
from bot.model.closure import Closure
from bot.model.package import Package
from bot.model.result import FileChange, LayerSize

# For a package that has no file of its own (predicted, transferred): one whose files count for it.
StandIn = Callable[[Package], Package | None]


def layer_size(
    closure: Closure,
    cache: Cache,
    *,
    selection: Selection | None = None,
    database: bool = True,
    stand_in: StandIn | None = None,
    keys: KeyUrls | None = None,
    jobs: int | None = None,
) -> LayerSize | None:
    """Sizes of a closure's layer, really composed; null if it is unsolvable or a file is lacking.

    Packages of repositories that have `keys` must be signed by one of them.
    A package without a file of its own counts with the files of its `stand_in`. Packages whose
    fragments are cached are only added up. Raises ChangeError where packages make no image,
    SurroundingsError where something cannot be had.
    """
    if closure.status != "ok":
        return None
    packages = _with_files(closure.packages, stand_in)
    if packages is None:
        return None
    with in_use(cache):
        fetch_unread(packages, cache)
        check_signatures(packages, cache, keys or {})
        return compose_layer(packages, cache, selection, database=database, jobs=jobs).size


def file_changes(
    base: Closure,
    head: Closure,
    cache: Cache,
    *,
    selection: Selection | None = None,
    stand_in: StandIn | None = None,
) -> tuple[FileChange, ...]:
    """The files that differ in size or are on one side only, those that move most bytes first.

    Documentation and other languages are left out, as in the image. Packages on both sides are
    not looked into. Empty where a side is unsolvable. Packages without a file and without a
    `stand_in` are left out. Raises as `layer_size`.
    """
    if base.status != "ok" or head.status != "ok":
        return ()
    selection = selection or Selection()
    common = _identities(base.packages) & _identities(head.packages)
    before = _files(_different(base.packages, common, stand_in), cache, selection)
    after = _files(_different(head.packages, common, stand_in), cache, selection)
    changes = []
    for path in before.keys() | after.keys():
        old, new = before.get(path), after.get(path)
        if old is None or new is None or old[1] != new[1]:
            owner = new or old
            assert owner is not None
            changes.append(
                FileChange(
                    owner[0], printable(path), old[1] if old else None, new[1] if new else None
                )
            )
    return tuple(sorted(changes, key=lambda c: (-abs(c.delta), c.package, c.path)))


def _with_files(
    packages: Iterable[Package], stand_in: StandIn | None
) -> tuple[Package, ...] | None:
    found = []
    for package in packages:
        with_file = _with_file(package, stand_in)
        if with_file is None:
            return None
        found.append(with_file)
    return tuple(found)


def _with_file(package: Package, stand_in: StandIn | None) -> Package | None:
    if package.location is not None:
        return package
    other = stand_in(package) if stand_in is not None else None
    if other is None or other.location is None:
        return None
    return replace(package, location=other.location, installed_size=other.installed_size)


def _identities(packages: Iterable[Package]) -> set[str]:
    return {p.location.checksum for p in packages if p.location is not None}


def _different(
    packages: Iterable[Package], common: set[str], stand_in: StandIn | None
) -> list[Package]:
    found = (_with_file(package, stand_in) for package in packages)
    return [p for p in found if p is not None and p.location and p.location.checksum not in common]


def _files(
    packages: Iterable[Package], cache: Cache, selection: Selection
) -> dict[str, tuple[str, int]]:
    """Package name and bytes of each file, hard links after the first with 0."""
    found: dict[str, tuple[str, int]] = {}
    for package in packages:
        entries = listing(package, cache).files
        seen: set[int] = set()
        for index in selected(entries, selection):
            entry = entries[index]
            if entry.is_directory:
                continue
            counted = stat.S_ISREG(entry.mode) and not (entry.links and entry.links in seen)
            seen.add(entry.links)
            found[entry.path] = (package.nevra.name, entry.size if counted else 0)
    return found


# A host that answers for none of this many headers is not queried for the others.
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
