"""Asks every repository of a configuration whether it is reachable, its age, signature and size."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bot.distro.documents import RepositoryDocument, RepoSource
from bot.distro.failover import FEW, RefusedFileError, RetryPolicy
from bot.distro.metadata import opened
from bot.distro.refresh import State, access_of, ask, rfc3339
from bot.distro.repomd import Record, number_of, parse_repomd
from bot.distro.transfer import first_bytes, local_path
from bot.distro.variables import expanded
from bot.errors import MinimizeError, UsageError

# Bytes of a primary.xml, compressed or not, that contain its first element.
_BEGINNING = 256_000
_PACKAGES = re.compile(rb'<metadata\b[^>]*\bpackages="(\d+)"')
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class RepositoryAnswer:
    """One repository of a document on one architecture.

    `url` is where it was found, `timestamp` (RFC 3339) the newest in its repomd.xml or empty, `age`
    the seconds since then. `signed` is true if a configured key signed repomd.xml, false if it has
    no signature, null if the document has no key. `error` and `hint` say why it could not be read,
    or what is wrong with it; `cause` is whose fault that is.
    """

    document: str
    repository: str
    arch: str
    url: str = ""
    timestamp: str = ""
    age: int | None = None
    signed: bool | None = None
    packages: int | None = None
    error: str | None = None
    hint: str = ""
    cause: str | None = None

    @property
    def reachable(self) -> bool:
        """Return whether it answered and its files are valid."""
        return self.error is None


def ask_repositories(
    documents: Iterable[RepositoryDocument],
    *,
    arches: Iterable[str] = (),
    retry_policy: RetryPolicy = FEW,
    now: Callable[[], float] = time.time,
    progress: Callable[[RepositoryAnswer], None] | None = None,
) -> tuple[RepositoryAnswer, ...]:
    """Ask each repository on each architecture (or those of `arches`), in that order.

    repomd.xml, its signature and the beginning of primary.xml are fetched, nothing is stored. An
    unreachable repository is an answer with an error. `cause` is `surroundings` or `configuration`;
    a document that is not default and lacks its credentials is `not asked`.
    """
    from concurrent.futures import ThreadPoolExecutor

    arch_set = frozenset(arches)
    places = [
        (document, source, arch)
        for document in documents
        for source in document.repos
        for arch in document.architectures
        if (not arch_set or arch in arch_set)
        and (not source.limit_arches or arch in source.limit_arches)
    ]

    def answered(place: tuple[RepositoryDocument, RepoSource, str]) -> RepositoryAnswer:
        answer = _answer(*place, retry_policy, now)
        if progress is not None:
            progress(answer)
        return answer

    with ThreadPoolExecutor(_AT_ONCE) as executor:
        return tuple(executor.map(answered, places))


def _answer(
    document: RepositoryDocument,
    source: RepoSource,
    arch: str,
    retry_policy: RetryPolicy,
    now: Callable[[], float],
) -> RepositoryAnswer:
    answer = RepositoryAnswer(document.id, source.id, arch)
    try:
        repository = expanded(source, document, arch)
        state = ask(repository, retry_policy)
        answer = _with_state(answer, repository, state, now())
        return replace(answer, packages=_packages(repository, state, retry_policy))
    except MinimizeError as error:
        cause = "surroundings"
        if isinstance(error, UsageError):
            cause = "configuration" if document.default else "not asked"
        return replace(answer, error=error.what, hint=error.hint, cause=cause)


def _with_state(
    answer: RepositoryAnswer, source: RepoSource, state: State, now: float
) -> RepositoryAnswer:
    timestamp = parse_repomd(state.content).timestamp
    return replace(
        answer,
        url=state.base_urls[0],
        timestamp=rfc3339(timestamp) if timestamp else "",
        age=max(0, int(now - timestamp)) if timestamp else None,
        signed=state.signed if source.gpgkey else None,
    )


def _packages(source: RepoSource, state: State, retry_policy: RetryPolicy) -> int | None:
    """The number of packages that primary.xml states, or null."""
    record = parse_repomd(state.content).record("primary")
    if record is None:
        return None
    base = state.base_urls[0] if record.base is None else f"{record.base.rstrip('/')}/"
    url = base + record.href
    text = _unpacked(url, _beginning(url, record, source, state, retry_policy))
    if b"<metadata" not in text:
        raise RefusedFileError(url, "it is not a primary.xml")
    match = _PACKAGES.search(text)
    return number_of(match[1].decode()) if match else None


def _beginning(
    url: str, record: Record, source: RepoSource, state: State, retry_policy: RetryPolicy
) -> bytes:
    path = local_path(url)
    if path is not None:
        return first_bytes(path, _BEGINNING)
    from bot.distro import http

    access = access_of(source, state.base_urls)
    if record.size is None:
        return (
            http.get(url, _BEGINNING * 100, access=access, retry_policy=retry_policy).content or b""
        )
    return http.get_range(
        url, min(record.size, _BEGINNING), access=access, retry_policy=retry_policy
    )


def _unpacked(url: str, content: bytes) -> bytes:
    """The first bytes of the unpacked `content`, whose end may be missing."""
    reader, broken = opened(io.BytesIO(content), url)
    ending: tuple[type[Exception], ...] = (EOFError, *broken)
    text = b""
    try:
        while len(text) < 4096 and (piece := reader.read(1024)):
            text += piece
    except ending as error:
        if not text:
            raise RefusedFileError(url, f"it cannot be unpacked: {error}") from error
    return text
