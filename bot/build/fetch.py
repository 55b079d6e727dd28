"""A spec file's sources: their places; those not in the repository are fetched once and checked."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from bot import limits
from bot.build.builder import NOT_CACHED
from bot.distro.cache import Cache
from bot.distro.failover import FetchError, RefusedFileError
from bot.errors import SurroundingsError
from bot.model.spec import SpecSource
from bot.spec.tree import LookasideFile, SourcesError, checked_name, read_lists, source_directory


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """The limits on sources: `largest` bytes each, only public hosts, no `file://` URLs.

    The defaults are for a bot, which builds what strangers propose. On one's own machine, private
    hosts and local files may be allowed.
    """

    largest: int = limits.SOURCE
    public_only: bool = True
    local_files: bool = False


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """A file in the cache, and a sentence for the log: its origin and the check."""

    name: str
    path: Path
    record: str


Download = Callable[[str, Path, int], None]


class SourceStore:
    """The cached sources of all packages.

    A file with a listed checksum is stored under that. For one without (a bare URL) the SHA-256 is
    recorded at the first fetch; if the URL has other content later, that is reported. With
    `cached_only` nothing is fetched, nor waited for.
    """

    def __init__(
        self,
        cache: Cache,
        policy: SourcePolicy | None = None,
        download: Download | None = None,
        *,
        cached_only: bool = False,
    ) -> None:
        self._cache = cache
        self._cached_only = cached_only
        self._policy = policy or SourcePolicy()
        self._download = download or self._over_http

    def fetch(
        self, source: WantedSource, package: str, lookaside: str | None = None
    ) -> FetchedSource:
        """Return the content of a source that is not in the checkout.

        SourcesError where no place has it or its content differs from the list; SurroundingsError
        where another try may help.
        """
        if self._cached_only and not self._has(source):
            raise SurroundingsError(NOT_CACHED)
        if source.listed is not None:
            return self._listed(source, source.listed, package, lookaside)
        assert source.url is not None
        return self._by_url(source.name, source.url)

    def _has(self, source: WantedSource) -> bool:
        """Return whether the content is cached; cached content stays, so no lock is needed."""
        if source.listed is not None:
            return self._place(source.listed.algorithm, source.listed.checksum).is_file()
        checksum = _recorded_checksum(self._record(source.url or ""))
        return checksum is not None and self._place("sha256", checksum).is_file()

    def _record(self, url: str) -> Path:
        name = f"{hashlib.sha256(url.encode()).hexdigest()}.json"
        return self._cache.directory("source-urls") / name

    def _listed(
        self, source: WantedSource, entry: LookasideFile, package: str, lookaside: str | None
    ) -> FetchedSource:
        place = self._place(entry.algorithm, entry.checksum)
        check = f"{entry.algorithm} {entry.checksum}, as listed"
        with self._cache.lock(f"source-{entry.checksum[:8]}"):
            if place.is_file():
                os.utime(place)
                return FetchedSource(source.name, place, f"{source.name}: cached, {check}")
            urls = list(_urls(source, entry, package, lookaside))
            if not urls:
                raise SourcesError(
                    f"{source.tag} {source.name} is in the lookaside, and none is known.",
                    "Set `lookaside` in .minimize.yaml.",
                )
            problems: list[SurroundingsError | SourcesError] = []
            for url in urls:
                try:
                    with self._download_of(url) as file:
                        _check(file, entry, url)
                        _move(file, place)
                except (SourcesError, SurroundingsError) as error:
                    problems.append(error)
                else:
                    return FetchedSource(source.name, place, f"{source.name}: {url}, {check}")
        raise _first(problems)

    def _by_url(self, name: str, url: str) -> FetchedSource:
        record = self._record(url)
        with self._cache.lock(f"source-{record.name[:8]}"):
            recorded = _recorded_checksum(record)
            if recorded is not None and (place := self._place("sha256", recorded)).is_file():
                os.utime(place)
                return FetchedSource(name, place, f"{name}: cached, sha256 {recorded}, from {url}")
            with self._download_of(url) as arrived:
                checksum = _digest(arrived, "sha256")
                place = self._place("sha256", checksum)
                _move(arrived, place)
            self._cache.write(record, json.dumps({"url": url, "sha256": checksum}).encode())
        origin = f"{name}: {url}, sha256 {checksum}, first seen now (no list of sources has it)"
        if recorded is not None and recorded != checksum:
            origin = f"{name}: {url} has changed: sha256 was {recorded}, is {checksum}"
        return FetchedSource(name, place, origin)

    def _place(self, algorithm: str, checksum: str) -> Path:
        return self._cache.addressed(f"sources/{algorithm}", checksum)

    @contextmanager
    def _download_of(self, url: str) -> Iterator[Path]:
        """Fetch the content of `url` into a temporary file, removed unless it was moved away."""
        file = self._cache.temporary(self._cache.directory("sources") / "arriving")
        try:
            self._get(url, file)
            yield file
        finally:
            file.unlink(missing_ok=True)

    def _get(self, url: str, target: Path) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"}:
            self._download(url, target, self._policy.largest)
        elif parts.scheme == "file" and self._policy.local_files:
            _copy(Path(unquote(parts.path)), target, self._policy.largest)
        else:
            raise SourcesError(
                f"{url} is not read: sources come from http and https.",
                "Put the file into the repository or its lookaside.",
            )

    def _over_http(self, url: str, target: Path, limit: int) -> None:
        download_source(url, target, limit, public_only=self._policy.public_only)


def download_source(url: str, target: Path, limit: int, *, public_only: bool) -> None:
    """Write the content at the http(s) `url` to `target`.

    SourcesError where there is none, where it has more than `limit` bytes or is at an address that
    is not public; SurroundingsError where another try may help.
    """
    from bot.distro import http
    from bot.distro.connections import PrivateAddressError, Reach

    try:
        http.download(url, target, limit, reach=Reach(public_only), resume=False)
    except (PrivateAddressError, RefusedFileError) as error:
        raise SourcesError(error.what, error.hint) from error
    except FetchError as error:
        if error.is_absent:
            raise SourcesError(error.what) from error
        raise


def _urls(
    source: WantedSource, entry: LookasideFile, package: str, lookaside: str | None
) -> Iterator[str]:
    if lookaside is not None:
        yield lookaside_url(lookaside, package, entry)
    if source.url is not None:
        yield source.url


def _check(path: Path, entry: LookasideFile, url: str) -> None:
    checksum = _digest(path, entry.algorithm)
    if checksum != entry.checksum:
        raise SourcesError(
            f"{url} is not {entry.name}: its {entry.algorithm} is {checksum}, the list says"
            f" {entry.checksum}.",
            "Upload the right file, or correct the list of sources.",
        )


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _move(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    file.replace(place)


def _copy(path: Path, target: Path, limit: int) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourcesError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > limit:
        raise SourcesError(f"{path} is larger than the {limit} bytes allowed.")
    target.write_bytes(content)


def _recorded_checksum(record: Path) -> str | None:
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(record.read_text())["sha256"])
    return None


def _first(
    problems: Sequence[SurroundingsError | SourcesError],
) -> SurroundingsError | SourcesError:
    """Return a network failure before a refusal, as another try may help with that."""
    return next((p for p in problems if isinstance(p, SurroundingsError)), problems[0])


_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class WantedSource:
    """One `Source` or `Patch`: the file's `name` in the build, and its possible places.

    `local` is a file of the checkout; else `listed` and `url` are where to fetch it. With both, the
    lookaside comes first, and the checksum holds for either.
    """

    tag: str
    name: str
    local: Path | None = None
    listed: LookasideFile | None = None
    url: str | None = None


def wanted_sources(
    checkout: Path, spec_path: str, sources: Iterable[SpecSource]
) -> tuple[WantedSource, ...]:
    """Return the places of a spec's sources. SourcesError for one without a place."""
    directory = source_directory(checkout, spec_path)
    lists: dict[str, LookasideFile] = {}
    for place in {directory: None, (checkout / spec_path).parent: None, checkout: None}:
        lists = {**read_lists(place), **lists}
    places: dict[str, WantedSource] = {}
    for source in sources:
        name = checked_name(source.location.rsplit("/", 1)[-1])
        if name in places:
            continue
        entry = lists.get(name)
        url = source.location if "://" in source.location else None
        local = inside(checkout, directory / name)
        if local is None and entry is None and url is None:
            raise SourcesError(
                f"{source.tag} of {spec_path}: {name} is not beside the spec file, is in no"
                " list of sources there, and is no URL.",
                "Add the file, or upload it to the lookaside and commit `sources`.",
            )
        if local is not None:
            places[name] = WantedSource(source.tag, name, local=local)
        else:
            places[name] = WantedSource(source.tag, name, listed=entry, url=url)
    return tuple(places.values())


