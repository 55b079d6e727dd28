"""Packages that somebody else built: found in a repository, taken into the cache, read safely."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bot import limits
from bot.build.build_cache import BuildCache, CachedBuild
from bot.build.builder import Built
from bot.build.headers import HeaderError, packages_of
from bot.build.listing import Listed, newest_build, packed_listing
from bot.build.tree import scratch_directory
from bot.distro.failover import AbsentError, FetchError, RefusedFileError, RetryPolicy
from bot.distro.repomd import Record, RepomdError, parse_repomd
from bot.distro.transfer import check_file, local_path, read_local
from bot.errors import UsageError
from bot.limited.forker import UnreadableError
from bot.limits import LISTING, LISTING_PACKED
from bot.model.package import Package

if TYPE_CHECKING:
    from bot.distro.cache import Cache

_REPOMD = "repodata/repomd.xml"
# Of all packages of one architecture.
_POLICY = RetryPolicy(tries=2, connect=10, read=30, slow=60)


@dataclass(frozen=True, order=True, slots=True)
class ExternalPlace:
    """Where the packages of `sources` for one repository document and architecture are to be.

    `url` is the repository's, with a slash at its end, `base` that of the base's packages, or null.
    """

    document: str
    arch: str
    url: str
    sources: tuple[str, ...]
    base: str | None = None


class ExternalBuilds:
    """Others' builds, within `places` (URLs that end with a slash) and nowhere else."""

    def __init__(self, cache: Cache, places: Sequence[str]) -> None:
        self._cache = cache
        self._cached = BuildCache(cache)
        self._places = tuple(places)

    def look(self, url: str, arch: str, sources: Sequence[str]) -> tuple[Listed, ...]:
        """The packages of the newest build of each source, all sources of them.

        Raises AbsentError where the repository or a source is not there (yet), RefusedFileError or
        a SurroundingsError where it is half written or cannot be read.
        """
        with scratch_directory(self._cache) as folder:
            listed = self._listing(url, arch, sources, folder)
        found: list[Listed] = []
        for source in sources:
            build = newest_build(one for one in listed if one.source == source)
            if not build:
                raise AbsentError(f"{url} has no packages of {source} for {arch}.")
            found.extend(build)
        return tuple(found)

    def take(self, url: str, arch: str, sources: Sequence[str], commit: str) -> Built:
        """The packages of all sources as `look` finds them, taken into the cache.

        `commit` is what they were built from; `cached` finds them by it afterwards. Raises as
        `look`, and HeaderError where a file is not the package that was listed.
        """
        start = time.monotonic()
        listed = self.look(url, arch, sources)
        if sum(one.size for one in listed) > limits.EXTERNAL:
            raise RefusedFileError(url, f"its packages have more than {limits.EXTERNAL} bytes")
        key = _key(url, arch, sources, commit)
        known = self._cached.get(key)
        if isinstance(known, CachedBuild) and _checksums(known) == {one.checksum for one in listed}:
            return _built(known, start, from_cache=True)
        with scratch_directory(self._cache) as scratch:
            rpms = scratch / "rpms"
            rpms.mkdir()
            files = [self._fetch(url, one, rpms, n) for n, one in enumerate(listed)]
            packages = _checked(listed, files)
            log = scratch / "build.log"
            log.write_text(_summary(url, listed))
            return _built(self._cached.put(key, packages, log), start, from_cache=False)

    def cached(self, url: str, arch: str, sources: Sequence[str], commit: str) -> Built | None:
        """The packages already downloaded for that commit, or null. Sends no request."""
        known = self._cached.get(_key(url, arch, sources, commit))
        return _built(known, 0, from_cache=True) if isinstance(known, CachedBuild) else None

    def _listing(
        self, url: str, arch: str, sources: Sequence[str], folder: Path
    ) -> tuple[Listed, ...]:
        repomd = folder / "repomd.xml"
        download_within(url + _REPOMD, repomd, limits.REPOMD, self._places)
        try:
            record = parse_repomd(repomd.read_bytes()).record("primary")
        except RepomdError as error:
            raise RefusedFileError(url + _REPOMD, str(error)) from error
        assert record is not None  # parse_repomd sees to it
        _refuse_strange(url, record)
        packed = folder / "packed"
        place = url + record.href
        download_within(place, packed, LISTING_PACKED, self._places)
        check_file(packed, place, record.size, record.checksum_type, record.checksum)
        try:
            return packed_listing(packed, place, record, arch, sources)
        except UnreadableError as error:
            raise RefusedFileError(place, str(error)) from error

    def _fetch(self, url: str, one: Listed, folder: Path, number: int) -> Path:
        # A name of our own: theirs is whatever they like.
        target = folder / f"{number:04}.rpm"
        place = url + one.href
        download_within(place, target, one.size, self._places)
        check_file(target, place, one.size, one.checksum_type, one.checksum)
        return target


