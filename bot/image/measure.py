"""Measurements: a closure's layer, the files that a change moves, sizes without documentation."""

from __future__ import annotations

import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.distro.cache import Cache, in_use
from bot.distro.failover import BRIEF, FEW
from bot.distro.packages import fetch_header
from bot.image.layer import Layer, compose_layer, fetch_unread
from bot.image.listing import has_listing, listing
from bot.image.rpmheader import printable
from bot.image.selection import Selection, installed_size_nodocs, selected
from bot.image.signature import KeyUrls, check_signatures
from bot.model.closure import Closure
from bot.model.package import Package
from bot.model.result import FileChange

# The substitute for a package without a file of its own (predicted, transferred): a package whose
# files count instead.
StandIn = Callable[[Package], Package | None]


def closure_layer(
    closure: Closure,
    cache: Cache,
    *,
    selection: Selection | None = None,
    database: bool = True,
    stand_in: StandIn | None = None,
    keys: KeyUrls | None = None,
) -> Layer | None:
    """Return a closure's composed layer; None if it is unsolvable or a package has no file.

    Packages of repositories that have `keys` must be signed by one of them. A package without a
    file of its own counts with the files of its `stand_in`. The sizes of cached fragments are only
    added up. Raises ChangeError where packages make no image, SurroundingsError where something
    cannot be fetched.
    """
    if closure.status != "ok":
        return None
    packages = with_files(closure.packages, stand_in)
    if packages is None:
        return None
    with in_use(cache):
        fetch_unread(packages, cache)
        check_signatures(packages, cache, keys or {})
        return compose_layer(packages, cache, selection, database=database)


def file_changes(
    base: Closure,
    head: Closure,
    cache: Cache,
    *,
    selection: Selection | None = None,
    stand_in: StandIn | None = None,
) -> tuple[FileChange, ...]:
    """Return the files that differ in size or are on one side only, largest difference first.

    Documentation and other languages are left out, as in the image. Packages on both sides are
    not looked into. Empty where a side is unsolvable. Packages without a file and without a
    `stand_in` are left out. Raises as `closure_layer`.
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


def with_files(packages: Iterable[Package], stand_in: StandIn | None) -> tuple[Package, ...] | None:
    """Return the packages with files, by their `stand_in` if necessary; None where one has none."""
    complete = []
    for package in packages:
        with_file = _with_file(package, stand_in)
        if with_file is None:
            return None
        complete.append(with_file)
    return tuple(complete)


def _with_file(package: Package, stand_in: StandIn | None) -> Package | None:
    if package.location is not None:
        return package
    substitute = stand_in(package) if stand_in is not None else None
    if substitute is None or substitute.location is None:
        return None
    return replace(package, location=substitute.location, installed_size=substitute.installed_size)


def _identities(packages: Iterable[Package]) -> set[str]:
    return {p.location.checksum for p in packages if p.location is not None}


def _different(
    packages: Iterable[Package], common: set[str], stand_in: StandIn | None
) -> list[Package]:
    complete = (_with_file(package, stand_in) for package in packages)
    return [
        p for p in complete if p is not None and p.location and p.location.checksum not in common
    ]


def _files(
    packages: Iterable[Package], cache: Cache, selection: Selection
) -> dict[str, tuple[str, int]]:
    """Return package name and bytes of each file by path, hard links after the first with 0."""
    files: dict[str, tuple[str, int]] = {}
    for package in packages:
        entries = listing(package, cache).files
        link_groups: set[int] = set()
        for index in selected(entries, selection):
            entry = entries[index]
            if entry.is_directory:
                continue
            counted = stat.S_ISREG(entry.mode) and not (entry.links and entry.links in link_groups)
            link_groups.add(entry.links)
            files[entry.path] = (package.nevra.name, entry.size if counted else 0)
    return files


# After this many missing headers no more are requested from a place.
_PATIENCE = 3
# The number of headers that are read in parallel.
_TOGETHER = 8
_KIND = "nodocs"
# Part of the cache key: to be raised when the counting changes.
_FORMAT = "1"


class NodocsSizes:
    """Sizes of packages without documentation, from their headers. Safe for several threads.

    Headers come from files, from the cache and, with `fetch`, by HTTP range requests; each is read
    once and cached. Places (hosts, directories) that lack some are not asked further.
    """

    def __init__(self, cache: Cache, *, fetch: bool = False) -> None:
        self._cache = cache
        self._fetch = fetch
        self._sizes: dict[str, int | None] = {}
        self._failures: Counter[str] = Counter()
        self._reachable: set[str] = set()

    def of(self, package: Package) -> int | None:
        """Return a package's bytes without documentation; None where its header is unavailable."""
        location = package.location
        if location is None:
            return None
        if location.checksum not in self._sizes:
            self._sizes[location.checksum] = self._read(package, location.checksum, location.url)
        return self._sizes[location.checksum]

    def _read(self, package: Package, checksum: str, url: str) -> int | None:
        number = self._cache.addressed(_KIND, checksum.lower(), _FORMAT)
        try:
            return int(number.read_text())
        except (OSError, ValueError):
            pass
        near = has_listing(package, self._cache) or urlsplit(url).scheme == "file"
        if not (near or self._fetch):
            return None
        place = _place(url)
        if place not in self._reachable and self._failures[place] >= _PATIENCE:
            return None
        policy = FEW if place in self._reachable else BRIEF
        size = None
        # Without a header's byte range the whole file would be fetched for this figure.
        if near or fetch_header(package, self._cache, policy) is not None:
            size = installed_size_nodocs(package, self._cache)
        if size is None:
            self._failures[place] += 1
            return None
        self._reachable.add(place)
        self._cache.write(number, str(size).encode())
        return size


def with_nodocs(closures: Sequence[Closure], cache: Cache) -> tuple[Closure, ...]:
    """Return the closures with `installed_size_nodocs` of packages with available headers."""
    sizes = NodocsSizes(cache, fetch=True)
    packages = {
        p.location.checksum: p for c in closures for p in c.packages if p.location is not None
    }
    by_place: dict[str, list[Package]] = defaultdict(list)
    for package in packages.values():
        assert package.location is not None
        by_place[_place(package.location.url)].append(package)
    with ThreadPoolExecutor(_TOGETHER) as pool:
        for members in by_place.values():
            # The first requests show whether a place answers before the others are sent.
            for part in (members[:_PATIENCE], members[_PATIENCE:]):
                list(pool.map(sizes.of, part))
    return tuple(
        replace(c, packages=tuple(_with_size(p, sizes.of(p)) for p in c.packages)) for c in closures
    )


def _with_size(package: Package, size: int | None) -> Package:
    return package if size is None else replace(package, installed_size_nodocs=size)


def _place(url: str) -> str:
    """Return the host of a URL, or the directory of a file."""
    parts = urlsplit(url)
    return str(Path(unquote(parts.path)).parent) if parts.scheme == "file" else parts.netloc