def inside(checkout: Path, path: Path) -> Path | None:
    """Return the regular file that `path` leads to, links followed; None where it leads to none.

    SourcesError for a link that leads out of the checkout: a change must not read the server's
    files.
    """
    if not (path.is_symlink() or path.exists()):
        return None
    real = path.resolve()
    if not real.is_relative_to(checkout.resolve()):
        raise SourcesError(f"{path.name} is a link out of the repository; it is not followed.")
    return real if real.is_file() else None


def lookaside_url(template: str, package: str, entry: LookasideFile) -> str:
    """Return the URL of a lookaside file; SourcesError for a template with other fields."""
    values = {
        "name": quote(package, safe=""),
        "file": quote(entry.name, safe=""),
        "hashtype": entry.algorithm,
        "hash": entry.checksum,
    }
    rest = _FIELD.sub("", template)
    unknown = set(_FIELD.findall(template)) - values.keys()
    if unknown or "{" in rest or urlsplit(template).scheme not in {"http", "https"}:
        raise SourcesError(
            f"The lookaside {template!r} is no http(s) URL with {{name}}, {{file}}, {{hashtype}}"
            " and {hash}.",
            "Correct `lookaside` in .minimize.yaml or the repository document.",
        )
    return _FIELD.sub(lambda match: values[match[1]], template)
