"""Sizes of images that metadata lacks: without documentation, and as a layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.check.objectives import applies
from bot.distro.cache import Cache
from bot.distro.documents import Configuration
from bot.distro.keys import key_urls
from bot.image.listing import has_listing
from bot.image.measure import layer_size as composed_size
from bot.image.selection import Selection, installed_size_nodocs, selection_of
from bot.model.closure import Closure
from bot.model.image import ImageKey
from bot.model.package import Package

_KIND = "nodocs"
# Rises when the same header may come to another size.
_FORMAT = "1"
# A source that lacks this many packages' files is not queried for the others.
_PATIENCE = 3


@dataclass(frozen=True, slots=True)
class LayerWish:
    """The composition of an image's layer; `keys` are the URLs of each repository's keys."""

    selection: Selection
    database: bool
    keys: Mapping[str, tuple[str, ...]]

    def facts(self) -> tuple[object, ...]:
        """The wish as canonical text."""
        return repr(self.selection), self.database, sorted(self.keys.items())


def layer_wishes(
    configuration: Configuration, keys: Iterable[ImageKey], *, every: bool = False
) -> dict[ImageKey, LayerWish]:
    """The images whose layers are to be weighed: those whose layer an objective limits, or all."""
    found = {}
    for key in keys:
        if every or _is_limited(configuration, key):
            environment = configuration.environments[key.environment]
            found[key] = LayerWish(
                selection_of(environment, configuration.workloads[key.workload]),
                environment.rpmdb == "keep",
                key_urls(configuration.repositories[key.repository], key.arch),
            )
    return found


def _is_limited(configuration: Configuration, key: ImageKey) -> bool:
    return any(
        objective.limits.layer_size is not None
        or (objective.target is not None and objective.target.sizes.layer_size is not None)
        for objective in configuration.objectives.values()
        if applies(objective, key)
    )


def layer_size(closure: Closure, cache: Cache, wish: LayerWish) -> int | None:
    """Bytes of a closure's layer as a gzip blob; null where a package has no file.

    Raises ChangeError where the packages make no image, SurroundingsError where one cannot be had.
    """
    size = composed_size(
        closure, cache, selection=wish.selection, database=wish.database, keys=wish.keys
    )
    return None if size is None else size.gzip


class NodocsSizes:
    """Sizes of packages without documentation, from their headers.

    Headers come from files, from the cache and, with `fetch`, from elsewhere; each is read once in
    the cache's life.
    """

    def __init__(self, cache: Cache, *, fetch: bool = False) -> None:
        self._cache = cache
        self._fetch = fetch
        self._sizes: dict[str, int | None] = {}
        self._lacking: Counter[str] = Counter()
        self._answering: set[str] = set()

    def of(self, package: Package) -> int | None:
        """Bytes of one package without documentation; null where its header is not to be had."""
        location = package.location
        if location is None:
            return None
        if location.checksum not in self._sizes:
            self._sizes[location.checksum] = self._read(package, location.checksum, location.url)
        return self._sizes[location.checksum]

    def _read(self, package: Package, checksum: str, url: str) -> int | None:
        place = self._cache.addressed(_KIND, checksum.lower(), _FORMAT)
        try:
            return int(place.read_text())
        except (OSError, ValueError):
            pass
        source = urlsplit(url)
        local = source.scheme == "file"
        if not (local or self._fetch or has_listing(package, self._cache)):
            return None
        home = str(Path(unquote(source.path)).parent) if local else source.netloc
        if home not in self._answering and self._lacking[home] >= _PATIENCE:
            return None
        size = installed_size_nodocs(package, self._cache)
        if size is None:
            self._lacking[home] += 1
            return None
        self._answering.add(home)
        self._cache.write(place, str(size).encode())
        return size
