"""Finds, checks and stores the newest good state of one repository.

A state is accepted only if its repomd.xml, that file's signature, and the metadata that solving
needs are all available and valid; until then the last good state is used.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bot import limits
from bot.distro.cache import Cache
from bot.distro.documents import RepoSource
from bot.distro.failover import (
    BRIEF,
    BUDGET,
    AbsentError,
    RefusedFileError,
    RetryPolicy,
    first_of,
    rounds,
)
from bot.distro.keys import read_keys, verify_detached
from bot.distro.metadata import forget, metadata_file
from bot.distro.mirrors import Hashes, Mirrors, read_metalink, read_mirrorlist
from bot.distro.repomd import Repomd, RepomdError, parse_repomd
from bot.distro.transfer import NOTHING_KNOWN, SmallFile, local_path, read_small
from bot.distro.variables import substituted
from bot.errors import SurroundingsError
from bot.model.package import RepositoryAccess, origin

REPOMD = "repodata/repomd.xml"
# Required for a state. File lists are fetched when a dependency needs them.
_ESSENTIAL = ("primary", "group", "modules")


@dataclass(frozen=True, slots=True)
class State:
    """A good state of a repository. `content` is its repomd.xml, `checked` seconds since 1970.

    `base_urls` are the places of its files, best first; `origin`, `etag` and `last_modified` are
    for the next conditional request; `signed` is whether a configured key signed it; `older` has
    the checksums of the previous state's metadata.
    """

    content: bytes
    checked: float
    base_urls: tuple[str, ...]
    origin: str
    etag: str | None = None
    last_modified: str | None = None
    signed: bool = False
    older: tuple[str, ...] = ()

    @property
    def checksum(self) -> str:
        """The sha256 of repomd.xml, which identifies this state."""
        return hashlib.sha256(self.content).hexdigest()


def rfc3339(seconds: float) -> str:
    """A time in UTC in the format used everywhere here."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def refresh(
    source: RepoSource,
    cache: Cache,
    *,
    offline: bool = False,
    max_age: float | None = None,
    now: Callable[[], float] = time.time,
) -> tuple[State, str | None]:
    """The state of `source` (its URLs expanded) to use, and why it is not the current one, if so.

    `offline` uses no network, `max_age` (seconds) none while the last good state is younger. Raises
    SurroundingsError if there is no good state at all.
    """
    key = _key(source)
    place = cache.root / "repositories" / f"{key}.json"
    known = _load(place)
    local = _is_local(source)
    if known is not None and not local:
        if offline:
            return known, f"{rfc3339(known.checked)}: the network was not used"
        if max_age is not None and 0 <= now() - known.checked < max_age:
            return known, None
    if known is None and offline and not local:
        raise SurroundingsError(
            f"The repository `{source.id}` is not in the cache, and the network is not used."
        )
    try:
        if known is not None and local and _unchanged(known):
            return known, None
        with cache.lock(f"repository-{key}"):
            known = _load(place) or known
            fresh = _newest(source, known, cache, now)
            if known is not None and fresh.content != known.content:
                fresh = _succeed(known, fresh, cache)
            if fresh != known:
                cache.write(place, _dump(fresh))
            return fresh, None
    except SurroundingsError as error:
        if known is None:
            raise
        return known, f"{rfc3339(known.checked)}: {error.what}"


