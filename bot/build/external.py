"""Packages that were built elsewhere: found in a repository, cached, and read safely."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from bot import limits
from bot.build.build_cache import BuildCache, CachedBuild
from bot.build.builder import BuiltPackages
from bot.build.copr import find_copr_builds
from bot.build.headers import HeaderError, check_digests, packages_of
from bot.build.koji import find_koji_packages
from bot.build.listing import ListedPackage, newest_build, packed_listing
from bot.build.service_builds import FoundPackages, ServiceBuild
from bot.build.tree import scratch_directory
from bot.distro.failover import AbsentError, FetchError, RefusedFileError, RetryPolicy
from bot.distro.repomd import Record, RepomdError, parse_repomd
from bot.distro.transfer import check_file, local_path, read_local
from bot.limited.forker import UnreadableError
from bot.limits import LISTING, LISTING_PACKED
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.settings.operation import BuildService

if TYPE_CHECKING:
    from bot.distro.cache import Cache

_REPOMD = "repodata/repomd.xml"
# For the requests for one architecture's packages.
_POLICY = RetryPolicy(tries=2, connect=10, read=30, slow=60)


@dataclass(frozen=True, order=True, slots=True)
class ExternalPlace:
    """The expected place of the packages of `sources` for one repository document and architecture.

    `url` is the repository's, with a trailing slash, `base` that of the base's packages, or None.
    For a build service called `service` in the settings, `url` is the address of its pages, and
    `chroot` and `project` are as in ServiceBuild.
    """

    document: str
    arch: str
    url: str
    sources: tuple[str, ...]
    base: str | None = None
    service: str = ""
    chroot: str = ""
    project: str = ""


class ExternalBuilds:
    """Builds of others, only within `places` (URLs that end with a slash) or of `services`."""

    def __init__(
        self,
        cache: Cache,
        places: Sequence[str],
        services: Mapping[str, BuildService] | None = None,
    ) -> None:
        self._cache = cache
        self._cached = BuildCache(cache)
        self._services = services or {}
        self._places = (*places, *(service.files_url for service in self._services.values()))

    def look(
        self, url: str, arch: str, sources: Sequence[str], build: ServiceBuild | None = None
    ) -> FoundPackages:
        """Return the packages of the newest build of each source, in a repository or of `build`.

        Raises AbsentError where the repository, a build or a source is not there (yet),
        BuildFailedElsewhereError where a build failed, RefusedFileError or a SurroundingsError
        where something is half written or cannot be read.
        """
        if build is None:
            return FoundPackages(url, self._of_repository(url, arch, sources))
        service = self._services[build.service]
        if service.type == "koji":
            return find_koji_packages(service, build, arch, sources)
        builds = find_copr_builds(service, build, sources)
        packages: list[ListedPackage] = []
        for copr in builds:
            # The repository may lag behind the build, and has other builds too.
            folder = copr.url.removeprefix(service.files_url)
            for package in self._of_repository(copr.url, arch, [copr.source], copr.nevras):
                packages.append(replace(package, href=folder + package.href))
        return FoundPackages(service.files_url, tuple(packages), builds[0].page)

    def _of_repository(
        self,
        url: str,
        arch: str,
        sources: Sequence[str],
        nevras: frozenset[Nevra] = frozenset(),
    ) -> tuple[ListedPackage, ...]:
        with scratch_directory(self._cache) as folder:
            listing = self._listing(url, arch, sources, folder)
        packages: list[ListedPackage] = []
        for source in sources:
            build = newest_build(
                package
                for package in listing
                if package.source == source and (not nevras or package.nevra in nevras)
            )
            if not build:
                raise AbsentError(f"{url} has no packages of {source} for {arch}.")
            packages.extend(build)
        return tuple(packages)

    def take(
        self,
        url: str,
        arch: str,
        sources: Sequence[str],
        commit: str,
        build: ServiceBuild | None = None,
    ) -> BuiltPackages:
        """Return the packages of all sources that `look` finds, taken into the cache.

        `commit` is what they were built from; `cached` finds them by it afterwards. Raises as
        `look`, and HeaderError where a file is not the package that was listed.
        """
        start = time.monotonic()
        newest = self.look(url, arch, sources, build)
        listing, summary = newest.listed, _summary(newest)
        if sum(package.size for package in listing) > limits.EXTERNAL:
            raise RefusedFileError(url, f"its packages have more than {limits.EXTERNAL} bytes")
        key = _key(url, arch, sources, commit)
        cached = self._cached.get(key)
        if isinstance(cached, CachedBuild) and _log_of(cached) == summary:
            return _outcome_of(cached, start, from_cache=True)
        with scratch_directory(self._cache) as scratch:
            rpms = scratch / "rpms"
            rpms.mkdir()
            files = [self._fetch(newest.url, package, rpms, n) for n, package in enumerate(listing)]
            packages = _packages_in(files, listing)
            log = scratch / "build.log"
            log.write_text(summary)
            notes = [f"{arch}: the packages are those of {newest.page}."] if newest.page else []
            return _outcome_of(self._cached.put(key, packages, log, notes), start, from_cache=False)

    def cached(
        self, url: str, arch: str, sources: Sequence[str], commit: str
    ) -> BuiltPackages | None:
        """Return the packages already downloaded for that commit, or None. Sends no request."""
        cached = self._cached.get(_key(url, arch, sources, commit))
        return _outcome_of(cached, 0, from_cache=True) if isinstance(cached, CachedBuild) else None

    def _listing(
        self, url: str, arch: str, sources: Sequence[str], folder: Path
    ) -> tuple[ListedPackage, ...]:
        repomd = folder / "repomd.xml"
        download_within(url + _REPOMD, repomd, limits.REPOMD, self._places)
        try:
            record = parse_repomd(repomd.read_bytes()).record("primary")
        except RepomdError as error:
            raise RefusedFileError(url + _REPOMD, str(error)) from error
        assert record is not None  # parse_repomd ensures it
        _refuse_strange(url, record)
        packed = folder / "packed"
        place = url + record.href
        download_within(place, packed, LISTING_PACKED, self._places)
        check_file(packed, place, record.size, record.checksum_type, record.checksum)
        try:
            return packed_listing(packed, place, record, arch, sources)
        except UnreadableError as error:
            raise RefusedFileError(place, str(error)) from error

    def _fetch(self, url: str, package: ListedPackage, folder: Path, number: int) -> Path:
        # A name of our own: theirs is untrusted.
        target = folder / f"{number:04}.rpm"
        place = url + package.href
        download_within(place, target, package.size, self._places)
        if package.checksum_type:
            check_file(target, place, package.size, package.checksum_type, package.checksum)
        elif target.stat().st_size != package.size:
            actual = target.stat().st_size
            raise RefusedFileError(place, f"it has {actual} bytes instead of {package.size}")
        return target


def download_within(url: str, target: Path, limit: int, places: Sequence[str]) -> None:
    """Write the content at `url`, at most `limit` bytes, to `target`.

    Raises AbsentError where there is none, RefusedFileError where it is too large or leads out of
    `places`, other SurroundingsErrors where it cannot be fetched; another try may help.
    """
    from bot.distro import http
    from bot.distro.connections import Reach

    reach = Reach(places=tuple(places))
    path = local_path(url)
    if path is not None:
        reach.check(url)
        target.write_bytes(read_local(url, path, limit))
        return
    try:
        http.download(url, target, limit, retry_policy=_POLICY, reach=reach, resume=False)
    except FetchError as error:
        # Object stores answer 403 for missing files.
        if error.is_absent or error.status == HTTPStatus.FORBIDDEN:
            raise AbsentError(error.what) from error
        raise


def _refuse_strange(url: str, record: Record) -> None:
    if record.base is not None:
        raise RefusedFileError(url + _REPOMD, "it names another base for its files")
    if any(c in record.href for c in "\\?#%") or not record.href.isprintable():
        raise RefusedFileError(url + _REPOMD, "the location of primary is no plain path")
    if record.open_size is None or record.open_size > LISTING:
        raise RefusedFileError(
            url + _REPOMD, f"its primary.xml is larger than {LISTING} bytes, or of unknown size"
        )


def _packages_in(files: Sequence[Path], listing: Sequence[ListedPackage]) -> list[Package]:
    """Return the packages in the files, which must be those that the repository lists.

    A different header would put another package into the pool than was requested. Files without a
    listed checksum are checked by the digests that rpm wrote into them; their epochs are only in
    the headers.
    """
    packages: list[Package] = []
    check_digests([file for entry, file in zip(listing, files, strict=True) if not entry.checksum])
    for source in dict.fromkeys(entry.source for entry in listing):
        own = [pair for pair in zip(listing, files, strict=True) if pair[0].source == source]
        contents = packages_of([file for _, file in own], source, foreign=True)
        if [_comparable(p.nevra, own[0][0]) for p in contents] != sorted(
            _comparable(entry.nevra, entry) for entry, _ in own
        ):
            raise HeaderError(f"The files of {source} are not the packages that are listed.")
        packages.extend(contents)
    return packages


def _comparable(nevra: Nevra, entry: ListedPackage) -> Nevra:
    """Return a NEVRA with only the fields that its listing has."""
    return nevra if entry.checksum else replace(nevra, epoch=0)


def _key(url: str, arch: str, sources: Sequence[str], commit: str) -> str:
    parts = ["external", url, arch, sorted(sources), commit]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _outcome_of(cached: CachedBuild, start: float, *, from_cache: bool) -> BuiltPackages:
    seconds = time.monotonic() - start if start else 0.0
    return BuiltPackages(
        cached.packages, cached.rpms, cached.log, from_cache, seconds, cached.notes
    )


def _log_of(cached: CachedBuild) -> str:
    return cached.log.read_text() if cached.log.is_file() else ""


def _summary(build: FoundPackages) -> str:
    """Return the files that were taken and their origin: the log of packages built elsewhere."""
    lines = [f"Taken from {build.url}:", *([build.page] if build.page else []), ""]
    for package in build.listed:
        known_by = (
            f"{package.checksum_type} {package.checksum}"
            if package.checksum
            else f"{package.size} bytes"
        )
        lines.append(f"{known_by}  {package.href}  {package.nevra}")
    return "\n".join([*lines, ""])