def download_within(url: str, target: Path, limit: int, places: Sequence[str]) -> None:
    """Writes what is at `url`, at most `limit` bytes, to `target`.

    Raises AbsentError where there is nothing, RefusedFileError where it is too large or leads out
    of `places`, other SurroundingsErrors where it cannot be had; another try may help.
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
        # Object stores say 403 of what is not there.
        if error.is_absent or error.status == HTTPStatus.FORBIDDEN:
            raise AbsentError(error.what) from error
        raise


def _refuse_strange(url: str, record: Record) -> None:
    if record.base is not None:
        raise RefusedFileError(url + _REPOMD, "it names another base for its files")
    if any(c in record.href for c in "\\?#%") or not record.href.isprintable():
        raise RefusedFileError(url + _REPOMD, "the location of primary is no plain path")
    if record.open_size is None or record.open_size > LISTING:
        raise RefusedFileError(url + _REPOMD, f"its primary is not below {LISTING} bytes")


def _checked(listed: Sequence[Listed], files: Sequence[Path]) -> list[Package]:
    """The packages in the files, which must be those that the repository lists.

    A header that says something else would put another package into the pool than was requested.
    """
    packages: list[Package] = []
    for source in dict.fromkeys(one.source for one in listed):
        own = [pair for pair in zip(listed, files, strict=True) if pair[0].source == source]
        made = packages_of([file for _, file in own], source, foreign=True)
        if [package.nevra for package in made] != sorted(one.nevra for one, _ in own):
            raise HeaderError(f"The files of {source} are not the packages that are listed.")
        packages.extend(made)
    return packages


def _checksums(cached: CachedBuild) -> set[str]:
    return {p.location.checksum for p in cached.packages if p.location is not None}


def _key(url: str, arch: str, sources: Sequence[str], commit: str) -> str:
    parts = ["external", url, arch, sorted(sources), commit]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _built(cached: CachedBuild, start: float, *, from_cache: bool) -> Built:
    seconds = time.monotonic() - start if start else 0.0
    return Built(cached.packages, cached.rpms, cached.log, from_cache, seconds, cached.notes)


def _summary(url: str, listed: Sequence[Listed]) -> str:
    lines = [f"Taken from {url}:", ""]
    lines += [f"{one.checksum_type} {one.checksum}  {one.href}  {one.nevra}" for one in listed]
    return "\n".join([*lines, ""])


PLACEHOLDERS = ("owner", "repo", "number", "sha", "arch", "chroot")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# What names of owners, repositories, chroots and commits are made of; a slash is none of it.
_VALUE = re.compile(r"[A-Za-z0-9._+~@:-]{1,200}")
# What may stand in a URL beside that: no query, fragment, backslash, percent or blank.
_TEXT = re.compile(r"[A-Za-z0-9._+~@:/{}=,-]*")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_SCHEMES = ("https://", "http://")


def placeholders_in(template: str) -> frozenset[str]:
    """The names of the placeholders in a template."""
    return frozenset(_PLACEHOLDER.findall(template))


def template_problem(template: str) -> str | None:
    """The error in a template itself, as a sentence without its subject; null if there is none.

    Whether its place is allowed is another question (`expand`).
    """
    problem = None
    scheme = next((s for s in _SCHEMES if template.startswith(s)), None)
    unknown = sorted(placeholders_in(template) - set(PLACEHOLDERS))
    host = template.partition("://")[2].partition("/")[0]
    if scheme is None:
        problem = "expected a URL that begins with https:// or http://"
    elif unknown:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        problem = f"`{{{unknown[0]}}}` is no placeholder; there are {known}"
    elif not _TEXT.fullmatch(template) or re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        problem = "has a character that no such URL has; a query or fragment is not taken"
    elif not _HOST.fullmatch(host):
        problem = "its host is not a plain name: no placeholder and no user name stands there"
    elif _has_steps(template):
        problem = "its path has an empty segment, `.` or `..`"
    return problem


def allowed_place(template: str, places: Iterable[str]) -> bool:
    """Return whether what stands before the first placeholder begins with one of the allowed
    `places`.

    Each place ends with a slash, so that no longer host or folder name begins with it too.
    """
    fixed = template.partition("{")[0]
    return any(place.endswith("/") and fixed.startswith(place) for place in places)


def expand(template: str, values: Mapping[str, str], places: Iterable[str]) -> str:
    """The URL, with a slash at its end. UsageError says why there is none.

    In a value a slash (of nested groups) becomes `-`, as Packit names its projects.
    """
    problem = template_problem(template)
    if problem is not None:
        raise UsageError(f"The URL template {template}: {problem}.")
    places = tuple(places)
    if not allowed_place(template, places):
        listed = ", ".join(places) or "nowhere (build.external in the server's settings is empty)"
        raise UsageError(
            f"Packages are not taken from {template}: this server takes them from {listed}.",
            "Whoever runs the bot may add the place to build.external in its settings.",
        )

    def value(name: str) -> str:
        found = values[name].replace("/", "-")
        if not _VALUE.fullmatch(found):
            raise UsageError(f"`{found[:100]}` cannot stand for {{{name}}} in {template}.")
        return quote(found, safe="@+~:")

    url = _PLACEHOLDER.sub(lambda match: value(match[1]), template).rstrip("/") + "/"
    if _has_steps(url) or not any(url.startswith(place) for place in places):
        raise UsageError(f"The URL {url} leaves the place that {template} begins with.")
    return url


def _has_steps(url: str) -> bool:
    path = url.partition("://")[2].partition("/")[2].removesuffix("/")
    return any(segment in (".", "..", "") for segment in path.split("/")) if path else False