def _key(source: RepoSource) -> str:
    """The key of a last good state; processes with equal values share it."""
    text = json.dumps(
        [
            source.id,
            source.baseurl,
            source.metalink,
            source.mirrorlist,
            source.gpgkey,
            source.repo_gpgcheck,
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _is_local(source: RepoSource) -> bool:
    urls = (*source.baseurl, source.metalink, source.mirrorlist)
    return all(url is None or url.startswith("file://") for url in urls)


def _unchanged(known: State) -> bool:
    """Return whether a local repository's repomd.xml is the known one: without lock, parsing or
    copy."""
    path = local_path(known.origin)
    try:
        return path is not None and path.read_bytes() == known.content
    except OSError:
        return False


def _load(place: Path) -> State | None:
    try:
        plain = json.loads(place.read_bytes())
        content = plain["content"].encode("utf-8", "surrogateescape")
        parse_repomd(content)
        lists = {name: tuple(plain[name]) for name in ("base_urls", "older")}
        return State(**{**plain, **lists, "content": content, "checked": float(plain["checked"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # missing or damaged: as if it was never fetched


def _dump(state: State) -> bytes:
    plain = asdict(state) | {"content": state.content.decode("utf-8", "surrogateescape")}
    return json.dumps(plain).encode()


def _succeed(known: State, fresh: State, cache: Cache) -> State:
    """Replace `known` by `fresh`, and keep the metadata of `known` for processes that still use it.

    Metadata older than that is deleted: a distribution composed daily would fill the disk. It is
    fetched again if it is needed after all.
    """
    before = _checksums(known)
    for checksum in set(known.older) - set(before) - set(_checksums(fresh)):
        forget(checksum, cache)
    return replace(fresh, older=before)


def _checksums(state: State) -> tuple[str, ...]:
    return tuple(record.checksum for record in _parse(state).records)


def _newest(
    source: RepoSource, known: State | None, cache: Cache, now: Callable[[], float]
) -> State:
    """The newest good state that the mirrors have. Raises SurroundingsError if none has one.

    An outdated mirror (with a repomd.xml that the metalink calls an alternate, or older than the
    known state) is used only if no other is better, and never instead of the known state: an
    attacker with old metadata could bring back vulnerable packages. If a state is known, mirrors
    are waited for only briefly.
    """
    most = None if known is None else BRIEF.with_deadline(BUDGET)
    mirrors = _mirrors(source, most)
    access = access_of(source, mirrors.base_urls)
    if known is not None and mirrors.current and _matches(known.content, mirrors.current):
        return replace(known, checked=now(), base_urls=mirrors.base_urls)
    behind: list[State] = []

    def newest_of(base: str, retry_policy: RetryPolicy) -> State:
        state = _ask(base, mirrors, known, now(), access, retry_policy)
        if _is_behind(state, known, mirrors):
            behind.append(state)
            raise RefusedFileError(state.origin, "it is older than what other mirrors have")
        if known is not None and state.content == known.content:
            return replace(state, signed=known.signed, older=known.older)
        return _adopt(source, state, known, cache, retry_policy, most)

    policies = rounds(len(mirrors.base_urls), most)
    try:
        return first_of(mirrors.base_urls, newest_of, policies)
    except SurroundingsError:
        if not behind:
            raise
        newest = max(behind, key=lambda state: _parse(state).timestamp)
        if known is not None:
            _refuse_older(newest, known)
        return _adopt(source, newest, known, cache, policies[-1], most)


def ask(source: RepoSource, most: RetryPolicy) -> State:
    """The repomd.xml and signature of the first mirror with a valid answer; nothing is stored.

    Mirrors are waited for as `most` allows. Raises SurroundingsError if there is none.
    """
    mirrors = _mirrors(source, most)
    access = access_of(source, mirrors.base_urls)

    def state_of(base: str, retry_policy: RetryPolicy) -> State:
        state = _ask(base, mirrors, None, 0.0, access, retry_policy)
        _parse(state)
        return replace(state, signed=_signed(source, state, access, retry_policy, most))

    return first_of(mirrors.base_urls, state_of, rounds(len(mirrors.base_urls), most))


def _mirrors(source: RepoSource, most: RetryPolicy | None) -> Mirrors:
    """The mirrors of `source`; if its metalink or mirror list fails, other stated URLs are used."""
    own = Mirrors(tuple(f"{url.rstrip('/')}/" for url in source.baseurl))
    lists = [url for url in (source.metalink, source.mirrorlist) if url is not None]
    access = access_of(source)

    def read(url: str, retry_policy: RetryPolicy) -> Mirrors:
        reader = read_metalink if url == source.metalink else read_mirrorlist
        mirrors = reader(url, access, retry_policy)
        # AlmaLinux's list has `$basearch` in it (librepo's LRO_VARSUB).
        urls = (substituted(base, source.variables) for base in mirrors.base_urls)
        return replace(mirrors, base_urls=tuple(urls))

    if not lists:
        return own
    places = len(lists) + bool(source.baseurl)
    try:
        return first_of(lists, read, rounds(places, most)[: 1 if source.baseurl else None])
    except SurroundingsError:
        if not source.baseurl:
            raise
        return own


def _ask(
    base: str,
    mirrors: Mirrors,
    known: State | None,
    checked: float,
    access: RepositoryAccess,
    retry_policy: RetryPolicy,
) -> State:
    """The state of one mirror, unchecked except against the metalink's checksums."""
    url = f"{base}{REPOMD}"
    earlier = known if known is not None and known.origin == url else None
    answer = read_small(
        url,
        limits.REPOMD,
        earlier=SmallFile(None, earlier.etag, earlier.last_modified) if earlier else NOTHING_KNOWN,
        access=access,
        retry_policy=retry_policy,
    )
    others = tuple(base_url for base_url in mirrors.base_urls if base_url != base)
    if answer.content is None and earlier is not None:
        state = replace(earlier, checked=checked, base_urls=(base, *others))
    else:
        state = State(
            content=answer.content or b"",
            checked=checked,
            base_urls=(base, *others),
            origin=url,
            etag=answer.etag,
            last_modified=answer.last_modified,
        )
    vouched = (mirrors.current, *mirrors.alternates) if mirrors.current else ()
    if vouched and not any(hashes and _matches(state.content, hashes) for hashes in vouched):
        raise RefusedFileError(url, "it is not the repomd.xml that the metalink names")
    return state


def access_of(source: RepoSource, mirrors: Sequence[str] = ()) -> RepositoryAccess:
    """The access to the servers and mirrors of `source`.

    Mirrors get its credentials, as with dnf, unless the list of mirrors was read over plain HTTP,
    which an attacker could have changed.
    """
    lists = [url for url in (source.metalink, source.mirrorlist) if url is not None]
    named = [*source.baseurl, *lists]
    if not any(url.startswith("http://") for url in lists):
        named += mirrors
    own = frozenset(origin(url) for url in (*source.baseurl, *lists, *source.gpgkey))
    return replace(source.access.among(named), named=own)


def _matches(content: bytes, hashes: Hashes) -> bool:
    if hashes.size is not None and len(content) != hashes.size:
        return False
    return all(
        hashlib.new(kind, content).hexdigest() == stated for kind, stated in hashes.checksums
    )


def _is_behind(state: State, known: State | None, mirrors: Mirrors) -> bool:
    if mirrors.current is not None and not _matches(state.content, mirrors.current):
        return True
    return known is not None and _parse(state).timestamp < _parse(known).timestamp


def _refuse_older(state: State, known: State) -> None:
    """Raise RefusedFileError for a repomd.xml older than the last one seen."""
    then, now = _parse(state).timestamp, _parse(known).timestamp
    if then < now:
        why = f"it is of {rfc3339(then)}, and one of {rfc3339(now)} was seen before"
        raise RefusedFileError(state.origin, why)


def _parse(state: State) -> Repomd:
    try:
        return parse_repomd(state.content)
    except RepomdError as error:
        raise RefusedFileError(state.origin, str(error)) from error


def _adopt(
    source: RepoSource,
    state: State,
    known: State | None,
    cache: Cache,
    retry_policy: RetryPolicy,
    most: RetryPolicy | None,
) -> State:
    """`state`, once all its required files are there and valid.

    Its own mirror is waited for as `retry_policy` allows, others with the same files as `most`
    allows.
    """
    repomd = _parse(state)
    access = access_of(source, state.base_urls)
    signed = _signed(source, state, access, retry_policy, most)
    if known is not None and known.signed and not signed:
        raise RefusedFileError(state.origin, "it has no signature, and the one before it had")
    # After the deadline nothing new is begun, but a running transfer may finish.
    unlimited = None if most is None else replace(most, until=None)
    for type_ in _ESSENTIAL:
        record = repomd.record(type_)
        if record is not None:
            metadata_file(record, state.base_urls, cache, access, unlimited)
    return replace(state, signed=signed)


def _signed(
    source: RepoSource,
    state: State,
    access: RepositoryAccess,
    retry_policy: RetryPolicy,
    most: RetryPolicy | None,
) -> bool:
    """Return whether a configured key signed repomd.xml. Raises SurroundingsError if it must be
    signed and is not."""
    if not source.gpgkey:
        return False
    url = f"{state.origin}.asc"
    try:
        answer = read_small(url, limits.SIGNATURE, access=access, retry_policy=retry_policy)
        signature = answer.content
    except AbsentError as error:
        if source.repo_gpgcheck:
            why = "it has no signature, and `repo_gpgcheck` asks for one"
            raise RefusedFileError(state.origin, why) from error
        return False
    keys = read_keys(source.gpgkey, access, most)
    verify_detached(state.origin, state.content, signature or b"", keys)
    return True
